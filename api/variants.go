package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// variant is a variant as the API shows it (contract 8.3).
type variant struct {
	ID                     string             `json:"id"`
	Options                map[string]rawJSON `json:"options"`
	NeverRequireSignedURLs bool               `json:"neverRequireSignedURLs"`
}

// showVariant spells a variant. Cloudflare always says fit and metadata, whatever
// their defaults; browser_ttl is among the options there.
func showVariant(v *store.Variant) (variant, error) {
	out := variant{ID: v.Name, NeverRequireSignedURLs: v.NeverRequireSigned, Options: map[string]rawJSON{}}
	text, err := json.Marshal(v.Options)
	if err == nil {
		err = json.Unmarshal(text, &out.Options)
	}
	for name, without := range map[string]string{"fit": `"scale-down"`, "metadata": `"copyright"`} {
		if out.Options[name] == nil {
			out.Options[name] = rawJSON(without)
		}
	}
	if v.BrowserTTL > 0 {
		out.Options["browser_ttl"] = rawJSON(fmt.Sprint(int64(v.BrowserTTL / time.Second)))
	}
	return out, err
}

func variantReply(v *store.Variant, ignored []string) (reply, error) {
	out, err := showVariant(v)
	return reply{result: map[string]variant{"variant": out}, messages: notices(ignored)}, err
}

// variants is GET v1/variants.
func (a *API) variants(ctx context.Context, c *call) (reply, error) {
	list, err := a.Library.Names.Variants(ctx, c.account.Hash)
	if err != nil {
		return reply{}, err
	}
	all := map[string]variant{}
	for i := range list {
		if all[list[i].Name], err = showVariant(&list[i]); err != nil {
			return reply{}, err
		}
	}
	return reply{result: map[string]any{"variants": all}}, nil
}

// one finds the variant that the path names, in the store itself.
func (a *API) one(ctx context.Context, c *call) (store.Variant, error) {
	list, err := a.Library.Names.Variants(ctx, c.account.Hash)
	if err != nil {
		return store.Variant{}, err
	}
	for _, v := range list {
		if v.Name == c.name {
			return v, nil
		}
	}
	return store.Variant{}, fault.New(fault.NoVariant, "There is no such variant")
}

// variant is GET v1/variants/<id>.
func (a *API) variant(ctx context.Context, c *call) (reply, error) {
	v, err := a.one(ctx, c)
	if err != nil {
		return reply{}, err
	}
	return variantReply(&v, nil)
}

// variantBody is what a caller may say of a variant.
type variantBody struct {
	ID                 string             `json:"id"`
	Options            map[string]rawJSON `json:"options"`
	NeverRequireSigned *bool              `json:"neverRequireSignedURLs"`
}

// apply changes v as the body says. Options are given as a whole.
func (b *variantBody) apply(v *store.Variant) error {
	if b.NeverRequireSigned != nil {
		v.NeverRequireSigned = *b.NeverRequireSigned
	}
	if b.Options == nil {
		return nil
	}
	v.BrowserTTL = 0
	if raw, given := b.Options["browser_ttl"]; given && string(raw) != "null" {
		var seconds int64
		if err := json.Unmarshal(raw, &seconds); err != nil {
			return bad("Expected a whole number of seconds for browser_ttl, received " + clip(string(raw)))
		}
		var err error
		if v.BrowserTTL, err = browserTTL(seconds); err != nil {
			return err
		}
	}
	delete(b.Options, "browser_ttl")
	if b.Options["metadata"] == nil {
		b.Options["metadata"] = rawJSON(`"none"`) // R-variants
	}
	text, err := json.Marshal(b.Options)
	if err != nil {
		return err
	}
	v.Options = params.Options{}
	return json.Unmarshal(text, &v.Options)
}

// createVariant is POST v1/variants.
func (a *API) createVariant(ctx context.Context, c *call) (reply, error) {
	var in variantBody
	ignored, err := readJSON(c.body, &in, false)
	if err != nil {
		return reply{}, err
	}
	if in.Options == nil {
		in.Options = map[string]rawJSON{}
	}
	v := store.Variant{Name: in.ID}
	if err := in.apply(&v); err != nil {
		return reply{}, err
	}
	err = a.Library.AddVariant(ctx, c.account.Hash, v, a.Variants)
	if errors.Is(err, store.ErrFull) {
		return reply{}, bad(fmt.Sprintf("There are %d variants, as many as there may be; delete one", a.Variants))
	}
	if err != nil {
		return reply{}, err
	}
	return variantReply(&v, ignored)
}

// changeVariant is PATCH v1/variants/<id>.
func (a *API) changeVariant(ctx context.Context, c *call) (reply, error) {
	var in variantBody
	ignored, err := readJSON(c.body, &in, false)
	if err != nil {
		return reply{}, err
	}
	if in.ID != "" && in.ID != c.name {
		return reply{}, bad("A variant keeps its id")
	}
	v, err := a.Library.ChangeVariant(ctx, c.account.Hash, c.name, in.apply)
	if err != nil {
		return reply{}, err
	}
	return variantReply(&v, ignored)
}

// removeVariant is DELETE v1/variants/<id>.
func (a *API) removeVariant(ctx context.Context, c *call) (reply, error) {
	return reply{result: struct{}{}}, a.Library.RemoveVariant(ctx, c.account.Hash, c.name)
}
