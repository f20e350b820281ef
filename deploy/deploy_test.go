package deploy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What the tests build, besides us, and the Kubernetes whose word they take.
const (
	helm        = "helm.sh/helm/v3/cmd/helm@v3.19.0"
	kubeconform = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"
	compose     = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
	kubernetes  = "k8s.io/kubernetes@v1.34.2"
)

// install builds a tool by its module's path and returns the program.
func install(t *testing.T, tool string) string {
	t.Helper()
	if os.Getenv("FOVEA_SLOW") == "" {
		t.Skipf("it builds %s: FOVEA_SLOW=1 runs it, as .ci/run does", tool)
	}
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "install", tool)
	build.Dir, build.Env = folder, append(os.Environ(), "GOBIN="+folder, "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(made) != 1 {
		t.Fatalf("%s made %q, %v", tool, made, err)
	}
	return made[0]
}

// program builds the binary.
func program(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "proxy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/proxy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// needs skips where a tool of the system is absent, and says how to have it; in CI it
// fails.
func needs(t *testing.T, tool, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is absent, and in CI it must be there: apt-get install %s", tool, pkg)
	}
	if err != nil {
		t.Skipf("%s is absent: apt-get install %s; .ci/run does", tool, pkg)
	}
	return path
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// write puts a file of this folder, changed, into another one.
func write(t *testing.T, folder, name string, change ...string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(string(text), change[i]) {
			t.Fatalf("%s lacks %q", name, change[i])
		}
	}
	file := filepath.Join(folder, filepath.Base(name))
	if err := os.WriteFile(file, []byte(strings.NewReplacer(change...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// certify makes a certificate of www.example.com, its key, and a pool that trusts it.
func certify(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"www.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool
}

// serve runs the binary until the test ends and returns its address and what it said.
func serve(t *testing.T, binary string) (address, greeting string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"))
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	text := make([]byte, 64<<10)
	n, err := out.Read(text) // it is written at once
	if err != nil {
		t.Fatal(err)
	}
	greeting = string(text[:n])
	found := regexp.MustCompile(`is serving on http://localhost(:\d+)`).FindStringSubmatch(greeting)
	if found == nil {
		t.Fatalf("no address in %s", greeting)
	}
	return "127.0.0.1" + found[1], greeting
}

// An image behind nginx with TLS, and an upload through it.
func TestNginx(t *testing.T) {
	nginx := needs(t, "nginx", "nginx-light")
	binary, folder := program(t), t.TempDir()
	fovea, greeting := serve(t, binary)
	site := http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(rw, "page "+r.URL.Path) })} //nolint:gosec // a test's
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = site.Serve(listener) }()
	t.Cleanup(func() { _ = site.Close() })
	front := free(t)
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	pool := certify(t, cert, key)
	snippet := write(t, folder, "nginx.conf", "127.0.0.1:8080", fovea, "listen 443 ssl", "listen "+front+" ssl", "127.0.0.1:3000", listener.Addr().String(),
		"/etc/ssl/www.example.com.pem", cert, "/etc/ssl/www.example.com.key", key)
	whole := filepath.Join(folder, "whole.conf")
	text := fmt.Sprintf("daemon off;\npid %[1]s/pid;\nerror_log %[1]s/error.log;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/a;\nproxy_temp_path %[1]s/b;\nfastcgi_temp_path %[1]s/c;\nuwsgi_temp_path %[1]s/d;\nscgi_temp_path %[1]s/e;\ninclude %[2]s;\n}\n", folder, snippet)
	if os.Getuid() == 0 {
		text = "user root;\n" + text // its worker must reach the folder
	}
	if err := os.WriteFile(whole, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), nginx, "-t", "-c", whole).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v: %s", err, out)
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), nginx, "-c", whole) // killed outright it would leave its workers
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Signal(os.Interrupt); _ = command.Wait() })
	client := behind(front, pool)
	get := func(path, accept string) (int, string, string) { return ask(t, client, "GET", path, accept, "", nil) }

	const demo = "/cdn-cgi/imagedelivery/FoveaDemoAccountHash00/"
	for accept, want := range map[string]string{"image/avif,image/webp": "image/avif", "image/webp": "image/webp", "*/*": "image/jpeg"} {
		if status, kind, _ := get(demo+"landscape/w=120", accept); status != 200 || kind != want {
			t.Errorf("%s: %d %s", accept, status, kind)
		}
	}
	if status, _, body := get("/about", ""); status != 200 || body != "page /about" {
		t.Errorf("the site: %d %s", status, body)
	}
	// The URL arrives as it was sent: with both slashes it is a source, and not allowed.
	if status, _, body := get("/cdn-cgi/image/w=9/https://a.example.net/b.jpg", ""); status != 403 {
		t.Errorf("a source: %d %s", status, body)
	}
	token := regexp.MustCompile(`token +(\S+) opens`).FindStringSubmatch(greeting)
	account := regexp.MustCompile(`/accounts/(\w+)/images`).FindStringSubmatch(greeting)
	if token == nil || account == nil {
		t.Fatalf("no token in %s", greeting)
	}
	picture, err := os.ReadFile("../cmd/proxy/demo/ornament.png")
	if err != nil {
		t.Fatal(err)
	}
	body := "--x\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\nmine\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n" + string(picture) + "\r\n--x--\r\n"
	if status, _, answer := ask(t, client, "POST", "/client/v4/accounts/"+account[1]+"/images/v1", "", token[1], []byte(body)); status != 200 || !strings.Contains(answer, "https://www.example.com/") {
		t.Errorf("an upload: %d %s", status, answer)
	}
	if status, kind, _ := get(demo+"mine/public", "image/webp"); status != 200 || kind != "image/webp" {
		t.Errorf("the upload: %d %s", status, kind)
	}
}

