package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fovea-images/fovea/cache"
	"github.com/fovea-images/fovea/internal/admin"
	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
)

// purgeOrder says what is to be forgotten: one of its fields, besides Account.
type purgeOrder struct {
	Account    string `json:"account,omitempty"` // hash; "" = the configured one
	Image      string `json:"image,omitempty"`
	Variant    string `json:"variant,omitempty"`
	Source     string `json:"source,omitempty"`
	Prefix     string `json:"prefix,omitempty"`
	Tag        string `json:"tag,omitempty"`
	Everything bool   `json:"everything,omitempty"`
}

// purged is what was forgotten: a tag, or all tags that begin so.
type purged struct {
	Tag        string `json:"tag,omitempty"`
	Prefix     string `json:"prefix,omitempty"`
	Everything bool   `json:"everything,omitempty"`
	Pending    int    `json:"pending,omitempty"` // purges that the other nodes have not been told of
}

func (p purged) String() string {
	switch {
	case p.Everything:
		return "everything"
	case p.Prefix != "":
		return p.Prefix + "*"
	}
	return p.Tag
}

// tags reads o. Errors are *fault.Error of kind BadOptions.
func (o *purgeOrder) tags(account, zone string) (purged, error) {
	if o.Account != "" {
		account = o.Account
	}
	var all []purged
	var errs []error
	add := func(text string, p purged, err error) {
		if text != "" {
			all, errs = append(all, p), append(errs, err)
		}
	}
	add(o.Image, purged{Tag: params.ImageTag(account, o.Image)}, nil)
	add(o.Variant, purged{Tag: params.VariantTag(account, o.Variant)}, nil)
	source, err := sourceOf(o.Source, zone)
	add(o.Source, purged{Tag: params.SourceTag(source)}, err)
	if prefix := o.Prefix; strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "://") {
		source, err := sourceOf(prefix, zone)
		add(prefix, purged{Prefix: params.SourceTag(source)}, err)
	} else {
		add(prefix, purged{Prefix: params.ImageTag(account, prefix)}, nil)
	}
	kind, name, _ := strings.Cut(o.Tag, ":")
	if name == "" || kind != "image" && kind != "variant" && kind != "account" && kind != "source" {
		err = fault.New(fault.BadOptions, "Expected a tag such as image:<hash>/<id>, variant:<hash>/<name>, account:<hash> or source:<url>, received %q", o.Tag)
	}
	add(o.Tag, purged{Tag: o.Tag}, err)
	if o.Everything {
		all = append(all, purged{Everything: true})
	}
	if len(all) != 1 {
		return purged{}, fault.New(fault.BadOptions, "Expected one of image, variant, source, prefix, tag and everything, received %d", len(all))
	}
	return all[0], errors.Join(errs...)
}

// sourceOf is a source, or how one begins, as tags spell it: an absolute URL. A path
// is the zone's.
func sourceOf(text, zone string) (string, error) {
	if text == "" {
		return "", nil
	}
	if strings.HasPrefix(text, "/") {
		return "https://" + zone + text, nil
	}
	source, err := params.ParseURL(text)
	if err != nil {
		return "", fault.New(fault.BadOptions, "%s", fault.Of(err).Public)
	}
	return source.Value, nil
}

// purge forgets p: first who looks up, then the sources, then what was made of them. It
// returns p with what the other nodes have not been told of.
func (a *app) purge(p purged) purged {
	switch {
	case p.Everything:
		a.drop(cache.Purge{All: true})
		a.cache.PurgeAll()
	case p.Prefix != "":
		a.drop(cache.Purge{Prefixes: []string{p.Prefix}})
		a.cache.PurgePrefix(p.Prefix)
	default:
		a.drop(cache.Purge{Tags: []string{p.Tag}})
		a.cache.Purge(p.Tag)
	}
	if a.shared != nil {
		p.Pending = a.shared.Pending()
	}
	a.log.Info("purge", "what", p.String(), "pending", p.Pending)
	return p
}

// heard makes what another node has purged true here, in the order of purge.
func (a *app) heard(all []cache.Purge) {
	for _, p := range all {
		a.drop(p)
	}
	a.cache.Heard(all)
}

