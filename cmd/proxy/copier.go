package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	origin "github.com/fovea-images/fovea/origin/cloudflare"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// copier reads an account through the Images API.
type copier struct {
	base   string // ends in /images
	token  token.Secret
	client *http.Client
	most   int64 // bytes of an original
	wait   func(ctx context.Context, d time.Duration) error
}

const cloudflareToken = "CLOUDFLARE_API_TOKEN"

func newCopier(base, account string, environ []string, most int64) (*copier, error) {
	c := &copier{most: most, client: &http.Client{Timeout: 2 * time.Minute}, wait: wait}
	for _, line := range environ {
		if name, value, _ := strings.Cut(line, "="); name == cloudflareToken {
			c.token = token.Secret(value)
		}
	}
	if c.token == "" {
		return nil, fmt.Errorf("expected an API token that may read Cloudflare Images in the variable %s", cloudflareToken)
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" {
		return nil, fmt.Errorf("--cloudflare-api: expected a URL such as https://api.cloudflare.com/client/v4, received %q", base)
	}
	c.base = strings.TrimSuffix(base, "/") + "/accounts/" + url.PathEscape(account) + "/images"
	return c, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get reads path, a few times if the other side is busy.
func (c *copier) get(ctx context.Context, path string, most int64) ([]byte, error) {
	const attempts = 5
	pause := time.Second
	for attempt := 1; ; attempt++ {
		body, status, err := c.once(ctx, path, most)
		again := err != nil && status == 0 || status == http.StatusTooManyRequests || status >= 500
		if !again || attempt == attempts || ctx.Err() != nil {
			return body, err
		}
		if err := c.wait(ctx, pause); err != nil {
			return nil, err
		}
		pause *= 2
	}
}

func (c *copier) once(ctx context.Context, path string, most int64) ([]byte, int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+string(c.token))
	request.Header.Set("User-Agent", "Fovea/"+version)
	response, err := c.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	switch {
	case err != nil:
		return nil, 0, err
	case response.StatusCode != http.StatusOK:
		return nil, response.StatusCode, fmt.Errorf("GET %s: expected the status 200, received %d: %.200q", path, response.StatusCode, body)
	case int64(len(body)) > most:
		return nil, response.StatusCode, fmt.Errorf("GET %s: more than %d bytes", path, most)
	}
	return body, response.StatusCode, nil
}

const cloudflarePage = 32 << 20 // bytes of one answer that is no original

// result reads an answer's result.
func (c *copier) result(ctx context.Context, path string, into any) error {
	body, err := c.get(ctx, path, cloudflarePage)
	if err != nil {
		return err
	}
	var answer struct{ Result json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	if err := json.Unmarshal(answer.Result, into); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// cloudflare adopts the account's variants and returns its images, page by page.
func (c *importCmd) cloudflare(ctx context.Context, a *app, account store.Account, from *copier, t *tally) (feed, error) {
	head, err := from.account(ctx)
	if err != nil {
		return feed{}, err
	}
	if err := c.adopt(ctx, a, account, head, t); err != nil {
		return feed{}, err
	}
	var stats struct{ Count struct{ Current int } }
	if err := from.result(ctx, "/v1/stats", &stats); err != nil {
		return feed{}, err
	}
	return feed{stats.Count.Current, func(ctx context.Context, give func(item)) error {
		token := ""
		for {
			var page struct {
				Images []struct {
					ID, Filename, Creator string
					Meta                  json.RawMessage
					Uploaded              time.Time
					RequireSignedURLs     bool
				}
				Next string `json:"continuation_token"`
			}
			if err := from.result(ctx, "/v2?sort_order=asc&per_page=1000&continuation_token="+url.QueryEscape(token), &page); err != nil {
				return fmt.Errorf("cloudflare: %w", err)
			}
			for _, img := range page.Images {
				line := exportedImage{img.ID, "", img.Filename, img.Creator, img.Meta, img.Uploaded, img.RequireSignedURLs}
				if len(line.Meta) == 0 || string(line.Meta) == "null" {
					line.Meta = []byte("{}")
				}
				line.ID = c.Prefix + line.ID
				give(item{id: line.ID, name: line.Filename, asked: true, record: line.record, load: func(ctx context.Context) ([]byte, error) {
					return from.get(ctx, "/v1/"+url.PathEscape(img.ID)+"/blob", from.most)
				}})
			}
			if token = page.Next; token == "" {
				return nil
			}
		}
	}}, nil
}

// account reads the variants and the signing keys: URLs that were signed for
// Cloudflare stay good.
func (c *copier) account(ctx context.Context) (*exportedAccount, error) {
	var said json.RawMessage
	if err := c.result(ctx, "/v1/variants", &said); err != nil {
		return nil, err
	}
	variants, err := origin.ParseVariants(said)
	if err != nil {
		return nil, fmt.Errorf("GET /v1/variants: %w", err)
	}
	var head exportedAccount
	for i := range variants {
		head.Variants = append(head.Variants, exportVariant(&variants[i]))
	}
	var keys struct {
		Keys []struct{ Name, Value string }
	}
	if err := c.result(ctx, "/v1/keys", &keys); err != nil {
		return nil, err
	}
	head.Keys = map[string]string{}
	for _, k := range keys.Keys {
		head.Keys[k.Name] = k.Value
	}
	return &head, nil
}
