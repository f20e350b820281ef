package cloudflare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// remembered is what was said of one image.
type remembered struct {
	image store.Image
	err   error     // NotFound
	at    time.Time // when it was asked for
	turn  uint64    // of those who ask
}

// call asks the API.
func (o *Origin) call(ctx context.Context, rest string) (int, http.Header, []byte, error) {
	if err := o.resting(); err != nil {
		return 0, nil, nil, err
	}
	address := o.API + "/accounts/" + url.PathEscape(o.Account) + "/images" + rest
	status, header, body, err := o.Ask(ctx, address, map[string]string{"Authorization": "Bearer " + string(o.Token), "Accept": "*/*", "Via": via})
	o.heed(status, header)
	return status, header, body, err
}

// result asks the API for something in the envelope.
func (o *Origin) result(ctx context.Context, rest string, into any) error {
	status, header, body, err := o.call(ctx, rest)
	if err != nil {
		return err
	}
	if err := answered(status, header, body); err != nil {
		return err
	}
	var answer struct{ Result json.RawMessage }
	if err = json.Unmarshal(body, &answer); err == nil {
		err = json.Unmarshal(answer.Result, into)
	}
	if err != nil {
		return fault.Wrap(fault.OriginBroken, err, "Cloudflare's API answered something else than expected")
	}
	return nil
}

// missingFor is how long it is believed that an image is not there.
const missingFor = 10 * time.Second

// staleFor is how much longer than Remember an image is believed to be as it was
// while the API does not answer.
const staleFor = 24 * time.Hour

// Image implements store.Directory. Without a token every id may be an image.
func (o *Origin) Image(ctx context.Context, hash, id string) (store.Image, error) {
	if hash != o.Hash {
		return store.Image{}, errNotHere
	}
	if o.Token == "" {
		return store.Image{Account: hash, ID: id, RequireSigned: o.private(id), Believed: true}, nil
	}
	o.mu.Lock()
	known, ok := o.images[id]
	o.mu.Unlock()
	age := o.Now().Sub(known.at)
	if ok && (known.err == nil && age < o.Remember || known.err != nil && age < missingFor) {
		return known.image, known.err
	}
	image, err := o.Fresh(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) && ok && known.err == nil && age < o.Remember+staleFor {
		known.image.Believed = true
		return known.image, nil
	}
	return image, err
}

// Fresh is Image of the account, of which the API is asked whatever is remembered.
func (o *Origin) Fresh(ctx context.Context, id string) (store.Image, error) {
	o.mu.Lock()
	o.turn++
	turn := o.turn
	o.mu.Unlock()
	at := o.Now()
	image, err := o.look(ctx, id)
	if err == nil || fault.Is(err, fault.NotFound) {
		o.remember(id, remembered{image, err, at, turn})
	}
	return image, err
}

func (o *Origin) look(ctx context.Context, id string) (store.Image, error) {
	var said struct {
		Filename, Creator string
		Meta              json.RawMessage
		Uploaded          time.Time
		RequireSignedURLs bool
		Draft             bool
	}
	if err := o.result(ctx, "/v1/"+url.PathEscape(id), &said); err != nil {
		return store.Image{}, err
	}
	if said.Draft {
		return store.Image{}, errNotHere
	}
	if len(said.Meta) == 0 || said.Meta[0] != '{' {
		said.Meta = []byte("{}")
	}
	return store.Image{
		Account: o.Hash, ID: id, Filename: said.Filename, Creator: said.Creator, Meta: said.Meta, Uploaded: said.Uploaded,
		RequireSigned: said.RequireSignedURLs, Version: said.Uploaded.UnixMilli(),
	}, nil
}

// remember keeps r, unless who asked later was answered earlier, or it was asked for
// before a Forget.
func (o *Origin) remember(id string, r remembered) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.turn < o.forgotten || r.turn < o.images[id].turn {
		return
	}
	for other := range o.images { // any one makes room
		if len(o.images) < o.Images {
			break
		}
		delete(o.images, other)
	}
	o.images[strings.Clone(id)] = r
}

// Variants implements store.Directory.
func (o *Origin) Variants(hash string) []store.Variant {
	if a := o.account.Load(); a != nil && hash == o.Hash {
		return a.variants
	}
	return nil
}

// Keys implements store.Directory.
func (o *Origin) Keys(hash string) []token.Key {
	if a := o.account.Load(); a != nil && hash == o.Hash {
		return a.keys
	}
	return nil
}

// Refresh reads the account's variants and keys. What was known stays when it fails.
func (o *Origin) Refresh(ctx context.Context) error {
	if o.Token == "" {
		return nil
	}
	var said json.RawMessage
	if err := o.result(ctx, "/v1/variants", &said); err != nil {
		return fmt.Errorf("variants: %w", err)
	}
	a := &account{}
	var err error
	if a.variants, err = ParseVariants(said); err != nil {
		return err
	}
	var keys struct {
		Keys []struct{ Name, Value string }
	}
	if err := o.result(ctx, "/v1/keys", &keys); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	for _, k := range keys.Keys {
		a.keys = append(a.keys, token.Key{Name: k.Name, Value: token.Secret(k.Value)})
	}
	o.account.Store(a)
	return nil
}

// ParseVariants reads the result of GET v1/variants (contract 8.3).
func ParseVariants(result []byte) ([]store.Variant, error) {
	var list struct {
		Variants map[string]struct {
			Options     map[string]json.RawMessage
			NeverSigned bool `json:"neverRequireSignedURLs"`
		}
	}
	if err := json.Unmarshal(result, &list); err != nil {
		return nil, fmt.Errorf("variants: %w", err)
	}
	if len(list.Variants) == 0 {
		return nil, errors.New("variants: expected at least public")
	}
	var all []store.Variant
	for name, v := range list.Variants {
		variant := store.Variant{Name: name, NeverRequireSigned: v.NeverSigned}
		if raw := v.Options["browser_ttl"]; raw != nil {
			var seconds int64
			if err := json.Unmarshal(raw, &seconds); err != nil {
				return nil, fmt.Errorf("variant %s: browser_ttl: %w", name, err)
			}
			variant.BrowserTTL = time.Duration(seconds) * time.Second
		}
		delete(v.Options, "browser_ttl")
		text, err := json.Marshal(v.Options)
		if err == nil {
			err = json.Unmarshal(text, &variant.Options)
		}
		if err != nil {
			return nil, fmt.Errorf("variant %s: %w", name, err)
		}
		all = append(all, variant)
	}
	return all, nil
}

// Run keeps the account's variants and keys fresh until ctx ends. changed is called
// after every time that they were read.
func (o *Origin) Run(ctx context.Context, every time.Duration, changed func()) {
	if o.Token == "" {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := o.Refresh(ctx); err != nil {
			if ctx.Err() == nil {
				o.Report(err)
			}
		} else {
			changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Forget has the API asked again for the images that goes says so of, when they are
// wanted next. While it does not answer, what it said before is believed as ever.
func (o *Origin) Forget(goes func(id string) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn++
	o.forgotten = o.turn
	for id, known := range o.images {
		if goes(id) {
			known.at = known.at.Add(-o.Remember)
			if known.err != nil {
				known.at = known.at.Add(-missingFor)
			}
			o.images[id] = known
		}
	}
}
