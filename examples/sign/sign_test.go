package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fovea-images/fovea/token"
)

// What every program prints opens the image, and nothing but it.
func TestEveryProgramSigns(t *testing.T) {
	const key, path = "kéy with spaces", "/cdn-cgi/imagedelivery/hash/a%20b/public"
	verifier, err := token.New(token.Options{})
	if err != nil {
		t.Fatal(err)
	}
	opens := func(t *testing.T, signed string) {
		t.Helper()
		for path, want := range map[string]token.Verdict{signed: token.OK, strings.Replace(signed, "a%20b", "b", 1): token.BadSignature} {
			path, query, _ := strings.Cut(path, "?")
			got := verifier.Verify(&token.Request{Path: path, Query: query}, []token.Key{{Name: "k", Value: key}}, &token.Subject{Account: "hash", Image: "a b", Variant: "public"})
			if got.Verdict != want || want == token.OK && time.Until(got.Expires) > time.Hour {
				t.Errorf("%s: %v, want %v", path, got, want)
			}
		}
	}
	t.Run("go", func(t *testing.T) {
		opens(t, sign(key, path, time.Now().Add(time.Hour)))
		opens(t, sign(key, path+"?v=3", time.Now().Add(time.Hour)))
	})
	for _, line := range [][]string{{"node", "sign.mjs"}, {"node", "sign-node.mjs"}, {"python3", "sign.py"}, {"php", "sign.php"}} {
		t.Run(line[1], func(t *testing.T) {
			program, err := exec.LookPath(line[0])
			if err != nil {
				t.Skipf("there is no %s on this machine", line[0])
			}
			for _, path := range []string{path, path + "?v=3"} {
				out, err := exec.CommandContext(t.Context(), program, line[1], key, path, "3600").CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				opens(t, strings.TrimSpace(string(out)))
			}
		})
	}
}
