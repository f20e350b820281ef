package api

import (
	"context"
	"net/url"
	"strings"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// image is an image as the API shows it (contract 8.2).
type image struct {
	ID                string   `json:"id"`
	Filename          *string  `json:"filename"` // null of a draft
	Meta              rawJSON  `json:"meta"`
	Creator           string   `json:"creator,omitempty"`
	Uploaded          string   `json:"uploaded"`
	RequireSignedURLs bool     `json:"requireSignedURLs"`
	Variants          []string `json:"variants"`
	Draft             bool     `json:"draft,omitempty"`
}

const timeFormat = "2006-01-02T15:04:05.000Z"

// addresses spells the URLs of one image.
type addresses struct {
	base *url.URL
	img  *store.Image
}

func (a *API) urls(r *request, img *store.Image) addresses {
	base := a.base
	if base == nil {
		base = r.operator
	}
	if base == nil {
		base = &url.URL{Scheme: "http", Host: r.host}
		if r.secure {
			base.Scheme = "https"
		}
	}
	return addresses{base, img}
}

const deliveryPrefix = "/cdn-cgi/imagedelivery/"

func (u addresses) delivery(variant string) string {
	target := params.Target{Kind: params.Hosted, Account: u.img.Account, Image: u.img.ID, Variant: variant}
	return u.base.String() + target.String()
}

func (u addresses) upload() string {
	path := strings.TrimSuffix(strings.TrimPrefix(u.delivery("x"), u.base.String()+deliveryPrefix), "/x")
	return u.base.String() + uploadPrefix + path
}

func (a *API) show(r *request, img *store.Image, variants []string) image {
	out := image{
		ID: img.ID, Meta: rawJSON(img.Meta), Creator: img.Creator, Uploaded: img.Uploaded.Format(timeFormat),
		RequireSignedURLs: img.RequireSigned, Variants: make([]string, len(variants)), Draft: img.Draft,
	}
	if !img.Draft {
		out.Filename = &img.Filename
	}
	urls := a.urls(r, img)
	for i, name := range variants {
		out.Variants[i] = urls.delivery(name)
	}
	return out
}

func (a *API) imageReply(ctx context.Context, r *request, account *store.Account, img *store.Image) (reply, error) {
	variants, err := a.Catalog.VariantNames(ctx, account.Hash)
	if err != nil {
		return reply{}, err
	}
	return reply{result: a.show(r, img, variants)}, nil
}

// details is GET v1/<id>.
func (a *API) details(ctx context.Context, c *call) (reply, error) {
	img, err := a.Library.Names.Image(ctx, c.account.Hash, c.name)
	if err != nil {
		return reply{}, err
	}
	return a.imageReply(ctx, c.request, c.account, &img)
}

// original is GET v1/<id>/blob: the bytes as they were uploaded.
func (a *API) original(ctx context.Context, c *call) (reply, error) {
	img, err := a.Library.Names.Image(ctx, c.account.Hash, c.name)
	if err != nil {
		return reply{}, err
	}
	if img.Draft {
		return reply{}, errNoImage
	}
	blob, n, err := a.Library.Blobs.Open(ctx, img.Blob)
	if err != nil {
		return reply{}, err
	}
	return reply{blob: blob, bytes: n, mediaType: img.Media.String()}, nil
}

// change is PATCH v1/<id>: only given fields change, and metadata as a whole (R-patch).
func (a *API) change(ctx context.Context, c *call) (reply, error) {
	var in struct {
		Metadata      rawJSON `json:"metadata"`
		RequireSigned *bool   `json:"requireSignedURLs"`
		Creator       *string `json:"creator"`
	}
	ignored, err := readJSON(c.body, &in, false)
	if err != nil {
		return reply{}, err
	}
	change := store.Change{RequireSigned: in.RequireSigned, Creator: in.Creator}
	if in.Metadata != nil {
		var m metadata
		if m.object, err = parseObject(in.Metadata); err != nil {
			return reply{}, err
		}
		if change.Meta, err = m.text(); err != nil {
			return reply{}, err
		}
	}
	if in.Creator != nil {
		if err := checkCreator(*in.Creator); err != nil {
			return reply{}, err
		}
	}
	if a.Strict && in.RequireSigned != nil && *in.RequireSigned && !params.IsUUID(c.name) {
		return reply{}, errStrict
	}
	img, err := a.Library.Change(ctx, c.account.Hash, c.name, change)
	if err != nil {
		return reply{}, err
	}
	out, err := a.imageReply(ctx, c.request, c.account, &img)
	out.messages = notices(ignored)
	return out, err
}

// remove is DELETE v1/<id>. When it has answered, nobody is served the image any
// more, and its id is free (R-delete).
func (a *API) remove(ctx context.Context, c *call) (reply, error) {
	return reply{result: struct{}{}}, a.Library.Remove(ctx, c.account.Hash, c.name)
}