// behind is a client that takes front for www.example.com.
func behind(front string, pool *x509.CertPool) *http.Client {
	dialer := &net.Dialer{}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	transport.DialContext = nil
	transport.Dial = func(string, string) (net.Conn, error) { //nolint:staticcheck // the context is the test's
		var err error
		for range 200 { // it may not be there yet
			var conn net.Conn
			if conn, err = dialer.Dial("tcp", front); err == nil {
				return conn, nil
			}
			<-time.After(50 * time.Millisecond)
		}
		return nil, err
	}
	return &http.Client{Transport: transport}
}

func ask(t *testing.T, client *http.Client, method, path, accept, token string, body []byte) (status int, kind, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://www.example.com"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = path // as it is
	request.Header.Set("Accept", accept)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), string(answer)
}

func TestSystemd(t *testing.T) {
	analyze := needs(t, "systemd-analyze", "systemd")
	binary := program(t)
	unit := write(t, t.TempDir(), "fovea.service", "/usr/local/bin/proxy", binary)
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "fovea.service") {
		t.Errorf("verify: %v: %s", err, out)
	}
	// 0 is a sealed room, 10 an open one.
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
	if err != nil {
		t.Errorf("it is more exposed than 2.0: %v: %s", err, out)
	}
}

func TestCaddy(t *testing.T) {
	caddy := needs(t, "caddy", "caddy")
	command := exec.CommandContext(t.Context(), caddy, "validate", "--adapter", "caddyfile", "--config", "Caddyfile")
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The chart is rendered, Kubernetes would take it, and the configuration in it is good
// for the binary.
func TestHelm(t *testing.T) {
	tool := install(t, helm)
	folder := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), tool, "lint", "--strict", "helm").CombinedOutput(); err != nil {
		t.Errorf("lint: %v: %s", err, out)
	}
	render := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), tool, append([]string{"template", "images", "helm"}, args...)...).Output() //nolint:gosec // a test's
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	out := render("--set", "config.zone=www.example.com", "--set", "storage.className=fast", "--set", "nodeSelector.disk=ssd",
		"--set", "tolerations[0].key=images", "--set", "tolerations[0].operator=Exists")
	for _, want := range []string{"kind: ConfigMap", "kind: Service", "kind: StatefulSet", "storageClassName: fast", "readOnlyRootFilesystem: true", "path: /readyz"} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %s", want)
		}
	}
	conforms := conformity(t)
	for name, manifests := range map[string]string{"with every value": out, "with none": render()} {
		if said, err := conforms(manifests); err != nil || !strings.Contains(said, "Valid: 3, Invalid: 0, Errors: 0, Skipped: 0") {
			t.Errorf("%s: %v: %s", name, err, said)
		}
	}
	for was, becomes := range map[string]string{"replicas: 1": "replicas: one", "serviceName:": "service:", "automountServiceAccountToken: false": "automount: false", "port: 80,": "port: web,"} {
		if said, err := conforms(strings.Replace(out, was, becomes, 1)); err == nil {
			t.Errorf("Kubernetes would take %s: %s", becomes, said)
		}
	}
	_, settings, ok := strings.Cut(out, "fovea.yaml: |\n")
	settings, _, end := strings.Cut(settings, "---")
	file := filepath.Join(folder, "fovea.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(settings, "\n    ", "\n")[4:]), 0o600); err != nil || !ok || !end {
		t.Fatalf("no configuration in %s, %v", out, err)
	}
	check := exec.CommandContext(t.Context(), program(t), "check", "--config", file, "--data", filepath.Join(folder, "data"))
	check.Env = append(os.Environ(), "FOVEA_ADMIN_TOKEN=0123456789abcdef")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The compose file is read by what docker compose reads it with.
func TestCompose(t *testing.T) {
	tool := install(t, compose)
	file, err := filepath.Abs("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read := func(file string) (string, error) {
		command := exec.CommandContext(t.Context(), tool, file)
		command.Dir = filepath.Dir(file)
		out, err := command.CombinedOutput()
		return string(out), err
	}
	out, err := read(file)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"read_only: true", "cap_drop:", "stop_grace_period: 20s", "target: /data", "FOVEA_DEMO: \"true\""} {
		if !strings.Contains(out, want) {
			t.Errorf("it lacks %s: %s", want, out)
		}
	}
	for was, becomes := range map[string]string{"read_only:": "readonly:", "restart: unless-stopped": "restart: [always]"} {
		if out, err := read(write(t, t.TempDir(), "compose.yaml", was, becomes)); err == nil {
			t.Errorf("docker compose would take %s: %s", becomes, out)
		}
	}
}
