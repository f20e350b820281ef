package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// PublicKey verifies tokens that others sign. It is immutable.
type PublicKey struct {
	Name   string // what a token's kid says; may be empty
	key    any
	family family
}

const leastRSA = 2048 // bits

// newPublicKey takes the keys of the token contract and no others.
func newPublicKey(name string, key any) (*PublicKey, error) {
	k := &PublicKey{Name: name, key: key}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < leastRSA {
			return nil, fmt.Errorf("expected an RSA key of at least %d bits, received %d", leastRSA, bits)
		}
		k.family = rsaKey
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			k.family = p256Key
		case elliptic.P384():
			k.family = p384Key
		default:
			return nil, fmt.Errorf("expected an EC key on P-256 or P-384, received one on %s", key.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		k.family = ed25519Key
	default:
		return nil, fmt.Errorf("expected a public RSA, EC or Ed25519 key, received a %T", key)
	}
	return k, nil
}

// ParseKeys reads public keys: PEM blocks (PUBLIC KEY, RSA PUBLIC KEY or
// CERTIFICATE), a JWK or a JWK set (RFC 7517). name names a key that does not name
// itself. Private and symmetric keys are refused: they have no business here.
func ParseKeys(name string, text []byte) ([]*PublicKey, error) {
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		return parseJWK(name, text)
	}
	var all []*PublicKey
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		key, err := parsePEM(block)
		if err != nil {
			return nil, err
		}
		k, err := newPublicKey(name, key)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		return nil, errors.New("expected a public key in PEM, a JWK or a JWK set")
	}
	return all, nil
}

func parsePEM(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("expected a PEM block of a PUBLIC KEY, received one of a %s", block.Type)
}

func parseJWK(name string, text []byte) ([]*PublicKey, error) {
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("expected a JWK or a JWK set: %w", err)
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	var all []*PublicKey
	var errs []error
	for i, raw := range set.Keys {
		k, err := oneJWK(name, raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("key %d: %w", i, err))
			continue
		}
		all = append(all, k)
	}
	// A set may hold keys that we do not know, or for other ends: they are passed over
	// (RFC 7517 section 5). One that has none for us is a mistake.
	if len(all) == 0 {
		return nil, errors.Join(append(errs, errors.New("expected a public key that signs"))...)
	}
	return all, nil
}

func oneJWK(name string, raw []byte) (*PublicKey, error) {
	var meant struct{ Use string }
	if err := json.Unmarshal(raw, &meant); err != nil {
		return nil, err
	}
	if meant.Use != "" && meant.Use != "sig" {
		return nil, fmt.Errorf("expected a key that signs, received one for %s", meant.Use)
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(raw, &jwk); err != nil {
		return nil, err
	}
	if !jwk.IsPublic() || !jwk.Valid() {
		return nil, errors.New("expected a valid public key")
	}
	if jwk.KeyID == "" {
		jwk.KeyID = name
	}
	return newPublicKey(jwk.KeyID, jwk.Key)
}

// Source brings the text of keys that may change, such as a JWK set at a URL.
type Source struct {
	Name  string // for complaints, and for keys that do not name themselves
	Fetch func(ctx context.Context) ([]byte, error)
	First []*PublicKey // are good until it is asked for the first time; nil = none are known
}

// Ring is a set of public keys. Its zero value is empty. It is safe for concurrent
// use; who verifies never waits for a source.
type Ring struct {
	Static  []*PublicKey
	Sources []Source
	Every   time.Duration                  // between refreshes; 0 = 15 minutes
	Report  func(source string, err error) // told of every refresh; nil = nobody
	Now     func() time.Time               // nil = time.Now

	current atomic.Pointer[[]*PublicKey]
	fetched [][]*PublicKey // by source; only Refresh touches it
	refresh sync.Mutex
	wanted  atomic.Int64 // when an unknown kid last asked for a refresh, Unix seconds
	early   chan struct{}
	once    sync.Once
}

func (r *Ring) keys() []*PublicKey {
	if all := r.current.Load(); all != nil {
		return *all
	}
	r.begin()
	return *r.current.Load()
}

func (r *Ring) has(k *PublicKey) bool { return slices.Contains(r.keys(), k) }

func (r *Ring) begin() {
	r.once.Do(func() {
		r.early = make(chan struct{}, 1)
		r.fetched = make([][]*PublicKey, len(r.Sources))
		for i, source := range r.Sources {
			r.fetched[i] = source.First
		}
		r.publish()
	})
}

const (
	ringEvery = 15 * time.Minute
	ringEarly = time.Minute // an unknown kid asks for no more than one refresh in this time
)

// missed notes that a token named a key that is not there: a source may have it by
// now. It asks Run for a refresh, at most once a minute, and does not wait.
func (r *Ring) missed() {
	if len(r.Sources) == 0 {
		return
	}
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	last, at := r.wanted.Load(), now().Unix()
	if at-last < int64(ringEarly/time.Second) || !r.wanted.CompareAndSwap(last, at) {
		return
	}
	r.begin()
	select {
	case r.early <- struct{}{}:
	default:
	}
}

// Refresh asks every source. One that fails keeps the keys that it gave before; a
// key that stays the same stays the same *PublicKey.
func (r *Ring) Refresh(ctx context.Context) error {
	r.begin()
	r.refresh.Lock()
	defer r.refresh.Unlock()
	select { // whoever asked until now is served by this one
	case <-r.early:
	default:
	}
	var errs []error
	for i, source := range r.Sources {
		text, err := source.Fetch(ctx)
		var keys []*PublicKey
		if err == nil {
			keys, err = ParseKeys(source.Name, text)
		}
		if err != nil {
			err = fmt.Errorf("keys of %s: %w", source.Name, err)
			errs = append(errs, err)
		} else {
			r.fetched[i] = keep(r.fetched[i], keys)
		}
		if r.Report != nil {
			r.Report(source.Name, err)
		}
		r.publish() // one source need not wait for the next
	}
	return errors.Join(errs...)
}

func (r *Ring) publish() {
	all := slices.Clone(r.Static)
	for _, keys := range r.fetched {
		all = append(all, keys...)
	}
	r.current.Store(&all)
}

// keep uses old keys for new ones that are equal to them, so that tokens which
// they verified are still remembered.
func keep(old, fresh []*PublicKey) []*PublicKey {
	for i, k := range fresh {
		for _, o := range old {
			if equal, ok := o.key.(interface {
				Equal(other crypto.PublicKey) bool
			}); o.Name == k.Name && o.family == k.family && ok && equal.Equal(k.key) {
				fresh[i] = o
			}
		}
	}
	return fresh
}

// Run refreshes the ring until ctx ends: now and then, and when it is asked to.
func (r *Ring) Run(ctx context.Context) {
	if len(r.Sources) == 0 {
		return
	}
	r.begin()
	every := r.Every
	if every == 0 {
		every = ringEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		_ = r.Refresh(ctx) // Report has been told
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.early:
		}
	}
}
