package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/token"
)

type signCmd struct {
	URL       string        `arg:"" help:"Path or absolute URL of a hosted image, by variant or options."`
	Expires   time.Duration `help:"How long the URL is good for; 0: for ever, which a token cannot be." default:"1h"`
	Key       string        `help:"Name of the account's signing key (${default})." default:"default" placeholder:"NAME"`
	JWT       bool          `name:"jwt" help:"Sign a token instead of exp and sig."`
	Image     string        `help:"With --jwt: what it opens instead of this image: an id, a folder a/*, or *." placeholder:"ID"`
	Var       []string      `help:"With --jwt: variants that it opens; without, the URL's own." placeholder:"NAME"`
	Options   bool          `help:"With --jwt: it opens all options in URLs, at any size unless --max-width or --max-height say otherwise. Without, a URL's own width and height are what it opens."`
	MaxWidth  int           `help:"With --jwt: and no wider than this, in pixels." placeholder:"PX"`
	MaxHeight int           `help:"With --jwt: and no higher." placeholder:"PX"`
}

// Run prints the signed URL.
func (c *signCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	a, _, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	signed, err := c.signed(ctx, a, w.now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w.stdout, signed)
	return err
}

// signed returns the URL with its proof.
func (c *signCmd) signed(ctx context.Context, a *app, now time.Time) (string, error) {
	prefix, path, err := splitURL(c.URL)
	if err != nil {
		return "", err
	}
	_, host, _ := strings.Cut(prefix, "://")
	site := &a.current.Load().At(host, path).Site
	target, _, err := site.Parse(host, site.Rewrite(path))
	if err != nil {
		return "", err
	}
	if target.Kind != params.Hosted {
		return "", fmt.Errorf("expected the URL of a hosted image, /cdn-cgi/imagedelivery/<hash>/<id>/<variant or options>, received %q", c.URL)
	}
	key, err := c.key(ctx, a, target.Account)
	if err != nil {
		return "", err
	}
	signed, err := c.sign(path, &target, key, now)
	return prefix + signed, err
}

// splitURL cuts an absolute URL in two; a path has no prefix.
func splitURL(text string) (prefix, path string, err error) {
	if strings.HasPrefix(text, "/") {
		return "", text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return "", "", fmt.Errorf("expected a path or an http or https URL, received %q", text)
	}
	if path = u.EscapedPath(); u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return u.Scheme + "://" + u.Host, path, nil
}

func (c *signCmd) key(ctx context.Context, a *app, account string) (token.Key, error) {
	keys, err := a.catalog.Keys(ctx, account)
	if err != nil {
		return token.Key{}, err
	}
	var names []string
	for _, k := range keys {
		if k.Name == c.Key {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return token.Key{}, fmt.Errorf("--key: expected one of %s, received %q", strings.Join(names, ", "), c.Key)
}

func (c *signCmd) sign(path string, target *params.Target, key token.Key, now time.Time) (string, error) {
	var expires time.Time
	switch {
	case c.Expires < 0 || c.JWT && c.Expires == 0 || c.Expires > 0 && c.Expires < time.Second:
		return "", fmt.Errorf("--expires: expected a duration above 0 of 1s or more, received %v", c.Expires)
	case c.MaxWidth < 0 || c.MaxHeight < 0:
		return "", errors.New("--max-width, --max-height: expected pixels above 0")
	case c.Expires > 0:
		expires = now.Add(c.Expires)
	}
	if !c.JWT {
		if c.Image != "" || len(c.Var) > 0 || c.Options || c.MaxWidth != 0 || c.MaxHeight != 0 {
			return "", errors.New("--image, --var, --options, --max-width and --max-height are what a token says; add --jwt")
		}
		return token.SignURL(path, key, expires)
	}
	if _, err := token.SignURL(path, key, expires); err != nil { // it carries a proof already
		return "", err
	}
	text, err := token.SignToken(c.claims(target, expires), key)
	if err != nil {
		return "", err
	}
	if strings.Contains(path, "?") {
		return path + "&token=" + text, nil
	}
	return path + "?token=" + text, nil
}

// claims are what was asked for and, where nothing was, what the URL itself needs.
func (c *signCmd) claims(target *params.Target, expires time.Time) token.Claims {
	claims := token.Claims{Image: target.Image, Account: target.Account, Expires: expires, Variants: c.Var, Width: c.MaxWidth, Height: c.MaxHeight}
	if c.Image != "" {
		claims.Image = c.Image
	}
	if len(c.Var) == 0 {
		claims.Variants = []string{}
		if target.Variant != "" {
			claims.Variants = []string{target.Variant}
		}
	}
	claims.Options = c.Options || c.MaxWidth > 0 || c.MaxHeight > 0 || target.Variant == ""
	if !c.Options && c.MaxWidth == 0 && c.MaxHeight == 0 {
		claims.Width, claims.Height = target.Options.Box()
	}
	return claims
}
