package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
)

// newUUID returns a random UUID (RFC 9562 section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// receive reads a form; at most a.Uploads are read at once.
func (a *API) receive(ctx context.Context, r *request, use func(*form) (reply, error)) (out reply, err error) {
	select {
	case a.uploads <- struct{}{}:
		defer func() { <-a.uploads }()
	default:
		return reply{}, errBusy
	}
	f, err := a.readForm(ctx, r)
	defer func() { err = errors.Join(err, f.close()) }()
	if err != nil {
		return reply{}, err
	}
	if out, err = use(f); err == nil {
		out.messages = notices(f.ignored)
	}
	return out, err
}

// notices tells of what was sent and means nothing: mostly a misspelling.
func notices(ignored []string) []failing {
	var list []failing
	for _, name := range ignored {
		list = append(list, failing{Code: 5400, Message: "There is no field " + name + "; it was ignored"})
	}
	return list
}

// upload is POST v1: a file, or a URL to import.
func (a *API) upload(ctx context.Context, c *call) (reply, error) {
	return a.receive(ctx, c.request, func(f *form) (reply, error) {
		img, err := a.record(c.account, f.fields, &f.metadata)
		if err != nil {
			return reply{}, err
		}
		body, release, err := a.content(ctx, f, &img)
		if err != nil {
			return reply{}, err
		}
		defer release()
		if err := a.inspect(body, &img); err != nil {
			return reply{}, err
		}
		if img, err = a.Library.Add(ctx, img, body, false); err != nil {
			return reply{}, err
		}
		return a.imageReply(ctx, c.request, c.account, &img)
	})
}

// inspect judges an upload by its header. An animation that is too large has a
// code of its own (contract 4.3).
func (a *API) inspect(body []byte, img *store.Image) error {
	err := a.Inspect(body, img)
	if fault.Is(err, fault.TooLarge) && img.Frames > 1 {
		return &refusal{status: http.StatusUnsupportedMediaType, code: 5443, text: fault.Of(err).Public}
	}
	return err
}

// record makes the record of a new image from the fields of a form.
func (a *API) record(account *store.Account, fields map[string]string, m *metadata) (img store.Image, err error) {
	img = store.Image{Account: account.Hash, ID: fields["id"], Creator: fields["creator"], Uploaded: a.Now().UTC().Truncate(time.Millisecond)}
	if img.Meta, err = m.text(); err != nil {
		return img, err
	}
	switch fields["requireSignedURLs"] {
	case "", "false":
	case "true":
		img.RequireSigned = true
	default:
		return img, bad("Expected requireSignedURLs to be true or false, received " + clip(fields["requireSignedURLs"]))
	}
	if err := checkCreator(img.Creator); err != nil {
		return img, err
	}
	if img.ID == "" {
		img.ID = newUUID()
		return img, nil
	}
	if a.Strict && img.RequireSigned {
		return img, errStrict
	}
	return img, checkNewID(img.ID)
}

var errStrict = bad("Images with an id of their own cannot require signed URLs on this server")

const creatorBytes = 1024

func checkCreator(creator string) error {
	if len(creator) > creatorBytes {
		return bad(fmt.Sprintf("Expected a creator of at most %d bytes, received %d", creatorBytes, len(creator)))
	}
	return nil
}

// content brings the picture's bytes, from the form or from the URL in it, and
// the name that goes with them. As few are in memory at once as can be judged at
// once: release ends that.
func (a *API) content(ctx context.Context, f *form, img *store.Image) (body []byte, release func(), err error) {
	address := f.fields["url"]
	if (f.file != nil) == (address != "") {
		return nil, nil, bad("Expected either a part named file or a part named url")
	}
	room := a.judging
	if address != "" {
		room = a.fetching
	}
	select {
	case room <- struct{}{}:
		release = func() { <-room }
	case <-ctx.Done():
		return nil, nil, fault.Of(ctx.Err())
	}
	if f.file != nil {
		img.Filename = f.filename
		body, err = f.body()
	} else {
		img.Filename, body, err = a.download(ctx, address)
	}
	if err == nil && len(body) == 0 {
		err = fault.New(fault.Unsupported, "The image is empty")
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return body, release, nil
}

const importPatience = 30 * time.Second // R-upload

func (a *API) download(ctx context.Context, address string) (name string, body []byte, err error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", nil, bad("Expected an http or https URL in the part url")
	}
	ctx, cancel := context.WithTimeout(ctx, importPatience)
	defer cancel()
	if body, err = a.Fetch(ctx, u); err != nil {
		return "", nil, explain(err)
	}
	if name = path.Base(u.Path); name == "." || name == "/" {
		name = ""
	}
	return clean(name), body, nil
}