// drop forgets what p concerns of the records and sources in memory.
func (a *app) drop(p cache.Purge) {
	for hash, u := range a.upstream { // before the catalog, which asks them
		u.Forget(func(id string) bool {
			tag := params.ImageTag(hash, id)
			return p.All || slices.Contains(p.Tags, tag) ||
				slices.ContainsFunc(p.Prefixes, func(with string) bool { return strings.HasPrefix(tag, with) })
		})
	}
	var whole, begins []string
	for _, tag := range p.Tags {
		if urls, ok := a.fetched(tag); ok {
			whole = append(whole, urls...)
		}
	}
	a.catalog.Forget(p.Tags...)
	for _, prefix := range p.Prefixes {
		if urls, ok := a.fetched(prefix); ok {
			begins = append(begins, urls...)
		}
		if images, ok := strings.CutPrefix(prefix, "image:"); ok {
			account, id, _ := strings.Cut(images, "/")
			a.catalog.ForgetImages(account, id)
		}
	}
	if p.All {
		a.catalog.ForgetImages("", "")
	}
	if p.All || len(whole)+len(begins) > 0 {
		a.web.Forget(func(url string) bool {
			return p.All || slices.Contains(whole, url) ||
				slices.ContainsFunc(begins, func(with string) bool { return strings.HasPrefix(url, with) })
		})
	}
}

// fetched are the URLs that the source of a tag, or of how one begins, is fetched by:
// one of a zone's is at the website behind, too.
func (a *app) fetched(tag string) (urls []string, ok bool) {
	source, ok := strings.CutPrefix(tag, "source:")
	urls = []string{source}
	for zone := range a.zones {
		if path, own := strings.CutPrefix(source, "https://"+zone+"/"); own {
			if url, err := a.web.URL(params.Source{Value: "/" + path, Zone: zone}); err == nil {
				urls = append(urls, url)
			}
		}
	}
	return urls, ok
}

type purgeCmd struct {
	Image      string `help:"All of this image." placeholder:"ID"`
	Variant    string `help:"All images in this variant." placeholder:"NAME"`
	Source     string `help:"All that was made of this URL, or path of the zone." placeholder:"URL"`
	Prefix     string `help:"All images whose id begins so; or, of a URL or a path, all sources that begin so." placeholder:"TEXT"`
	Tag        string `help:"All that has this tag; explain shows the tags of a URL." placeholder:"TAG"`
	Everything bool   `help:"All there is."`
	Admin      string `help:"Admin listener of the server; without, that of the server of this store." placeholder:"HOST:PORT"`
}

// Run asks the running server to purge.
func (c *purgeCmd) Run(ctx context.Context, cli *cli, w world) error {
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	order := purgeOrder{Account: cli.Account, Image: c.Image, Variant: c.Variant, Source: c.Source, Prefix: c.Prefix, Tag: c.Tag, Everything: c.Everything}
	if order.Account == "" {
		order.Account = settings.Account
	}
	if _, err := order.tags(settings.Account, settings.Zone); err != nil {
		return err
	}
	var done purged
	if err := askServer(ctx, settings, c.Admin, "purge", order, &done); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w.stdout, "Purged %s\n", done); err != nil || done.Pending == 0 {
		return err
	}
	waits := "1 purge waits"
	if done.Pending > 1 {
		waits = fmt.Sprint(done.Pending, " purges wait")
	}
	return fmt.Errorf("%s until Redis answers: the other nodes have not been told, and serve what they have", waits)
}

// addressFile is where a server says, in the folder of its store, where its admin
// listener is.
const addressFile = "admin-address"

// adminAddress finds the admin listener of the server of the store.
func adminAddress(settings config.Config) (string, error) {
	text, err := os.ReadFile(addressPath(settings))
	switch {
	case err == nil:
		return strings.TrimSpace(string(text)), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case settings.Admin.Listen == "":
		return "", errors.New("admin.listen: expected an address; without one a running server takes no purges")
	}
	return settings.Admin.Listen, nil
}

// askAdmin asks the admin listener at address for a call of its.
func askAdmin(ctx context.Context, address, secret, call string, question, answer any) error {
	if !strings.Contains(address, "://") {
		address = "http://" + hostOf(address)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(address, "/")+"/admin/v1/"+call, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("--admin: expected HOST:PORT or a URL, received %q", address)
	}
	request.Header.Set("Content-Type", "application/json")
	if secret != "" {
		request.Header.Set("Authorization", "Bearer "+secret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("no server answers at %s; is it running? %w", address, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var said struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(text, &said) != nil || said.Error == "" {
			said.Error = "no Fovea answers there"
		}
		return fmt.Errorf("%s answered %d: %s", address, response.StatusCode, said.Error)
	}
	return json.Unmarshal(text, answer)
}

// adminToken is the token of the admin listener; "" = there is none.
func adminToken(c config.Admin) (string, error) {
	secret := string(c.Token)
	if secret != "" && len(secret) < admin.MinToken {
		return "", fmt.Errorf("token: expected at least %d characters, received %d", admin.MinToken, len(secret))
	}
	return secret, nil
}
