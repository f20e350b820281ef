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
	Name  string // as in the file, with dots
	Doc   string
	value reflect.Value
}

// Knobs lists the knobs of c in the order of the file.
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
	}
	return knobs
}

func (k Knob) env() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// YAML writes c as a file that Load reads back, each knob under its doc.
func YAML(c *Config) string {
	var b strings.Builder
	section := ""
	for _, k := range Knobs(c) {
		indent := ""
		if head, _, ok := strings.Cut(k.Name, "."); ok {
			indent = "  "
			if head != section {
				fmt.Fprintf(&b, "%s:\n", head)
			}
			section = head
		}
		fmt.Fprintf(&b, "%s# %s (%s)\n", indent, k.Doc, k.env())
		fmt.Fprintf(&b, "%s%s: %s\n", indent, k.Name[strings.LastIndex(k.Name, ".")+1:], k.text())
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
	case time.Duration:
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}
