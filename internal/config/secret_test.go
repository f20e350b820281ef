package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const canary = "correct-horse-battery"

// Every secret knob is walked, however it is given and however it might be shown.
func TestSecretsAreNeverShown(t *testing.T) {
	holder := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(holder, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	defaults := Default()
	found := 0
	for _, k := range Knobs(&defaults) {
		if !k.Secret() {
			if leaf := k.Name[strings.LastIndex(k.Name, ".")+1:]; leaf == "token" || leaf == "password" || leaf == "secret" || leaf == "secret_key" {
				t.Errorf("%s is no Secret", k.Name)
			}
			continue
		}
		found++
		section, leaf, _ := strings.Cut(k.Name, ".")
		section += ":\n  "
		for deeper := "    "; strings.Contains(strings.ReplaceAll(leaf, "[].", ""), "."); deeper += "  " {
			inner, rest, _ := strings.Cut(leaf, ".")
			section, leaf = section+inner+":\n"+deeper, rest
		}
		list, member, inList := strings.Cut(leaf, "[].")
		if inList {
			section, leaf = section+list+":\n  - ", member
		}
		for how, given := range map[string]struct {
			file    string
			environ []string
		}{
			"in the file":                {file: section + leaf + ": " + canary + "\n"},
			"in a file that it names":    {file: section + leaf + "_file: " + holder + "\n"},
			"in a variable":              {environ: []string{k.env() + "=" + canary}},
			"in a file named by another": {environ: []string{k.env() + "_FILE=" + holder}},
		} {
			if inList && given.file == "" {
				continue // its members have no variables
			}
			t.Run(k.Name+" "+how, func(t *testing.T) {
				file := ""
				if given.file != "" {
					file = write(t, given.file)
				}
				c, err := Load(file, given.environ)
				if err != nil {
					t.Fatal(err)
				}
				for _, got := range Knobs(&c) {
					value := got.value
					if inList && strings.HasPrefix(k.Name, got.Name+"[].") {
						value, _, _ = fieldOf(value.Index(0), leaf)
					} else if inList || got.Name != k.Name {
						continue
					}
					if value.String() != canary {
						t.Errorf("it was not read")
					}
				}
				show(t, c)
			})
		}
		// Beside it, everything may be wrong.
		for _, text := range []string{
			section + leaf + ": [" + canary + "\nx: y", section + leaf + ": {" + canary + ": 1}\n", section + leaf + ": [" + canary + "]\n", "x: {" + leaf + ": " + canary + "\n\t",
		} {
			_, err := Load(write(t, text), nil)
			if err == nil || strings.Contains(err.Error(), canary) {
				t.Errorf("%q: %v", text, err)
			}
			for _, c := range Complaints(err) {
				if strings.Contains(fmt.Sprintf("%+v", c), canary) {
					t.Errorf("%+v", c)
				}
			}
		}
	}
	if found < 2 {
		t.Errorf("%d secret knobs", found)
	}
}

func show(t *testing.T, c Config) {
	t.Helper()
	var shown bytes.Buffer
	shown.WriteString(YAML(&c))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&shown, verb, c)
		fmt.Fprintf(&shown, verb, &c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(text)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("settings", "settings", c)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("settings", "settings", c)
	for _, spelling := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if strings.Contains(shown.String(), spelling) {
			t.Errorf("it is shown: %s", shown.String())
		}
	}
}

func TestFixed(t *testing.T) {
	names := map[string]bool{}
	defaults := Default()
	for _, k := range Knobs(&defaults) {
		section, _, _ := strings.Cut(k.Name, ".")
		names[k.Name], names[section] = true, true
	}
	for _, name := range live {
		if !names[name] {
			t.Errorf("%s is no knob", name)
		}
	}
	b := Default()
	b.Listen, b.CORS, b.Cache.Memory, b.Origins.AllowPrivate = ":1", "a.example.com", 1<<30, []string{}
	if got := strings.Join(Fixed(&defaults, &b), " "); got != "listen cache.memory" {
		t.Errorf("%s", got)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("cache:\n  memory: 1GiB\n")
	f.Add("a: &x {b: *x}\ncache: &c {<<: *c, memory: 1}\n")
	f.Add("origins: {allowed: [*a, &a b, !!str c]}\n? x\n: y\n")
	f.Add("- a\n---\nb: |\n  c\n")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file, nil)
		if err != nil {
			if len(Complaints(err)) == 0 {
				t.Errorf("%v has no complaints", err)
			}
			return
		}
		// What is good is good when it is written and read again.
		if err := os.WriteFile(file, []byte(YAML(&c)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file, nil); err != nil {
			t.Errorf("%v\n%s", err, YAML(&c))
		}
	})
}
