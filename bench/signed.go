package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fovea-images/fovea/bench/load"
	"github.com/fovea-images/fovea/bench/rig"
)

// runSigned asks for a private picture with each kind of proof, beside the same
// picture without: on a server that remembers tokens, as it is set up, and on one
// that verifies each anew.
func runSigned(ctx context.Context, b *bench) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	file := filepath.Join(b.rig.Folder, "signer.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	for _, kind := range []struct{ name, remember string }{{"tokens remembered", "10000"}, {"each token verified anew", "0"}} {
		f, versions, err := b.warmed(ctx, "FOVEA_TOKENS_KEYS="+file, "FOVEA_TOKENS_REMEMBER="+kind.remember)
		if err != nil {
			return err
		}
		b.result.contender(f.Process)
		if err := b.proofs(ctx, f, versions[1], kind.name, private); err != nil {
			return err
		}
	}
	return nil
}

// proofs races the kinds of proof on one server.
func (b *bench) proofs(ctx context.Context, f *rig.Fovea, v version, name string, private ed25519.PrivateKey) error {
	photos, err := b.photographs()
	if err == nil {
		err = f.Upload(ctx, "private", photos[0], true)
	}
	if err != nil {
		return err
	}
	variant, err := fetch(ctx, f.Address, load.Get(f.Address, rig.Path("photo", "public"), 200, accept))
	if err != nil {
		return err
	}
	path := rig.Path("private", "public")
	hmac, err1 := f.Run(ctx, "sign", path)
	hs256, err2 := f.Run(ctx, "sign", "--jwt", path)
	edDSA, err3 := signEdDSA(private, "signer", "private")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	var entrants []entrant
	for _, e := range []struct {
		name, path string
	}{
		{"public", rig.Path("photo", "public")}, {"exp and sig", hmac}, {"HS256", hs256}, {"EdDSA", path + "?token=" + url.QueryEscape(edDSA)},
	} {
		request := load.Get(f.Address, e.path, 200, accept)
		request.Body = variant.Body
		one := steady(f.Process, request)
		one.name = e.name
		entrants = append(entrants, one)
	}
	if got, err := fetch(ctx, f.Address, load.Get(f.Address, path, 403, accept)); err != nil {
		return fmt.Errorf("a private image without a proof: %v, %w", got, err)
	}
	c, err := b.race(ctx, race{name: name, duration: 10 * time.Second, rate: b.open, entrants: entrants, note: "one server; memory is that of all"})
	if err == nil {
		b.bound("CPU of exp and sig above a public hit, µs ("+name+")", c.difference("exp and sig", "public", cpu), "≤ 2.5 µs", 2.5)
	}
	return err
}

// signEdDSA makes a token for an image that is good for an hour.
func signEdDSA(key ed25519.PrivateKey, kid, image string) (string, error) {
	header, err1 := json.Marshal(map[string]string{"alg": "EdDSA", "typ": "JWT", "kid": kid})
	claims, err2 := json.Marshal(map[string]any{"sub": image, "aud": rig.Hash, "exp": time.Now().Add(24 * time.Hour).Unix()})
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(text))), errors.Join(err1, err2)
}
