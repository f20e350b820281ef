package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What every program prints opens the image on a running server, and nothing but it.
func TestEveryProgramSigns(t *testing.T) {
	base, key := serve(t)
	const path = "/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/landscape/public"
	opens := func(t *testing.T, signed string) {
		t.Helper()
		for address, want := range map[string]int{signed: 200, strings.Replace(signed, "/public", "/w=9", 1): 403, strings.Replace(signed, "exp=", "exp=9", 1): 403} {
			if got := status(t, base+address); got != want {
				t.Errorf("%s: %d, want %d", address, got, want)
			}
		}
	}
	if got := status(t, base+path); got != 403 {
		t.Fatalf("without a proof: %d", got)
	}
	t.Run("go", func(t *testing.T) {
		opens(t, sign(key, path, time.Now().Add(time.Hour)))
		opens(t, sign(key, path+"?v=3", time.Now().Add(time.Hour)))
	})
	for _, line := range [][]string{{"node", "sign.mjs"}, {"node", "sign-node.mjs"}, {"python3", "sign.py"}, {"php", "sign.php"}} {
		t.Run(line[1], func(t *testing.T) {
			program, err := exec.LookPath(line[0])
			if err != nil {
				t.Skipf("there is no %s on this machine; .ci/run installs it", line[0])
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

func status(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// serve runs the binary with a private picture and returns its address and a signing key.
func serve(t *testing.T) (base, key string) {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "proxy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/proxy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	command := exec.CommandContext(t.Context(), binary, "serve", "--listen", "127.0.0.1:0")
	command.Dir = folder
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting)
	found := regexp.MustCompile(`(?s)is serving on (\S+).*api +(\S+)/v1\n.*token +(\S+)`).FindStringSubmatch(string(greeting[:n]))
	if err != nil || found == nil {
		t.Fatalf("%s, %v", greeting[:n], err)
	}
	api := func(method, path, body string, into any) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, found[2]+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+found[3])
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d, %v", method, path, response.StatusCode, err)
		}
	}
	api(http.MethodPatch, "/v1/landscape", `{"requireSignedURLs":true}`, &struct{}{})
	var keys struct {
		Result struct{ Keys []struct{ Value string } }
	}
	api(http.MethodGet, "/v1/keys", "", &keys)
	return found[1], keys.Result.Keys[0].Value
}
