package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads file (none when "") and the environment (NAME=value, as os.Environ
// gives it) over the defaults. The error joins one *Complaint for each wrong knob;
// those are left as they were, so that what else is wrong can be found, too.
func Load(file string, environ []string) (Config, error) {
	c := Default()
	var r reader
	if file != "" {
		r.readFile(&c, file)
	}
	r.readEnviron(&c, environ)
	return c, errors.Join(r.complaints...)
}

// reader gathers the complaints of one Load.
type reader struct {
	file       string // as it is named in complaints; "" = the environment
	complaints []error
	anchors    map[string]ast.Node
}

func (r *reader) complain(node ast.Node, c Complaint) {
	if node != nil && r.file != "" {
		c.Where = r.file + ":" + strconv.Itoa(node.GetToken().Position.Line)
	}
	r.complaints = append(r.complaints, &c)
}

func (r *reader) readFile(c *Config, file string) {
	r.file, r.anchors = file, map[string]ast.Node{}
	defer func() { r.file = "" }()
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.complain(nil, Complaint{Key: "config file " + file, What: "expected a YAML file, found none"})
		return
	case err != nil:
		r.complain(nil, Complaint{Key: "config file", What: err.Error()})
		return
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.complaints = append(r.complaints, syntax(file, err))
		return
	}
	if len(tree.Docs) > 1 {
		r.complain(nil, Complaint{Key: "config file " + file, What: fmt.Sprintf("expected one YAML document, received %d", len(tree.Docs))})
		return
	}
	if len(tree.Docs) == 1 && tree.Docs[0].Body != nil {
		r.read(tree.Docs[0].Body, reflect.ValueOf(c).Elem(), "")
	}
}

// syntax leaves out the lines that the parser would quote: one may hold a secret.
func syntax(file string, err error) error {
	var known yaml.Error
	if !errors.As(err, &known) || known.GetToken() == nil {
		return &Complaint{Key: "config file " + file, What: "expected YAML, received something else"}
	}
	line := known.GetToken().Position.Line
	return &Complaint{Key: "config file " + file, What: fmt.Sprintf("expected YAML, received something else in line %d", line), Hint: hintSyntax}
}

const hintSyntax = "sections are indented by spaces, and text with ': ', '#', '*' or '{' in it is quoted"

// read reads node into value. Its depth is that of value's type.
func (r *reader) read(node ast.Node, value reflect.Value, key string) {
	switch n := node.(type) {
	case *ast.AnchorNode:
		r.read(n.Value, value, key)
		r.anchors[n.Name.GetToken().Value] = n.Value // only now: an anchor does not hold itself
		return
	case *ast.AliasNode:
		if target := r.anchors[n.Value.GetToken().Value]; target != nil {
			r.read(target, value, key)
			return
		}
		r.complain(node, Complaint{Key: key, What: fmt.Sprintf("expected the name of an anchor above, received %q", n.Value.GetToken().Value)})
		return
	case *ast.TagNode:
		r.read(n.Value, value, key)
		return
	case *ast.NullNode:
		return // a key without a value says nothing
	}
	switch {
	case value.Kind() == reflect.Pointer:
		fresh := reflect.New(value.Type().Elem())
		before := len(r.complaints)
		if r.read(node, fresh.Elem(), key); len(r.complaints) == before {
			value.Set(fresh)
		}
	case value.Kind() == reflect.Interface: // whatever a rule is told
		if yaml.NodeToValue(node, value.Addr().Interface()) != nil {
			r.complain(node, Complaint{Key: key, What: "expected YAML, received something else"})
		}
	case value.Kind() == reflect.Struct:
		r.readSection(node, value, key)
	case value.Kind() == reflect.Slice:
		r.readList(node, value, key)
	default:
		text, ok := scalar(node)
		if !ok || set(value, text) != nil {
			r.complain(node, wrong(key, value, quoted(node)))
		}
	}
}

func (r *reader) readSection(node ast.Node, section reflect.Value, key string) {
	entries, ok := node.(ast.MapNode)
	if !ok {
		if key == "" {
			key = "config file " + r.file
		}
		r.complain(node, Complaint{Key: key, What: "expected keys with values, received " + quoted(node), Hint: "its keys are " + strings.Join(keysOf(section.Type()), ", ")})
		return
	}
	path := key
	if path != "" {
		path += "."
	}
	for i := entries.MapRange(); i.Next(); {
		if i.Key().IsMergeKey() {
			r.read(i.Value(), section, key)
		}
	}
	for i := entries.MapRange(); i.Next(); {
		name := i.Key().GetToken().Value
		field, secret, ok := fieldOf(section, name)
		switch {
		case i.Key().IsMergeKey():
		case !ok:
			r.complain(i.Key(), unknown(path, name, section.Type()))
		case secret && given(entries, strings.TrimSuffix(name, fileSuffix)):
			r.complain(i.Key(), Complaint{Key: path + name, What: "expected one of it and " + strings.TrimSuffix(name, fileSuffix) + ", received both"})
		case secret:
			r.readSecret(i.Value(), field, path+name)
		default:
			r.read(i.Value(), field, path+name)
		}
	}
}

func given(entries ast.MapNode, name string) bool {
	for i := entries.MapRange(); i.Next(); {
		if i.Key().GetToken().Value == name {
			return true
		}
	}
	return false
}

