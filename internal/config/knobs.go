package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size, spelt 1024, 64KiB, 256MiB or 2GiB.
type Bytes int64

var units = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

// UnmarshalText reads a size. Sizes are never negative.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.size {
			break
		}
		*b = Bytes(n * u.size)
		return nil
	}
	return fmt.Errorf("expected a size such as 64MiB, received %q", s)
}

// String spells b with the largest unit that leaves it whole.
func (b Bytes) String() string {
	for _, u := range units[:3] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Knob is one documented value of the configuration.
type Knob struct {
	Name  string // as in the file, with dots; that of a list's member has [] after the list
	Doc   string
	value reflect.Value
}

// Knobs lists the knobs of c in the order of the file. Those of the members of a list
// follow the list.
func Knobs(c *Config) []Knob { return walk(reflect.ValueOf(c).Elem(), "") }

func walk(section reflect.Value, path string) []Knob {
	var knobs []Knob
	for i := range section.NumField() {
		field := section.Type().Field(i)
		name := path + field.Tag.Get("yaml")
		if field.Type.Kind() == reflect.Struct {
			knobs = append(knobs, walk(section.Field(i), name+".")...)
			continue
		}
		knobs = append(knobs, Knob{Name: name, Doc: field.Tag.Get("doc"), value: section.Field(i)})
		if isList(field.Type) {
			knobs = append(knobs, walk(reflect.New(field.Type.Elem()).Elem(), name+"[].")...)
		}
	}
	return knobs
}

// isList reports whether a knob is a list of structs, whose members have knobs.
func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// env is the variable that sets the knob; "" for a member of a list: the list is set whole.
func (k Knob) env() string {
	if strings.Contains(k.Name, "[]") {
		return ""
	}
	return prefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// Secret reports whether the knob's value must not be shown; it may be in a file.
func (k Knob) Secret() bool { return k.value.Type() == secretType }

// YAML writes c as a file that Load reads back, each knob under its doc. A list
// without members is followed by what a member may say, as a comment.
func YAML(c *Config) string {
	var b strings.Builder
	spell(&b, reflect.ValueOf(c).Elem(), "", "")
	return b.String()
}

// spell writes the knobs of a section; those of a member of a list that are not set
// are left out.
func spell(b *strings.Builder, section reflect.Value, path, indent string) {
	for i := range section.NumField() {
		field, value := section.Type().Field(i), section.Field(i)
		name := field.Tag.Get("yaml")
		if field.Type.Kind() == reflect.Struct {
			var inner strings.Builder
			if spell(&inner, value, path+name+".", indent+"  "); inner.Len() > 0 {
				fmt.Fprintf(b, "%s%s:\n%s", indent, name, inner.String())
			}
			continue
		}
		k := Knob{Name: path + name, Doc: field.Tag.Get("doc"), value: value}
		if field.Type.Kind() == reflect.Pointer {
			if value.IsNil() {
				continue
			}
			k.value = value.Elem()
		}
		if variable := k.env(); variable != "" {
			fmt.Fprintf(b, "%s# %s (%s)\n", indent, k.Doc, variable)
			if k.Secret() {
				fmt.Fprintf(b, "%s# Or in a file of its own: %s%s: FILE (%s_FILE)\n", indent, name, fileSuffix, variable)
			}
		} else {
			fmt.Fprintf(b, "%s# %s\n", indent, k.Doc)
		}
		switch {
		case !isList(field.Type):
			fmt.Fprintf(b, "%s%s: %s\n", indent, name, k.text())
		case value.Len() == 0:
			fmt.Fprintf(b, "%s%s: []\n%s", indent, name, sample(field.Type.Elem(), k.Name+"[].", indent))
		default:
			fmt.Fprintf(b, "%s%s:\n", indent, name)
			for j := range value.Len() {
				fmt.Fprintf(b, "%s  -\n", indent)
				spell(b, value.Index(j), k.Name+"[].", indent+"    ")
			}
		}
	}
}

// sample lists what a member of a list may say.
func sample(member reflect.Type, path, indent string) string {
	var b strings.Builder
	for _, k := range walk(reflect.New(member).Elem(), path) {
		fmt.Fprintf(&b, "%s#   %s: %s\n", indent, strings.TrimPrefix(k.Name, path), k.Doc)
	}
	return b.String()
}

func (k Knob) text() string {
	switch v := k.value.Interface().(type) {
	case string:
		return strconv.Quote(v)
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case []int:
		return strings.ReplaceAll(fmt.Sprint(v), " ", ", ")
	case Secret:
		return strconv.Quote(v.String())
	case time.Duration:
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}

// Over returns c with every knob that member sets in place of c's knob of the same
// name: a nil pointer and a nil list set nothing. Knobs that only member has count for
// nothing. c is not changed.
func Over[Section, Member any](c Section, member Member) Section {
	lay(reflect.ValueOf(&c).Elem(), reflect.ValueOf(member))
	return c
}

func lay(under, over reflect.Value) {
	for i := range over.NumField() {
		value := over.Field(i)
		target, ok := knobNamed(under, over.Type().Field(i).Tag.Get("yaml"))
		if !ok {
			continue
		}
		switch value.Kind() {
		case reflect.Struct:
			lay(target, value)
		case reflect.Pointer:
			if !value.IsNil() {
				target.Set(value.Elem())
			}
		case reflect.Slice:
			if !value.IsNil() {
				target.Set(value)
			}
		}
	}
}

func knobNamed(section reflect.Value, name string) (reflect.Value, bool) {
	for i := range section.NumField() {
		if section.Type().Field(i).Tag.Get("yaml") == name {
			return section.Field(i), true
		}
	}
	return reflect.Value{}, false
}
