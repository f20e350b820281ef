package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// deliveryPrefix begins delivery paths on a site's own domain. A signature may be
// over the whole path or over what follows, which is the path on Cloudflare's.
const deliveryPrefix = "/cdn-cgi/imagedelivery"

// verifySignature verifies exp and sig (R-sign). A signature opens one URL, so
// that account, image and variant are in what was signed.
func (v *Verifier) verifySignature(r *Request, p *proof, keys []Key, s *Subject) Grant {
	var expires time.Time
	if p.hasExp {
		seconds, ok := parseExpiry(p.exp)
		if !ok {
			return Grant{Verdict: Malformed}
		}
		expires = time.Unix(seconds, 0)
	}
	if !v.macs.sign(p.sig, keys, r.Path, p.rest) {
		return Grant{Verdict: BadSignature}
	}
	if !expires.IsZero() && !v.Now().Before(expires) {
		return Grant{Verdict: Expired}
	}
	if s.Variant == "" && !v.SignedOptions {
		return Grant{Verdict: OptionsNotGranted}
	}
	return Grant{Verdict: OK, Expires: expires}
}

// parseExpiry reads ^[0-9]{1,12}$: seconds. Milliseconds have 13 digits and are
// refused rather than taken for a date in the far future.
func parseExpiry(text string) (int64, bool) {
	if text == "" || len(text) > 12 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return seconds, err == nil
}

// macs keeps HMACs that were used, by their keys: mixing a key in costs as much as all
// else about a short text. It is safe for concurrent use.
type macs struct {
	mu    sync.Mutex
	pools atomic.Pointer[map[Secret]*sync.Pool] // of *mac; copied when it changes
}

// mac is one HMAC, and room for what it is of.
type mac struct {
	hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

// maxMACs bounds how many keys have one kept; those of keys that are no longer there
// stay until then.
const maxMACs = 1024

// pool returns the HMACs of k.
func (m *macs) pool(k Secret) *sync.Pool {
	if all := m.pools.Load(); all != nil && (*all)[k] != nil {
		return (*all)[k]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next := map[Secret]*sync.Pool{}
	if all := m.pools.Load(); all != nil {
		if kept := (*all)[k]; kept != nil {
			return kept
		}
		if len(*all) < maxMACs {
			maps.Copy(next, *all)
		}
	}
	next[k] = &sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, []byte(k))} }}
	m.pools.Store(&next)
	return next[k]
}

// sign reports whether sig is the MAC by any of the keys. Every key and form is
// tried whatever the others gave, so that the time tells nothing of them.
func (m *macs) sign(sig string, keys []Key, path, query string) bool {
	var given [sha256.Size]byte
	if n, err := hex.Decode(given[:], []byte(clamp(sig))); len(sig) != 2*sha256.Size || n != sha256.Size || err != nil {
		return false
	}
	short, onOwnDomain := strings.CutPrefix(path, deliveryPrefix)
	good := false
	for _, k := range keys {
		if k.Value == "" {
			continue
		}
		pool := m.pool(k.Value)
		by := pool.Get().(*mac)
		good = hmac.Equal(by.sign(path, query), given[:]) || good
		if onOwnDomain {
			good = hmac.Equal(by.sign(short, query), given[:]) || good
		}
		pool.Put(by)
	}
	return good
}

// clamp bounds what is decoded.
func clamp(sig string) string { return sig[:min(len(sig), 2*sha256.Size)] }

// sign returns the MAC of the string to sign, which is good until the next: the path
// and, unless it is empty, a question mark and the query.
func (m *mac) sign(path, query string) []byte {
	m.text = append(m.text[:0], path...)
	if query != "" {
		m.text = append(append(m.text, '?'), query...)
	}
	m.Reset()
	_, _ = m.Write(m.text) // a hash never fails (hash.Hash)
	return m.Sum(m.sum[:0])
}

// SignURL returns target, a path with or without a query, signed with k. A zero
// expires signs for ever; parameters that are there already are signed with it. A
// target that carries a proof is an error.
func SignURL(target string, k Key, expires time.Time) (string, error) {
	path, query, _ := strings.Cut(target, "?")
	if p, found, err := findInQuery(query); err != nil || found || p.hasExp {
		return "", errors.New("expected a URL without a proof; this one carries a proof")
	}
	if !expires.IsZero() {
		exp := "exp=" + strconv.FormatInt(expires.Unix(), 10)
		if query != "" {
			exp = "&" + exp
		}
		query += exp
	}
	by := mac{Hash: hmac.New(sha256.New, []byte(k.Value))}
	sig := "sig=" + hex.EncodeToString(by.sign(path, query))
	if query != "" {
		return path + "?" + query + "&" + sig, nil
	}
	return path + "?" + sig, nil
}
