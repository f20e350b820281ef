package plugins

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Pattern says which requests a rule is for: a path, with a host before it or without,
// such as /p/* or shop.example.com/products/**. A star is at least one character of one
// segment (of one label, in the host); two stars are any number of characters.
type Pattern struct {
	host  string // "" = every host
	path  string
	plain int // bytes of path before its first star
}

// ParsePattern reads one pattern. Hosts are compared in lower case and without port,
// paths, without their query, as they were received and also with their escapes undone:
// however an image's id is spelt, the rule for it sees the request.
func ParsePattern(text string) (Pattern, error) {
	slash := strings.IndexByte(text, '/')
	if slash < 0 {
		return Pattern{}, fmt.Errorf("expected a path such as /p/*, or host/path, received %q", text)
	}
	p := Pattern{host: strings.ToLower(text[:slash]), path: text[slash:]}
	if p.plain = strings.IndexByte(p.path, '*'); p.plain < 0 {
		p.plain = len(p.path)
	}
	switch {
	case strings.ContainsAny(text, "?# \t"):
		return Pattern{}, fmt.Errorf("expected a pattern without query, fragment and spaces, received %q", text)
	case strings.Contains(text, "***"):
		return Pattern{}, fmt.Errorf("expected * or **, received %q", text)
	case strings.Contains(p.host, ":"):
		return Pattern{}, errors.New("expected a host without a port in " + text)
	}
	return p, nil
}

// matches reports whether host and path fit. It allocates nothing.
func matches(p *Pattern, host, path []byte) bool {
	// Nearly all that does not fit differs before the first star.
	if len(path) < p.plain || string(path[:p.plain]) != p.path[:p.plain] || p.host != "" && !fits(p.host, host, '.') {
		return false
	}
	rest := p.path[p.plain:]
	return rest == "**" || fits(rest, path[p.plain:], '/')
}

// address is what a request is chosen by: its host, and its path as it was received.
type address struct {
	host, path []byte
	escaped    bool // path has escapes, perhaps
}

// addressOf is that of a raw target that came with the Host header host. It has parts of
// both.
func addressOf(host, target []byte) address {
	host, path := split(host, target)
	return address{host, path, bytes.IndexByte(path, '%') >= 0}
}

// split returns the host and the path of a raw request target that came with the Host
// header host, whatever form the target has.
func split(host, target []byte) ([]byte, []byte) {
	path := target
	if len(target) > 0 && target[0] != '/' {
		if at := bytes.Index(target, []byte("://")); at >= 0 {
			rest := target[at+3:]
			end := index(rest, '/')
			host, path = rest[:end], rest[end:]
		}
	}
	path = path[:index(path, '?')]
	if colon := bytes.LastIndexByte(host, ':'); colon >= 0 && bytes.IndexByte(host[colon:], ']') < 0 {
		host = host[:colon]
	}
	return bytes.TrimSuffix(host, []byte(".")), path // the same host, with its final dot
}

// unescaped appends path with its escapes undone to b.
func unescaped(b, path []byte) []byte {
	for i := 0; i < len(path); i++ {
		var c [1]byte
		if path[i] == '%' && i+2 < len(path) {
			if _, err := hex.Decode(c[:], path[i+1:i+3]); err == nil {
				b, i = append(b, c[0]), i+2
				continue
			}
		}
		b = append(b, path[i])
	}
	return b
}

// index is where c is in s, or the length of s.
func index(s []byte, c byte) int {
	if i := bytes.IndexByte(s, c); i >= 0 {
		return i
	}
	return len(s)
}

// fits walks pattern along s. On a mismatch the last star takes one more character, and
// when that is a separator the last pair of stars does: an earlier one could reach
// nothing that these cannot.
func fits(pattern string, s []byte, separator byte) bool {
	p, i := 0, 0
	star, starAt := -1, 0 // where to go on in pattern and in s when a star takes more
	deep, deepAt := -1, 0
	for {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			if p+1 < len(pattern) && pattern[p+1] == '*' {
				p += 2
				deep, deepAt, star = p, i, -1
				continue
			}
			if i < len(s) && s[i] != separator {
				p, i = p+1, i+1
				star, starAt = p, i
				continue
			}
		case p == len(pattern) && i == len(s):
			return true
		case p < len(pattern) && i < len(s) && same(pattern[p], s[i], separator):
			p, i = p+1, i+1
			continue
		}
		switch {
		case star >= 0 && starAt < len(s) && s[starAt] != separator:
			starAt++
			p, i = star, starAt
		case deep >= 0 && deepAt < len(s):
			deepAt++
			p, i, star = deep, deepAt, -1
		default:
			return false
		}
	}
}

// same compares one character; letters of a host have no case.
func same(a, b, separator byte) bool {
	if separator == '.' && b >= 'A' && b <= 'Z' {
		b |= 0x20
	}
	return a == b
}
