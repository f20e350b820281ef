package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"

	"github.com/valyala/fasthttp"
)

// asset is one file of the dashboard. They are few and small: all are in memory.
type asset struct {
	body []byte
	kind string
	etag string
}

// kinds are the files that a dashboard may be made of.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func readAssets(files fs.FS) (map[string]*asset, error) {
	all := map[string]*asset{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		kind := kinds[path.Ext(name)]
		if kind == "" {
			return fmt.Errorf("admin: expected .html, .css, .js or .svg, found %s", name)
		}
		body, err := fs.ReadFile(files, name)
		sum := sha256.Sum256(body)
		all["/"+name] = &asset{body, kind, `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	if err == nil && all["/index.html"] == nil {
		err = fmt.Errorf("admin: the dashboard has no index.html")
	}
	all["/"] = all["/index.html"]
	return all, err
}

// write answers with the file. It holds no secret, so anybody may read it who gets
// this far; browsers ask each time whether it has changed.
func (a *asset) write(rc *fasthttp.RequestCtx) {
	h := &rc.Response.Header
	if !rc.IsGet() && !rc.IsHead() {
		rc.SetStatusCode(fasthttp.StatusMethodNotAllowed)
		return
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", a.etag)
	h.SetContentType(a.kind)
	if string(rc.Request.Header.Peek("If-None-Match")) == a.etag {
		rc.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	rc.Response.SetBodyRaw(a.body)
	rc.Response.SkipBody = rc.IsHead()
}
