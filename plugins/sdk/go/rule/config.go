package rule

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// config is the rule's configuration, read once.
var config struct {
	text string
	read bool
}

// Config is what stands at the end of the keys in the rule's configuration;
// all of it without keys. In
//
//	config: {account: abc, sizes: {s: 320}, hosts: [one.example, two.example]}
//
// Config("account") is abc, Config("sizes", "s") is 320 and Config("hosts", "1")
// is two.example. An object or a list is its JSON, and what is not there is
// empty. Keys have no escapes.
//
// What a package variable is set to at the start stays good for ever.
func Config(keys ...string) string {
	if !config.read {
		var none [1]byte
		text := make([]byte, getConfig(&none[0], 0)) // once an instance
		if len(text) > 0 {
			getConfig(&text[0], uint32(len(text)))
		}
		config.text, config.read = string(text), true
	}
	if len(keys) == 0 {
		return config.text
	}
	return Member(config.text, keys...)
}

// Member is what stands at the end of the keys in a JSON text, such as Config
// returns for an object.
func Member(json string, keys ...string) string {
	for _, key := range keys {
		json = member(json, key)
	}
	if json != "" && json[0] == '"' {
		return unescaped(json[1 : len(json)-1])
	}
	return json
}

// Table is an object of the configuration that is read once: a look-up costs a
// comparison for each key before the one it finds. Its zero value is empty.
type Table []struct{ key, value string }

// ConfigTable is the object at the end of the keys in the rule's configuration,
// as Config has it; empty if there is none. It allocates: a package variable is
// set to it at the start.
func ConfigTable(keys ...string) Table {
	text := Config(keys...)
	var t Table
	if i := blank(text, 0); i < len(text) && text[i] == '{' {
		for key, json := "", ""; i >= 0; {
			if key, json, i = entry(text, i, true); json != "" {
				t = append(t, struct{ key, value string }{key, Member(json)})
			}
		}
	}
	return t
}

// Find is what stands at a key; empty if it is not there.
func (t Table) Find(key string) string {
	for i := range t {
		if t[i].key == key {
			return t[i].value
		}
	}
	return ""
}

// member is the JSON at a key of an object, or at an index of a list.
func member(text, key string) string {
	i := blank(text, 0)
	if i == len(text) || text[i] != '{' && text[i] != '[' {
		return ""
	}
	object := text[i] == '{'
	wanted := -1
	if !object {
		if wanted = index(key); wanted < 0 {
			return ""
		}
	}
	for n := 0; i >= 0; n++ {
		var name, json string
		if name, json, i = entry(text, i, object); json == "" || object && name == key || n == wanted {
			return json
		}
	}
	return ""
}

// entry is what comes after i, the beginning of an object or a list or the comma before
// the entry: its key and its JSON, none if there is no entry, and where the next comma
// is, or -1.
func entry(text string, i int, object bool) (key, json string, next int) {
	i = blank(text, i+1)
	if object {
		end := value(text, i)
		if end-i < 2 || text[i] != '"' {
			return "", "", -1 // the end of an empty object, or no JSON
		}
		key = text[i+1 : end-1]
		if i = blank(text, end); i == len(text) || text[i] != ':' {
			return "", "", -1
		}
		i = blank(text, i+1)
	}
	end := value(text, i)
	if next = blank(text, end); next == len(text) || text[next] != ',' {
		next = -1
	}
	return key, text[i:end], next
}

// index is the number that 1 to 9 digits say, or -1. (An error of strconv's allocates.)
func index(key string) int {
	if key == "" || len(key) > 9 {
		return -1
	}
	n := 0
	for i := range len(key) {
		if key[i] < '0' || key[i] > '9' {
			return -1
		}
		n = n*10 + int(key[i]-'0')
	}
	return n
}

// blank is the first place from i on that is no white space.
func blank(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// value is the end of the JSON value that begins at i; i itself if none does.
func value(text string, i int) int {
	depth := 0
	for at := i; at < len(text); at++ {
		switch text[at] {
		case '"':
			for at++; at < len(text) && text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
			if at >= len(text) {
				return i
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return at
			}
			depth--
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return at
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return at + 1
		}
	}
	if depth > 0 {
		return i
	}
	return len(text)
}

// unescaped is the text of a JSON string without its quotes.
func unescaped(text string) string {
	i := 0
	for i < len(text) && text[i] != '\\' {
		i++
	}
	if i == len(text) {
		return text
	}
	if len(text) > len(scratch.memory)-scratch.used {
		overflow()
	}
	out := append(scratch.memory[scratch.used:scratch.used], text[:i]...) // never longer than the text
	for ; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out = append(out, text[i])
			continue
		}
		i++
		switch text[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			char := unit(text, i+1)
			i += 4
			if utf16.IsSurrogate(char) && i+2 < len(text) && text[i+1:i+3] == `\u` {
				if both := utf16.DecodeRune(char, unit(text, i+3)); both != utf8.RuneError {
					char, i = both, i+6
				}
			}
			out = utf8.AppendRune(out, char)
		default:
			out = append(out, text[i])
		}
	}
	return take(uint32(len(out)))
}

// unit is the four hexadecimal digits at i.
func unit(text string, i int) rune {
	if i+4 > len(text) {
		return utf8.RuneError
	}
	n, err := strconv.ParseUint(text[i:i+4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}