// fieldOf finds the field of a key. file: the key is that of the file that holds a
// secret.
func fieldOf(section reflect.Value, name string) (field reflect.Value, file, ok bool) {
	for i := range section.NumField() {
		field := section.Field(i)
		tag := section.Type().Field(i).Tag.Get("yaml")
		if tag == name {
			return field, false, true
		}
		if tag+fileSuffix == name && field.Type() == secretType {
			return field, true, true
		}
	}
	return reflect.Value{}, false, false
}

var secretType = reflect.TypeFor[Secret]()

// fileSuffix makes of a secret's key the key of the file that holds it.
const fileSuffix = "_file"

func (r *reader) readSecret(node ast.Node, field reflect.Value, key string) {
	file := ""
	if r.read(node, reflect.ValueOf(&file).Elem(), key); file != "" {
		r.openSecret(node, field, key, file)
	}
}

// openSecret puts what file holds into field.
func (r *reader) openSecret(node ast.Node, field reflect.Value, key, file string) {
	text, err := os.ReadFile(file)
	secret := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		r.complain(node, Complaint{Key: key, What: fmt.Sprintf("expected a file that can be read, received %q", file), Hint: errors.Unwrap(err).Error()})
	case secret == "" || strings.ContainsAny(secret, "\r\n\x00") || len(secret) > 1<<16:
		r.complain(node, Complaint{Key: key, What: fmt.Sprintf("expected a file with one line of text, received %q with something else", file), Hint: "a line break at its end is no part of the secret"})
	default:
		field.SetString(secret)
	}
}

func (r *reader) readList(node ast.Node, value reflect.Value, key string) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		r.complain(node, wrong(key, value, quoted(node)))
		return
	}
	list := reflect.MakeSlice(value.Type(), len(sequence.Values), len(sequence.Values))
	for i, member := range sequence.Values {
		r.read(member, list.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
	value.Set(list)
}

// scalar returns the text of a node that is neither a list nor a section.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// quoted is what was received instead.
func quoted(node ast.Node) string {
	if text, ok := scalar(node); ok {
		return strconv.Quote(text)
	}
	switch node.(type) {
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "keys with values"
	}
	return "something else"
}

const prefix = "FOVEA_"

// otherVariables begin like knobs and are none: the file's name and the
// switches of the tests.
var otherVariables = map[string]bool{
	prefix + "CONFIG": true, prefix + "VECTORS": true, prefix + "IMAGES": true, prefix + "SLOW": true, prefix + "SOAK": true,
	prefix + "SCREENSHOTS": true,
}

func (r *reader) readEnviron(c *Config, environ []string) {
	knobs := map[string]Knob{}
	var names []string
	for _, k := range Knobs(c) {
		if k.env() != "" {
			knobs[k.env()] = k
			names = append(names, k.env())
		}
	}
	environ = slices.Sorted(slices.Values(environ))
	for _, line := range environ {
		name, text, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, prefix) || otherVariables[name] {
			continue
		}
		if k, ok := knobs[strings.TrimSuffix(name, "_FILE")]; ok && k.Secret() && strings.HasSuffix(name, "_FILE") {
			if slices.ContainsFunc(environ, func(other string) bool { return strings.HasPrefix(other, k.env()+"=") }) {
				r.complain(nil, Complaint{Key: name, What: "expected one of it and " + k.env() + ", received both"})
			} else if text != "" {
				r.openSecret(nil, k.value, name, text)
			}
			continue
		}
		k, ok := knobs[name]
		if !ok {
			hint := hintUnknown
			if near := nearest(name, names); near != "" {
				hint = "did you mean " + near + "?"
			}
			r.complain(nil, Complaint{Key: name, What: "there is no such knob", Hint: hint})
			continue
		}
		if !r.readVariable(k.value, name, text) {
			received := strconv.Quote(text)
			r.complain(nil, wrong(name, k.value, received))
		}
	}
}

// readVariable reads a list of texts or numbers with commas, other lists as in the file.
func (r *reader) readVariable(value reflect.Value, name, text string) bool {
	if value.Kind() != reflect.Slice {
		return set(value, text) == nil
	}
	if value.Type().Elem().Kind() == reflect.Struct {
		inner := reader{anchors: map[string]ast.Node{}}
		tree, err := parser.ParseBytes([]byte(text), 0)
		if err != nil || len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
			return false
		}
		if _, ok := tree.Docs[0].Body.(*ast.SequenceNode); !ok {
			return false
		}
		inner.read(tree.Docs[0].Body, value, name)
		r.complaints = append(r.complaints, inner.complaints...)
		return true
	}
	list := reflect.MakeSlice(value.Type(), 0, 0)
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		member := reflect.New(value.Type().Elem()).Elem()
		if set(member, item) != nil {
			return false
		}
		list = reflect.Append(list, member)
	}
	value.Set(list)
	return true
}

// set reads text into a value that is no list.
func set(value reflect.Value, text string) error {
	switch at := value.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err == nil {
			*at = d
		}
		return err
	case *Bytes:
		return at.UnmarshalText([]byte(text))
	}
	switch value.Kind() {
	case reflect.String:
		value.SetString(text)
		return nil
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("no switch")
		}
		value.SetBool(text == "true")
		return nil
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err == nil {
			value.SetFloat(n)
		}
		return err
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, value.Type().Bits())
	if err == nil {
		value.SetInt(n)
	}
	return err
}
