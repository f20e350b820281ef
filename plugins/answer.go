package plugins

import (
	"bytes"
	"strconv"
	"strings"
)

// guardedNames are the headers of an answer that are the proxy's own.
var guardedNames = [...]string{
	"content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "etag",
	"cache-status", "content-security-policy", "x-content-type-options",
}

func guarded(name []byte) bool {
	for _, own := range guardedNames {
		if string(name) == own {
			return true
		}
	}
	return false
}

// describes are those of them that a rule may set on an answer of its own: they say
// what its body is.
func describes(name []byte) bool {
	return string(name) == "content-type" || string(name) == "content-encoding" || string(name) == "etag"
}

// Own returns status and body of the answer that a rule gave in place of the proxy.
func (x *Exchange) Own() (status int, body []byte) {
	if x.status == 0 {
		return 200, x.body
	}
	return x.status, x.body
}

// Waiting calls set for each header that the rules want on the final answer, and first
// with replace for each name. Names that are the proxy's own are left out. current is
// the answer's own Cache-Control, which a rule may only shorten.
func (x *Exchange) Waiting(current string, set func(name, value []byte, replace bool)) {
	for i, f := range x.waiting {
		switch {
		case string(f.Name) == "vary":
			continue // among the names of Varies
		case guarded(f.Name) && (!x.stopped || !describes(f.Name)):
			continue
		case string(f.Name) == "cache-control" && !x.stopped:
			current = Shorten(current, string(f.Value))
			set(f.Name, []byte(current), true)
			continue
		}
		first := true
		for _, earlier := range x.waiting[:i] {
			first = first && !bytes.Equal(earlier.Name, f.Name)
		}
		set(f.Name, f.Value, first)
	}
}

// settle looks at the answer headers of a rule that is done.
func (x *Exchange) settle(own bool) error {
	if !x.before.kept {
		return nil
	}
	for _, f := range x.waiting {
		switch {
		case string(f.Name) == "vary":
			if err := x.varyList(f.Value); err != nil {
				return err
			}
		case guarded(f.Name) && (!own || !describes(f.Name)):
			x.ignore(f.Name)
		}
	}
	return nil
}

// Varies calls add with the names of the request headers that rules have looked at.
func (x *Exchange) Varies(add func(name []byte)) {
	for _, f := range x.vary {
		add(f.Name)
	}
}

// Tags returns the purge tags that rules have given. They are the caller's.
func (x *Exchange) Tags() []string {
	if len(x.tags) == 0 {
		return nil
	}
	tags := make([]string, len(x.tags))
	for i, tag := range x.tags {
		tags[i] = string(tag)
	}
	return tags
}

// Touched calls set for each header that rules have changed on the way back, with all
// of its values; none means that it goes.
func (x *Exchange) Touched(set func(name []byte, values [][]byte)) { each(x.touched, x.answer, set) }

// Rewritten calls set for each header of the request that rules have changed, with all
// of its values; none means that it goes.
func (x *Exchange) Rewritten(set func(name []byte, values [][]byte)) {
	each(x.rewritten, x.header, set)
}

// each calls set once for each of names, with its values among fields.
func each(names [][]byte, fields []Field, set func(name []byte, values [][]byte)) {
	for i, name := range names {
		seen := false
		for _, earlier := range names[:i] {
			seen = seen || bytes.Equal(earlier, name)
		}
		if seen {
			continue
		}
		var values [][]byte
		for _, f := range fields {
			if bytes.Equal(f.Name, name) {
				values = append(values, f.Value)
			}
		}
		set(name, values)
	}
}

// Shorten returns the Cache-Control of an answer whose own is ours and for which a rule
// said theirs: it is kept no longer, and by nobody more, than ours says.
func Shorten(ours, theirs string) string {
	if strings.TrimSpace(ours) == "" {
		return theirs
	}
	wish := directives(theirs)
	if _, none := wish["no-store"]; none {
		return "no-store"
	}
	have := directives(ours)
	if _, none := have["no-store"]; none {
		return ours
	}
	_, private := wish["private"]
	var b strings.Builder
	add := func(text string) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	for part := range strings.SplitSeq(ours, ",") {
		part = strings.TrimSpace(part)
		name, value, _ := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if private && (name == "public" || name == "s-maxage") {
			continue
		}
		if limit, ok := least(name, wish); ok {
			if n, err := strconv.Atoi(strings.Trim(value, `" `)); err == nil {
				add(name + "=" + strconv.Itoa(min(n, limit)))
				continue
			}
		}
		add(part)
	}
	for _, name := range []string{"private", "no-cache", "must-revalidate", "no-transform", "max-age"} {
		value, asked := wish[name]
		if _, there := have[name]; asked && !there {
			if name == "max-age" {
				name += "=" + value
			}
			add(name)
		}
	}
	return b.String()
}

// least is what a rule's directives leave of one of ours, in seconds.
func least(name string, wish map[string]string) (int, bool) {
	value := ""
	switch name {
	case "max-age", "stale-while-revalidate", "stale-if-error":
		value = wish[name]
	case "s-maxage":
		if value = wish[name]; value == "" {
			value = wish["max-age"]
		}
	}
	n, err := strconv.Atoi(value)
	return n, err == nil && n >= 0
}

func directives(text string) map[string]string {
	all := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		all[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(value, `" `)
	}
	return all
}
