package params

import (
	"errors"
	"strings"
)

// Why a field cannot be written.
var (
	ErrNoField      = errors.New("the target has no such field")
	ErrInvalidField = errors.New("the value does not do")
)

// optionField begins the names of fields that are one option: option.width.
const optionField = "option."

// Field returns one field of the raw request target that came with the Host header
// host, as the proxy would parse it: kind (delivery or transform), account, image,
// variant, options (in their canonical spelling), option.<long name>, or source. It is
// false if the target is none of our URLs or has no such field.
func (s *Site) Field(host, target, field string) (string, bool) {
	t, _, err := s.Parse(host, s.Rewrite(target))
	if err != nil || t.Kind == None {
		return "", false
	}
	hosted := t.Kind == Hosted
	var value string
	switch field {
	case "kind":
		if hosted {
			return "delivery", true
		}
		return "transform", true
	case "account":
		value = t.Account
	case "image":
		value = t.Image
	case "variant":
		value = t.Variant
	case "source":
		value = t.Source.Value
	case "options":
		if hosted && t.Variant != "" {
			return "", false
		}
		value = t.Options.String()
	default:
		name, ok := strings.CutPrefix(field, optionField)
		row := lookup(name, false)
		if !ok || row == nil {
			return "", false
		}
		value = string(row.spell(nil, &t.Options))
	}
	return value, value != ""
}

// WithField returns target, a raw request target that came with the Host header host,
// with one field changed, in the canonical spelling; see Field for their names. An empty
// option is removed; a variant takes the place of options, and the reverse. Options that
// are unknown stay as they are, and so does the query of a delivery URL. The error is
// ErrNoField, or ErrInvalidField for a value that the parser would not take.
func (s *Site) WithField(host, target, field, value string) (string, error) {
	lax := Site{Zone: s.Zone, DeliveryHosts: s.DeliveryHosts, Origins: s.Origins}
	target = s.Rewrite(target)
	t, _, err := lax.Parse(host, target)
	switch {
	case err != nil:
		return "", ErrInvalidField
	case t.Kind == None:
		return "", ErrNoField
	}
	e := editor{site: &lax, target: t, unknown: unknownOptions(optionList(&t, target))}
	if err := e.set(host, field, value); err != nil {
		return "", err
	}
	written := authority(target) + e.String()
	if path, query, ok := strings.Cut(target, "?"); ok && t.Kind == Hosted && path != "" {
		written += "?" + query
	}
	if _, _, err := lax.Parse(host, written); err != nil {
		return "", ErrInvalidField
	}
	return written, nil
}

// authority is what stands before the path of a target in absolute form.
func authority(target string) string {
	path, _ := SplitTarget(target)
	if strings.HasPrefix(target, "/") {
		return ""
	}
	return target[:strings.Index(target, path)]
}

// optionList is the text of the options in target, which says t.
func optionList(t *Target, target string) string {
	path, _ := SplitTarget(target)
	switch {
	case t.Kind == Remote:
		list, _, _ := strings.Cut(strings.TrimPrefix(path, transformPrefix), "/")
		return list
	case t.Variant == "":
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// unknownOptions are the items of a list that no option is for, as they are.
func unknownOptions(list string) []string {
	var unknown []string
	for item := range strings.SplitSeq(list, ",") {
		name, _, ok := strings.Cut(item, "=")
		if ok && lookup(strings.TrimSpace(name), true) == nil {
			unknown = append(unknown, item)
		}
	}
	return unknown
}

// editor is a target that is being changed.
type editor struct {
	site    *Site
	target  Target
	unknown []string
}

// String is the target in its canonical spelling, with the unknown options.
func (e *editor) String() string {
	t := &e.target
	if t.Variant != "" || len(e.unknown) == 0 {
		return t.String()
	}
	known := t.Options.String()
	all := t.String()
	end := strings.Index(all, known) + len(known)
	if t.Kind == Hosted {
		end = len(all)
	}
	return all[:end] + "," + strings.Join(e.unknown, ",") + all[end:]
}

func (e *editor) set(host, field, value string) error {
	t := &e.target
	hosted := t.Kind == Hosted
	var ok bool
	switch {
	case field == "kind":
		return ErrInvalidField
	case field == "account" && hosted:
		t.Account, ok = value, isName(value, 64)
	case field == "image" && hosted:
		t.Image, ok = value, ValidImageID(value)
	case field == "variant" && hosted:
		t.Variant, t.Options, e.unknown, ok = value, Options{}, nil, ValidVariantName(value)
	case field == "source" && !hosted:
		zone := e.site.Zone
		if zone == "" {
			zone = hostname(host)
		}
		var err error
		t.Source, err = e.site.parseSource(value, zone)
		ok = err == nil
	case field == "options":
		o, _, err := ParseOptions(value, false)
		t.Variant, t.Options, e.unknown, ok = "", o, unknownOptions(value), err == nil && !strings.ContainsAny(value, "/?#")
	default:
		return e.setOption(field, value)
	}
	if !ok {
		return ErrInvalidField
	}
	return nil
}

func (e *editor) setOption(field, value string) error {
	t := &e.target
	name, ok := strings.CutPrefix(field, optionField)
	row := lookup(name, false)
	switch {
	case !ok || row == nil:
		return ErrNoField
	case value == "" && t.Variant != "":
		return nil
	}
	var items []string
	if t.Variant == "" {
		for item := range strings.SplitSeq(t.Options.String(), ",") {
			if other, _, _ := strings.Cut(item, "="); other != name {
				items = append(items, item)
			}
		}
	}
	if value != "" {
		item := name + "=" + string(appendEscaped(nil, value, "!$&'()*+:;=@"))
		if _, _, err := ParseOptions(item, true); err != nil {
			return ErrInvalidField
		}
		items = append(items, item)
	}
	t.Variant = ""
	if len(items) == 0 {
		t.Options = Options{}
		return nil
	}
	var err error
	if t.Options, _, err = ParseOptions(strings.Join(items, ","), false); err != nil {
		return ErrInvalidField
	}
	return nil
}
