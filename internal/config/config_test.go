package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoad(t *testing.T) {
	for _, tt := range []struct {
		name    string
		file    string
		environ []string
		want    func(*Config)
	}{
		{"nothing given gives the defaults", "", nil, func(*Config) {}},
		{"the file beats the defaults", "listen: :9000\ncache:\n  memory: 1GiB\n  fill_timeout: 5s\n", nil, func(c *Config) {
			c.Listen, c.Cache.Memory, c.Cache.FillTimeout = ":9000", 1<<30, 5*time.Second
		}},
		{"the environment beats the file", "listen: :9000\n", []string{"FOVEA_LISTEN=:9001", "HOME=/root"}, func(c *Config) { c.Listen = ":9001" }},
		{"a list from the environment is split at commas", "", []string{"FOVEA_ORIGINS_ALLOWED=a.com, *.b.com"}, func(c *Config) {
			c.Origins.Allowed = []string{"a.com", "*.b.com"}
		}},
		{"a list of structs from the file", "hosts:\n- names: [a.com, '*.b.com']\n  cors: ''\n  origins: {forward: false, allowed: []}\n", nil, func(c *Config) {
			c.Hosts = []Host{{Names: []string{"a.com", "*.b.com"}, CORS: new(string), Origins: HostOrigins{Forward: new(bool), Allowed: []string{}}}}
		}},
		{"a list of structs from the environment", "", []string{"FOVEA_HOSTS=[{names: [a.com], delivery: false}]"}, func(c *Config) {
			c.Hosts = []Host{{Names: []string{"a.com"}, Delivery: new(bool)}}
		}},
		{"numbers, sizes, durations and switches from the environment", "",
			[]string{"FOVEA_ENGINE_WORKERS=3", "FOVEA_CACHE_MEMORY=64MiB", "FOVEA_SHUTDOWN=1m", "FOVEA_DEMO=false"}, func(c *Config) {
				c.Engine.Workers, c.Cache.Memory, c.Shutdown, c.Demo = 3, 64<<20, time.Minute, false
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := ""
			if tt.file != "" {
				file = write(t, tt.file)
			}
			got, err := Load(file, tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			want := Default()
			tt.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLoadComplains(t *testing.T) {
	for _, tt := range []struct {
		name    string
		file    string
		environ []string
		want    []string
	}{
		{"of an unknown key in the file", "lisen: :9000\n", nil, []string{"lisen"}},
		{"of a wrong type in the file", "engine:\n  workers: many\n", nil, []string{"workers"}},
		{"of an unknown key in a list", "hosts:\n- names: [a.com]\n- nams: [b.com]\n", nil, []string{":3)", "nams"}},
		{"of a wrong type in a list", "hosts:\n- names: [a.com]\n  strict_options: perhaps\n", nil, []string{":3)"}},
		{"of a wrong list from the environment", "", []string{"FOVEA_HOSTS=a.com"}, []string{"FOVEA_HOSTS: expected a list as in the file"}},
		{"of a wrong size in the file", "cache:\n  memory: lots\n", nil, []string{"64MiB", "lots"}},
		{"of every wrong variable at once", "", []string{"FOVEA_ENGINE_WORKERS=x", "FOVEA_NOPE=1", "FOVEA_SHUTDOWN="},
			[]string{"FOVEA_ENGINE_WORKERS: expected a whole number, received \"x\"", "FOVEA_NOPE: there is no such knob", "FOVEA_SHUTDOWN: expected a duration"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := ""
			if tt.file != "" {
				file = write(t, tt.file)
			}
			_, err := Load(file, tt.environ)
			if err == nil {
				t.Fatal("no complaint")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("complaint %q lacks %q", err, want)
				}
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent.yaml"), nil); err == nil {
		t.Error("an absent file is no complaint")
	}
}

func TestYAMLIsReadBackAsItWas(t *testing.T) {
	c := Default()
	c.Origins.Allowed = []string{"a.com", "*.b.com/x"}
	c.Cache.Memory = 3 << 20
	c.Ladder.Widths = []int{320, 640}
	c.Hosts = []Host{{Names: []string{"a.com"}}, {Names: []string{"b.com"}, Delivery: new(bool), Ladder: HostLadder{Refuse: new(bool)}}}
	got, err := Load(write(t, YAML(&c)), nil)
	if err != nil {
		t.Fatal(err)
	}
	// An empty list in the file is an empty list, not an absent one.
	if diff := cmp.Diff(YAML(&c), YAML(&got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, k := range Knobs(&c) {
		if k.Doc == "" || k.Name == "" {
			t.Errorf("knob %q has no doc", k.Name)
		}
	}
}

func TestOver(t *testing.T) {
	c := Default()
	c.Zone, c.Ladder.Widths, c.Origins.Allowed = "top.example", []int{1}, []string{"any"}
	yes, other := true, "other.example"
	got := Over(c, Host{Zone: &other, Origins: HostOrigins{Forward: &yes, Allowed: []string{}}})
	want := c
	want.Zone, want.Origins.Forward, want.Origins.Allowed = other, true, []string{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if c.Zone != "top.example" || c.Origins.Forward {
		t.Error("what is underneath was changed")
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "1024": 1024, "64KiB": 64 << 10, "2 GiB": 2 << 30, "5MB": 5e6, "7B": 7} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q = %d, %v; want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1e3", "1TiB", "9999999999GiB", "MiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %d", text, b)
		}
	}
}