// explain says of a failed import that it was the URL that could not be fetched.
func explain(err error) error {
	r := *refuse(err)
	if r.status != http.StatusInternalServerError {
		r.text = "The url could not be fetched: " + r.text
	}
	if r.status == http.StatusNotFound {
		r.status, r.code = http.StatusBadRequest, 5400
	}
	return &r
}

// Bounds of a draft's life (R-draft). tolerance is for the time that the call takes.
const (
	draftDefault = 30 * time.Minute
	draftLeast   = 2 * time.Minute
	draftMost    = 6 * time.Hour
	tolerance    = 5 * time.Second
)

// directUpload is POST v2/direct_upload: a draft, and the URL that fills it once.
func (a *API) directUpload(ctx context.Context, c *call) (reply, error) {
	if !c.isForm() {
		return a.directUploadJSON(ctx, c)
	}
	return a.receive(ctx, c.request, func(f *form) (reply, error) {
		if f.file != nil || f.fields["url"] != "" {
			return reply{}, bad("Expected no file and no url: the answer has the uploadURL that takes the file")
		}
		return a.promise(ctx, c, f.fields, &f.metadata)
	})
}

func (a *API) directUploadJSON(ctx context.Context, c *call) (reply, error) {
	var in struct {
		ID            string  `json:"id"`
		Creator       string  `json:"creator"`
		Expiry        string  `json:"expiry"`
		RequireSigned bool    `json:"requireSignedURLs"`
		Metadata      rawJSON `json:"metadata"`
	}
	ignored, err := readJSON(c.body, &in, true)
	if err != nil {
		return reply{}, err
	}
	m := metadata{}
	if in.Metadata != nil {
		if m.object, err = parseObject(in.Metadata); err != nil {
			return reply{}, err
		}
	}
	fields := map[string]string{"id": in.ID, "creator": in.Creator, "expiry": in.Expiry, "requireSignedURLs": fmt.Sprint(in.RequireSigned)}
	out, err := a.promise(ctx, c, fields, &m)
	out.messages = notices(ignored)
	return out, err
}

func (a *API) promise(ctx context.Context, c *call, fields map[string]string, m *metadata) (reply, error) {
	img, err := a.record(c.account, fields, m)
	if err != nil {
		return reply{}, err
	}
	img.Expires = img.Uploaded.Add(draftDefault)
	if text := fields["expiry"]; text != "" {
		at, err := time.Parse(time.RFC3339, text)
		life := at.Sub(img.Uploaded)
		if err != nil || life < draftLeast-tolerance || life > draftMost+tolerance {
			return reply{}, bad("Expected an expiry between 2 minutes and 6 hours from now, such as " +
				img.Expires.Format(time.RFC3339) + ", received " + clip(text))
		}
		img.Expires = at
	}
	if img, err = a.Library.Promise(ctx, img); err != nil {
		return reply{}, err
	}
	return reply{result: struct {
		ID        string `json:"id"`
		UploadURL string `json:"uploadURL"`
	}{img.ID, a.urls(c.request, &img).upload()}}, nil
}

// visit is a visitor's upload to the uploadURL of a draft. Having the URL is all
// the right it takes.
func (a *API) visit(ctx context.Context, r *request, rest string) (reply, error) {
	hash, raw, _ := strings.Cut(rest, "/")
	switch r.method {
	case http.MethodPost:
	case http.MethodOptions: // any page may send an upload, that is what the URL is for
		return reply{result: struct{}{}}, nil
	default:
		return reply{}, wrongMethod(http.MethodOptions, http.MethodPost)
	}
	account, err := a.Catalog.Account(ctx, hash)
	if err != nil {
		return reply{}, noImage(err, fault.WrongAccount)
	}
	id, err := params.ParseImageID(raw)
	if err != nil {
		return reply{}, noImage(err, fault.BadPath)
	}
	draft, err := a.Library.Names.Image(ctx, account.Hash, id)
	if err != nil {
		return reply{}, err
	}
	if !draft.Draft || !a.Now().Before(draft.Expires) {
		return reply{}, errNoImage
	}
	out, err := a.receive(ctx, r, func(f *form) (reply, error) {
		img := store.Image{Account: account.Hash, ID: id, Uploaded: a.Now().UTC().Truncate(time.Millisecond)}
		if f.file == nil {
			return reply{}, bad("Expected a part named file")
		}
		delete(f.fields, "url")
		body, release, err := a.content(ctx, f, &img)
		if err != nil {
			return reply{}, err
		}
		defer release()
		if err := a.inspect(body, &img); err != nil {
			return reply{}, err
		}
		if img, err = a.Library.Fulfil(ctx, img, body); err != nil {
			return reply{}, err
		}
		return a.imageReply(ctx, r, account, &img)
	})
	return out, patient(err)
}

// noImage hides which part of an upload URL was wrong.
func noImage(err error, kind fault.Kind) error {
	if fault.Is(err, kind) {
		return errNoImage
	}
	return err
}
