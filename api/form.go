package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/fovea-images/fovea/internal/fault"
)

// Bounds of a form, beside the file.
const (
	formBytes = 64 << 10 // all other parts with their headers
	formParts = 256
)

// form is a multipart body (contract 8.2). Its file is on disk until close.
type form struct {
	file     *os.File // nil = no file part
	nameless bool     // nothing is left of file once it is closed
	size     int64    // of the file
	filename string
	fields   map[string]string
	metadata metadata
	ignored  []string // parts that no call knows
}

// fields are the parts that a call knows, beside file and metadata.
var fields = map[string]bool{"url": true, "id": true, "requireSignedURLs": true, "creator": true, "expiry": true}

// close removes the file.
func (f *form) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	if !f.nameless {
		err = errors.Join(err, os.Remove(f.file.Name()))
	}
	return err
}

// meter ends a body that is longer than it may be.
type meter struct {
	from io.Reader
	left int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errFormTooLong
	}
	n, err := m.from.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}

// isForm reports whether the request says that its body is a form at all.
func (r *request) isForm() bool {
	kind, _, err := mime.ParseMediaType(r.contentType)
	return kind == "multipart/form-data" && (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter))
}

// readForm reads a multipart body. The file goes to disk as it comes, and stops
// at the byte that is one too many; the rest is bounded, too. Types and names
// that parts give themselves mean nothing. The caller closes what it returns,
// even with an error.
func (a *API) readForm(ctx context.Context, r *request) (*form, error) {
	f := &form{fields: map[string]string{}}
	kind, parameters, err := mime.ParseMediaType(r.contentType)
	if kind != "multipart/form-data" {
		return f, errNotForm
	}
	if err != nil || parameters["boundary"] == "" {
		return f, &refusal{status: 415, code: 5415, text: "Expected multipart/form-data with a boundary", cause: err}
	}
	if int64(r.length) > a.MaxBytes+formBytes {
		return f, errTooLong
	}
	m := &meter{r.body, formBytes}
	reader := multipart.NewReader(m, parameters["boundary"])
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return f, fault.Of(err)
		}
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			return f, broken(err, cutForm)
		}
		if n == formParts {
			return f, bad(fmt.Sprintf("Expected at most %d parts", formParts))
		}
		if err := a.readPart(f, part, m); err != nil {
			return f, err
		}
	}
}

const cutForm = "Expected a whole multipart/form-data body; it is cut off or malformed"

// broken is the answer to a body that could not be read; text says what it was to be.
func broken(err error, text string) error {
	var own *refusal
	if errors.As(err, &own) {
		return own
	}
	if slow := patient(err); errors.As(slow, &own) {
		return own
	}
	return &refusal{status: 400, code: 5400, text: text, cause: err}
}

func (a *API) readPart(f *form, part *multipart.Part, m *meter) error {
	name := part.FormName()
	if name == "file" {
		return a.readFile(f, part, m)
	}
	value, err := io.ReadAll(part)
	if err != nil {
		return broken(err, cutForm)
	}
	if !utf8.Valid(value) {
		return bad("Expected UTF-8 in the part " + clip(name))
	}
	isMetadata, err := f.metadata.part(name, string(value))
	if isMetadata || err != nil {
		return err
	}
	if !fields[name] {
		f.ignored = append(f.ignored, clip(name))
		return nil
	}
	if _, twice := f.fields[name]; twice {
		return bad("Expected one part named " + name + ", received several")
	}
	f.fields[name] = string(value)
	return nil
}

func (a *API) readFile(f *form, part *multipart.Part, m *meter) (err error) {
	if f.file != nil {
		return bad("Expected one part named file, received several")
	}
	if f.file, err = os.CreateTemp(a.Folder, ".upload-*"); err != nil {
		return err
	}
	f.nameless = os.Remove(f.file.Name()) == nil // so that a crash leaves nothing, where the system allows it
	f.filename = clean(part.FileName())
	before := m.left
	m.left += a.MaxBytes + 1 // the file has its own allowance
	f.size, err = io.Copy(f.file, io.LimitReader(part, a.MaxBytes+1))
	m.left = min(m.left, before)
	switch {
	case f.size > a.MaxBytes:
		return errTooLong
	case err != nil:
		var disk *os.PathError
		if errors.As(err, &disk) { // ours, not the sender's
			return err
		}
		return broken(err, cutForm)
	}
	return nil
}

// body reads the file back.
func (f *form) body() ([]byte, error) {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	body := make([]byte, f.size)
	_, err := io.ReadFull(f.file, body)
	return body, err
}

const filenameBytes = 255

// clean makes of what a client calls its file something that can be shown: the
// last part of a path, in UTF-8, without control characters.
func clean(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, name)
	for len(name) > filenameBytes {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

// clip shortens what a stranger sent for a sentence.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= 64 {
		return s
	}
	return strings.ToValidUTF8(s[:64], "") + "…"
}
