package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fovea-images/fovea/cmd/proxy/demo"
	"github.com/fovea-images/fovea/engine/codec"
	"github.com/fovea-images/fovea/params"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// addDemo puts the demo pictures into a store that has no image at all.
func (a *app) addDemo(ctx context.Context, account store.Account) error {
	n, err := a.library.Names.CountImages(ctx, account.Hash)
	if err != nil || n > 0 {
		return err
	}
	for _, p := range demo.Pictures() {
		if _, err := a.add(ctx, account.Hash, p.ID, p.Filename, p.Data, true); err != nil {
			return err
		}
	}
	return nil
}

// add probes body and keeps it as an image.
func (a *app) add(ctx context.Context, account, id, filename string, body []byte, replace bool) (store.Image, error) {
	img := store.Image{Account: account, ID: id, Filename: filename}
	if err := a.inspect(body, &img); err != nil {
		return store.Image{}, err
	}
	return a.library.Add(ctx, img, body, replace)
}

// apiAddress is where the management API of the account is.
func (a *app) apiAddress(address string, account store.Account) string {
	if own := a.settings.API.Listen; own != "" {
		address = a.scheme() + hostOf(own)
	}
	return address + "/client/v4/accounts/" + account.ID + "/images/v1"
}

// firstToken makes a token if there never was one, so that a newcomer can begin.
func (a *app) firstToken(ctx context.Context, account store.Account) (token.Secret, error) {
	if a.api == nil {
		return "", nil
	}
	grants, err := a.library.Names.Grants(ctx)
	if err != nil || len(grants) > 0 {
		return "", err
	}
	grant, token := store.NewGrant(account.Hash, store.Write, "made at the first start", time.Now())
	return token, a.library.Names.AddGrant(ctx, grant)
}

// greeting says in a few lines what is served and which URLs to try.
func (a *app) greeting(ctx context.Context, address string, account store.Account) (string, error) {
	count, err := a.library.Names.CountImages(ctx, account.Hash)
	if err != nil {
		return "", err
	}
	images, err := a.library.Names.Images(ctx, account.Hash, "", 3)
	if err != nil {
		return "", err
	}
	if a.order == store.ElsewhereOnly {
		images = nil // they are not answered
	}
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-8s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "Fovea %s is serving on %s\n", version, address)
	names := ""
	if a.database != nil {
		names = ", names in PostgreSQL with other nodes"
	}
	line("store", "%s: %d images of account %s%s", a.settings.Data, count, account.Hash, names)
	remote := "none"
	if o := a.settings.Origins; o.Site != "" || len(o.Allowed) > 0 {
		remote = strings.TrimSpace(o.Site + " " + strings.Join(o.Allowed, " "))
	}
	line("origins", "%s", remote)
	var codecs []string
	for _, form := range codec.Names(a.codecs) {
		codecs = append(codecs, form.Format+" by "+form.Name)
	}
	line("codecs", "%s", strings.Join(codecs, "; "))
	kept := ""
	if a.disk != nil {
		kept = fmt.Sprintf(", %v on disk", a.settings.Cache.Disk)
	}
	if a.shared != nil {
		kept += ", and in Redis with other nodes"
	}
	line("cache", "%v in memory%s", a.settings.Cache.Memory, kept)
	if a.api != nil {
		line("api", "%s", a.apiAddress(address, account))
	}
	if a.admin != nil {
		line("admin", "%s", a.admin)
	}
	first, err := a.firstToken(ctx, account)
	if err != nil {
		return "", err
	}
	if first != "" {
		line("token", "%s opens the api; it is shown this once", string(first))
	}
	if len(images) == 0 {
		b.WriteString("\nAdd pictures: proxy import DIR\n")
		return b.String(), nil
	}
	b.WriteString("\nTry:\n")
	for i, options := range []string{"public", "width=320,background=gold", "width=800,height=600,fit=cover"} {
		target := params.Target{Kind: params.Hosted, Account: account.Hash, Image: images[i%len(images)].ID, Variant: "x"}
		fmt.Fprintf(&b, "  %s%s\n", address, strings.TrimSuffix(target.String(), "x")+options)
	}
	return b.String(), nil
}
