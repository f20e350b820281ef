package negotiate

import "strings"

// Accepts is the set of formats that a client names and that need naming:
// everybody takes JPEG, PNG and GIF.
type Accepts uint8

// The members of Accepts.
const (
	AcceptsAVIF Accepts = 1 << iota
	AcceptsWebP
)

// String is an Accept header that says the same.
func (a Accepts) String() string {
	text := ""
	if a&AcceptsAVIF != 0 {
		text += "image/avif,"
	}
	if a&AcceptsWebP != 0 {
		text += "image/webp,"
	}
	return text + "*/*"
}

// ParseAccept reads an Accept header (RFC 9110 section 12.5.1). Only exact media
// types count, whatever their case; a weight of zero excludes, other weights and
// parameters do not matter; wildcards name nothing (R-accept). Members that
// cannot be read are passed over. It does not allocate.
func ParseAccept(header string) Accepts {
	var named, excluded Accepts
	for header != "" {
		var member string
		member, header = cutQuoted(header, ',')
		media, parameters := cutQuoted(member, ';')
		bit := bitOf(trim(media))
		if bit == 0 {
			continue
		}
		if weightIsZero(parameters) {
			excluded |= bit
		} else {
			named |= bit
		}
	}
	return named &^ excluded
}

func bitOf(media string) Accepts {
	switch {
	case strings.EqualFold(media, "image/avif"):
		return AcceptsAVIF
	case strings.EqualFold(media, "image/webp"):
		return AcceptsWebP
	}
	return 0
}

// cutQuoted splits s at the first separator outside a quoted string.
func cutQuoted(s string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func trim(s string) string { return strings.Trim(s, " \t") }

// weightIsZero reports whether the parameters have a weight q of 0, 0.0, 0.00 or 0.000.
func weightIsZero(parameters string) bool {
	for parameters != "" {
		var p string
		p, parameters = cutQuoted(parameters, ';')
		name, value, ok := strings.Cut(p, "=")
		if !ok || !strings.EqualFold(trim(name), "q") {
			continue
		}
		value = trim(value)
		return value != "" && strings.Trim(value, "0.") == "" && value[0] == '0' && strings.Count(value, ".") <= 1
	}
	return false
}
