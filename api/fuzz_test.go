package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/store"
)

// FuzzForm: whatever a body says, it is read within its bounds or refused with an
// answer of the contract, and leaves no file.
func FuzzForm(f *testing.F) {
	for _, body := range []string{
		"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\nabc\r\n--x--\r\n",
		"--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"a\":1}\r\n--x\r\nContent-Disposition: form-data; name=\"metadata[a][b]\"\r\n\r\n1\r\n--x--",
		"--x\r\nContent-Disposition: form-data; name=\"metadata.a.b\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=\"metadata[t][]\"\r\n\r\n1\r\n--x--",
		"--x\r\n\r\n\r\n--x", "", "--x--",
	} {
		f.Add(body)
	}
	a := &API{Options: Options{MaxBytes: 1000, Folder: f.TempDir()}}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := a.readForm(t.Context(), &request{contentType: "multipart/form-data; boundary=x", body: strings.NewReader(body), length: len(body)})
		if form == nil {
			t.Fatal("nothing to close")
		}
		var refused *refusal
		if err != nil && (!errors.As(err, &refused) || refused.status < 400 || refused.status > 499) {
			t.Errorf("%v", err)
		}
		if err == nil {
			if text, err := form.metadata.text(); err == nil && text != nil && (!json.Valid(text) || len(text) > metadataBytes || text[0] != '{') {
				t.Errorf("metadata %s", text)
			}
			if form.size > a.MaxBytes || strings.ContainsAny(form.filename, "/\\\x00") || len(form.filename) > filenameBytes {
				t.Errorf("%d bytes, named %q", form.size, form.filename)
			}
		}
		if err := form.close(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzList: a query is refused or means filters within their bounds.
func FuzzList(f *testing.F) {
	for _, query := range []string{"meta.a[eq]=1", "meta.a.b[in:number]=1|2", "meta.a%5Bgt%5D=1e3", "meta[a]=1", "meta.a[eq:boolean]=true&per_page=3", "continuation_token=eyJ0IjoxLCJpIjoiYSJ9"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		list, err := conditions(values)
		if err != nil {
			return
		}
		for key := range values {
			if strings.HasPrefix(key, "meta") && len(list) == 0 {
				t.Errorf("%q filters nothing", query)
			}
		}
		for _, c := range list {
			if len(c.Field) == 0 || len(c.Field) > mostLevels || len(c.Values) == 0 || len(c.Values) > mostValues {
				t.Errorf("%q: %+v", query, c)
			}
			for _, name := range c.Field {
				if !filterName.MatchString(name) {
					t.Errorf("%q: a field %q", query, name)
				}
			}
		}
		if p, err := parsePosition(values.Get("continuation_token")); err == nil {
			again, err := parsePosition(spellPosition(*p))
			if err != nil || *again != *p {
				t.Errorf("%q: %v, %v", query, again, err)
			}
		}
	})
}

func TestAPositionIsReadBack(t *testing.T) {
	want := store.Position{Uploaded: time.UnixMilli(1_800_000_000_123).UTC(), ID: "shoes/röd 1%.jpg"}
	got, err := parsePosition(spellPosition(want))
	if err != nil || *got != want {
		t.Errorf("%v, %v", got, err)
	}
	if bytes.Contains([]byte(spellPosition(want)), []byte("=")) {
		t.Error("it must be escaped in a query")
	}
}
