package plugins

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"

	"github.com/fovea-images/fovea/params"
)

// What became of a change of a target.
const (
	TargetDone    = iota
	TargetUnknown // there is no such field here
	TargetInvalid // the value does not do; the URI stays as it was
)

// Target returns a field of the URI as the proxy would parse it (see params.Site.Field);
// false if it is no image URL or has no such field.
func (x *Exchange) Target(field string) (string, bool) {
	if x.Site == nil {
		return "", false
	}
	return x.Site.Field(string(x.host()), string(x.uri), field)
}

// SetTarget rewrites the URI so that the field has this value.
func (x *Exchange) SetTarget(field, value string) (int, error) {
	switch {
	case x.responding:
		return TargetInvalid, errTooLate
	case x.Site == nil:
		return TargetUnknown, nil
	}
	uri, err := x.Site.WithField(string(x.host()), string(x.uri), field, value)
	switch {
	case errors.Is(err, params.ErrNoField):
		return TargetUnknown, nil
	case err != nil || len(uri) > maxURI:
		return TargetInvalid, nil
	}
	return TargetDone, x.SetURI([]byte(uri))
}

// About returns what is known of the request and not in its headers: scheme, client_ip,
// request_id, or accepts, the output formats that the client takes.
func (x *Exchange) About(field string) (string, bool) {
	switch field {
	case "scheme":
		if x.Secure {
			return "https", true
		}
		return "http", true
	case "client_ip":
		return x.Client.Addr().Unmap().String(), x.Client.IsValid()
	case "request_id":
		return x.ID(), true
	case "accepts":
		if x.Accepts == nil {
			return "", false
		}
		var accept []byte
		for _, f := range x.lines() {
			if string(f.Name) == "accept" {
				if accept != nil {
					accept = append(append([]byte{}, accept...), ", "...)
				}
				accept = append(accept, f.Value...)
			}
		}
		return x.Accepts(accept), true
	}
	return "", false
}

// AppendSource appends the client's address to b, ip:port; nothing if it is not known.
func (x *Exchange) AppendSource(b []byte) []byte {
	if !x.Client.IsValid() {
		return b
	}
	return netip.AddrPortFrom(x.Client.Addr().Unmap(), x.Client.Port()).AppendTo(b)
}

// ID returns the request's name: what X-Request-Id says, or one that is made now.
func (x *Exchange) ID() string {
	if x.id == nil {
		for _, f := range x.lines() {
			if string(f.Name) == "x-request-id" && len(f.Value) <= 128 && ValidHeaderName(f.Value) {
				x.id = f.Value
			}
		}
	}
	if x.id == nil {
		var random [8]byte
		from := x.Random
		if from == nil {
			from = rand.Reader
		}
		_, _ = io.ReadFull(from, random[:]) // zeros are a name, too
		x.id = []byte(hex.EncodeToString(random[:]))
	}
	return string(x.id)
}

// Named returns the request's name if a rule has asked for it, otherwise "".
func (x *Exchange) Named() string { return string(x.id) }

// carry keeps the visitor's proof when a rule has changed the path and written no query:
// who may see the picture is asked after the rules.
func (x *Exchange) carry() {
	old := x.before.uri
	end := index(old, '?')
	if index(x.uri, '?') < len(x.uri) || end == len(old) || string(old[:end]) == string(x.uri) {
		return
	}
	start := len(x.arena)
	x.arena = append(x.arena, x.uri...)
	separator := byte('?')
	for rest := old[end:]; len(rest) > 0; {
		rest = rest[1:]
		end := index(rest, '&')
		switch pair := rest[:end]; string(pair[:index(pair, '=')]) {
		case "exp", "sig", "token":
			x.arena = append(append(x.arena, separator), pair...)
			separator = '&'
		}
		rest = rest[end:]
	}
	x.uri = x.arena[start:len(x.arena):len(x.arena)]
}
