package params

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Rewrite turns a plain path of a site into one of ours, as a Transform Rule does
// (contract 1.1): /images/* becomes /cdn-cgi/imagedelivery/<hash>/$1.
type Rewrite struct {
	pattern *regexp.Regexp
	to      string
}

// ParseRewrite reads a rule. In from, a path, every star is one part of a path, and a
// last one all that follows; in to, $1 is the first star, $2 the second. Both begin
// with a slash; to is a path of ours.
func ParseRewrite(from, to string) (Rewrite, error) {
	if !strings.HasPrefix(from, "/") || strings.HasPrefix(from, "/cdn-cgi/") || strings.ContainsAny(from, "?# ") {
		return Rewrite{}, fmt.Errorf("expected a path outside /cdn-cgi/ such as /images/*, received %q", from)
	}
	if !strings.HasPrefix(to, transformPrefix) && !strings.HasPrefix(to, deliveryPrefix) {
		return Rewrite{}, fmt.Errorf("expected a path that begins with %s or %s, received %q", deliveryPrefix, transformPrefix, to)
	}
	parts := strings.Split(from, "*")
	expression := "^" + regexp.QuoteMeta(parts[0])
	for i, part := range parts[1:] {
		if i == len(parts)-2 && part == "" {
			expression += "(.+)"
			continue
		}
		expression += "([^/]+)" + regexp.QuoteMeta(part)
	}
	pattern, err := regexp.Compile(expression + "$")
	if err != nil {
		return Rewrite{}, err
	}
	for rest := to; ; {
		_, after, ok := strings.Cut(rest, "$")
		if !ok {
			return Rewrite{pattern, to}, nil
		}
		n := 0
		if after != "" {
			n, _ = strconv.Atoi(after[:1]) // 0 for what is no digit
		}
		if n < 1 || n >= len(parts) {
			return Rewrite{}, fmt.Errorf("expected $1 to $%d in %q, as many as there are stars in %q", len(parts)-1, to, from)
		}
		rest = after
	}
}

// Apply rewrites the path of target, a raw request target in origin form. Its query
// stays. It reports false if the rule is not for it.
func (w *Rewrite) Apply(target string) (string, bool) {
	path, query, hasQuery := strings.Cut(target, "?")
	found := w.pattern.FindStringSubmatch(path)
	if found == nil {
		return target, false
	}
	var b strings.Builder
	for i := 0; i < len(w.to); i++ {
		if w.to[i] == '$' {
			i++
			b.WriteString(found[w.to[i]-'0'])
			continue
		}
		b.WriteByte(w.to[i])
	}
	if hasQuery {
		b.WriteString("?" + query)
	}
	return b.String(), true
}
