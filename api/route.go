package api

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// call is a request by somebody who may make it, for something that there is.
type call struct {
	*request
	account *store.Account
	grant   *store.Grant
	name    string // of the image, variant or key; decoded
}

type handler func(a *API, ctx context.Context, c *call) (reply, error)

// methods are the calls of one path.
type methods map[string]handler

// The paths that are words. No image may have one of them as its id (R-apipath).
var words = map[string]methods{
	"v1":               {"GET": (*API).listV1, "POST": (*API).upload},
	"v1/stats":         {"GET": (*API).stats},
	"v1/keys":          {"GET": (*API).keys},
	"v1/variants":      {"GET": (*API).variants, "POST": (*API).createVariant},
	"v1/config":        {"GET": (*API).config, "PATCH": (*API).changeConfig},
	"v1/batch_token":   {"GET": (*API).batchToken},
	"v2":               {"GET": (*API).listV2},
	"v2/direct_upload": {"POST": (*API).directUpload},
}

// The paths that end in a name.
var (
	oneKey     = methods{"PUT": (*API).rotateKey, "DELETE": (*API).removeKey}
	oneVariant = methods{"GET": (*API).variant, "PATCH": (*API).changeVariant, "DELETE": (*API).removeVariant}
	oneImage   = methods{"GET": (*API).details, "PATCH": (*API).change, "DELETE": (*API).remove}
	oneBlob    = methods{"GET": (*API).original}
)

// route finds the call and reads the name in the path.
func (c *call) route(rest string) (handler, error) {
	table, ok := words[strings.TrimSuffix(rest, "/")]
	if !ok {
		name, isImage := strings.CutPrefix(rest, "v1/")
		if !isImage {
			return nil, errNoRoute
		}
		var err error
		if table, err = c.named(name); err != nil {
			return nil, err
		}
	}
	do := table[c.method]
	if do == nil {
		return nil, wrongMethod(slices.Sorted(maps.Keys(table))...)
	}
	return do, nil
}

func (c *call) named(rest string) (table methods, err error) {
	if name, ok := strings.CutPrefix(rest, "keys/"); ok {
		if c.name, err = params.ParseImageID(name); err != nil || !params.ValidKeyName(c.name) {
			return nil, bad("Expected a key name of 1 to 64 letters, digits, '-' and '_'")
		}
		return oneKey, nil
	}
	if name, ok := strings.CutPrefix(rest, "variants/"); ok {
		if c.name, err = params.ParseImageID(name); err != nil || !params.ValidVariantName(c.name) {
			return nil, bad("Expected a variant name of 1 to 99 letters, digits, '-' and '_'")
		}
		return oneVariant, nil
	}
	table = oneImage
	if id, ok := strings.CutSuffix(rest, "/blob"); ok {
		rest, table = id, oneBlob
	}
	c.name, err = params.ParseImageID(rest)
	return table, err
}

// checkNewID says whether an image may be given this id (contract 1.1, R-upload, R-apipath).
func checkNewID(id string) error {
	switch {
	case params.IsUUID(id):
		return bad("Expected an id that is no UUID: those are given by the service")
	case !params.ValidImageID(id):
		return bad("Expected an id of 1 to 1024 characters of UTF-8 without empty, '.' or '..' segments and without a '/' at its ends")
	}
	if word := params.ReservedID(id); word != "" {
		return bad("Expected an id that does not begin with keys, stats, variants, config or batch_token and does not end in /blob: " + word + " is a call")
	}
	return nil
}
