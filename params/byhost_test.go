package params

import (
	"strings"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
)

func TestByHost(t *testing.T) {
	var hosts ByHost[string]
	if _, ok := hosts.Of("a.example"); ok {
		t.Error("an empty one has something")
	}
	for _, name := range []string{"a.example", "*.a.example", "*.b.a.example", "c.a.example", "bücher.example"} {
		if err := hosts.Add(name, name); err != nil {
			t.Fatal(err)
		}
	}
	for host, want := range map[string]string{
		"a.example": "a.example", "A.Example:8080": "a.example", "a.example.": "a.example", "x.a.example": "*.a.example", "x.y.a.example": "*.a.example",
		"b.a.example": "*.b.a.example", "x.b.a.example": "*.b.a.example", "c.a.example": "c.a.example", "xn--bcher-kva.example": "bücher.example",
		"xa.example": "", "example": "", "": "", ".": "", "a.example.com": "", "[::1]:80": "",
	} {
		if got, ok := hosts.Of(host); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", host, got, ok, want)
		}
	}
	for _, name := range []string{"", "*", "*.", "a.*.example", "a.example:80", "a.example/x", "a@b.example", "a.example", "A.EXAMPLE"} {
		if err := hosts.Add(name, ""); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, host := range []string{"a.example", "x.y.a.example:443", "other.example"} {
			hosts.Of(host)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAHostThatIsBoundToAnAccount(t *testing.T) {
	site := Site{Account: "ours", Rewrites: []Rewrite{mustRewrite(t, "/i/*/*", "/cdn-cgi/imagedelivery/$1/$2/public")}}
	if err := site.Delivery.Add("short.example", true); err != nil {
		t.Fatal(err)
	}
	if err := site.Delivery.Add("*.example", false); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]fault.Kind{
		"/cdn-cgi/imagedelivery/ours/a/public": fault.Internal, "/cdn-cgi/imagedelivery/theirs/a/public": fault.WrongAccount, "/theirs/a/w=9": fault.WrongAccount,
		"/i/theirs/a": fault.WrongAccount, "/cdn-cgi/imagedelivery/theirs/a/": fault.WrongAccount, "/cdn-cgi/imagedelivery/OURS/a/public": fault.WrongAccount,
	} {
		got, _, err := site.Parse("short.example", site.Rewrite(target))
		if got.Kind != Hosted || (err != nil) != (want != fault.Internal) || err != nil && !fault.Is(err, want) {
			t.Errorf("%s: %+v, %v", target, got, err)
		}
	}
	if got, _, err := site.Parse("long.example", "/ours/a/public"); got.Kind != None || err != nil {
		t.Errorf("a host that does not deliver: %+v, %v", got, err)
	}
}

func TestAPathBelongsToItsZone(t *testing.T) {
	var seen []string
	for _, zone := range []string{"a.example", "b.example", ""} {
		site := Site{Zone: zone}
		got, _, err := site.Parse("other.example", "/cdn-cgi/image/w=9/photo.jpg")
		if err != nil || got.Source.Zone != zone {
			t.Errorf("%q: %+v, %v", zone, got.Source, err)
		}
		seen = append(seen, got.Source.URL())
	}
	if got := strings.Join(seen, " "); got != "https://a.example/photo.jpg https://b.example/photo.jpg https:///photo.jpg" {
		t.Error(got)
	}
}

func mustRewrite(t *testing.T, from, to string) Rewrite {
	t.Helper()
	rewrite, err := ParseRewrite(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return rewrite
}
