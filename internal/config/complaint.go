package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Complaint is one thing that is wrong with the configuration.
type Complaint struct {
	Key   string // of the knob, or the variable
	What  string // what was expected, and what was received
	Where string // file:line; "" = unknown
	Hint  string // what to do; "" = nothing is known
}

// Error says what is wrong in one line, without the hint.
func (c *Complaint) Error() string {
	text := c.Key + ": " + c.What
	if c.Where != "" {
		text += " (" + c.Where + ")"
	}
	return text
}

// member is which one of a list.
var member = regexp.MustCompile(`\[\d+\]`)

const hintUnknown = "`proxy config --defaults` lists them all"

// Complaints lists what err joins, in its order. What a room says of its options
// begins with the key of a knob; that knob's doc is the hint.
func Complaints(err error) []*Complaint {
	var all []*Complaint
	for _, one := range Flat(err) {
		var known *Complaint
		if errors.As(one, &known) {
			all = append(all, known)
			continue
		}
		key, what, ok := strings.Cut(one.Error(), ": ")
		if !ok {
			key, what = "configuration", one.Error()
		}
		all = append(all, &Complaint{Key: key, What: what})
	}
	defaults := Default()
	knobs := Knobs(&defaults)
	for _, c := range all {
		key := member.ReplaceAllString(c.Key, "[]")
		i := slices.IndexFunc(knobs, func(k Knob) bool { return k.Name == key || k.env() == key })
		if i < 0 || c.Hint != "" {
			continue
		}
		if c.Hint = knobs[i].Doc; knobs[i].env() != "" {
			c.Hint += fmt.Sprintf("; %s, by default %s", knobs[i].env(), knobs[i].text())
		}
	}
	return all
}

// Flat takes apart what err joins. A text before a list, such as the name of its
// section, is put before each of it.
func Flat(err error) []error {
	if err == nil {
		return nil
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range list.Unwrap() {
			all = append(all, Flat(one)...)
		}
		return all
	}
	inner := errors.Unwrap(err)
	if inner == nil {
		return []error{err}
	}
	head, ok := strings.CutSuffix(err.Error(), inner.Error())
	all := Flat(inner)
	if !ok || len(all) < 2 {
		return []error{err}
	}
	for i, one := range all {
		all[i] = fmt.Errorf("%s%w", head, one)
	}
	return all
}

// wrong complains of a value that does not fit its knob.
func wrong(key string, value reflect.Value, received string) Complaint {
	if value.Type() == secretType {
		received = "something else"
	}
	return Complaint{Key: key, What: "expected " + expectation(value) + ", received " + received}
}

func expectation(value reflect.Value) string {
	switch value.Interface().(type) {
	case time.Duration:
		return "a duration such as 30s or 2h"
	case Bytes:
		return "a size such as 64MiB"
	case bool:
		return "true or false"
	case []int:
		return "whole numbers, such as [320, 640]"
	case []string:
		return "a list, such as [a, b]"
	case string, Secret:
		return "text"
	case float64:
		return "a number such as 0.01"
	}
	if value.Kind() == reflect.Slice {
		return "a list as in the file, such as '[{names: [a.example.com]}]'"
	}
	return "a whole number"
}

// unknown complains of a key that is none, and names the one that was meant: of the
// same section, or of the same name in another one.
func unknown(path, name string, section reflect.Type) Complaint {
	c := Complaint{Key: path + name, What: "there is no such key", Hint: hintUnknown}
	if near := nearest(name, keysOf(section)); near != "" {
		c.Hint = "did you mean " + path + near + "?"
		return c
	}
	defaults := Default()
	for _, k := range Knobs(&defaults) {
		if strings.HasSuffix(k.Name, "."+name) && !strings.Contains(k.Name, "[]") {
			c.Hint = "did you mean " + k.Name + "?"
			return c
		}
	}
	return c
}

// keysOf lists the keys of a section.
func keysOf(section reflect.Type) []string {
	var names []string
	for i := range section.NumField() {
		tag := section.Field(i).Tag.Get("yaml")
		if names = append(names, tag); section.Field(i).Type == secretType {
			names = append(names, tag+fileSuffix)
		}
	}
	return names
}

// nearest returns the name that is at most a third of its letters away; "" if none is.
func nearest(name string, names []string) string {
	best, least := "", 1<<30
	for _, candidate := range names {
		if d := distance(name, candidate); d < least && d <= max(1, len(candidate)/3) {
			best, least = candidate, d
		}
	}
	return best
}

// distance is that of Levenshtein, in bytes. Long names are none of ours.
func distance(a, b string) int {
	if len(a) > 100 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
