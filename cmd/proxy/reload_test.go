package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fovea-images/fovea/internal/config"
)

// hangup has every server of this process reload, and waits until s has said what of it.
func (s *running) hangup(t *testing.T, want string) {
	t.Helper()
	before := len(s.log.String())
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.awaitLog(t, before, want)
}

func (s *running) awaitLog(t *testing.T, from int, want string) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(s.log.String()[from:], want) {
		select {
		case <-deadline.Done():
			t.Fatalf("the log lacks %q: %s", want, s.log)
		case <-tick.C:
		}
	}
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fovea.yaml")
	rewrite(t, file, "log:\n  access: false\n")
	s := start(t, "--config", file)
	public := s.url + demoPath + "landscape/public"

	// Visitors come all the while, and none of them is turned away.
	ctx, stop := context.WithCancel(t.Context())
	var visitors sync.WaitGroup
	for range 4 {
		visitors.Go(func() {
			for ctx.Err() == nil {
				response, err := http.Get(public)
				if err != nil {
					t.Errorf("a visitor was dropped: %v", err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				if _ = response.Body.Close(); err != nil || response.StatusCode != 200 {
					t.Errorf("a visitor got %d, %v", response.StatusCode, err)
					return
				}
			}
		})
	}
	defer visitors.Wait()
	defer stop()

	status := func(path string, header ...string) int {
		t.Helper()
		response, _ := get(t, s.url+path, header...)
		return response.StatusCode
	}
	if got := status("/images/landscape"); got != 404 {
		t.Errorf("before: %d", got)
	}
	rewrite(t, file, "log:\n  access: false\npaths: ['/images/* => "+demoPath+"$1/public']\nstrict_options: true\ncors: https://a.example.com\nhotlink: {referers: [a.example.com]}\n")
	s.hangup(t, "configuration reloaded")
	if got := status("/images/landscape"); got != 200 {
		t.Errorf("a new path: %d", got)
	}
	if got := status(demoPath+"landscape/w=40,nonsense=1", "Referer: https://a.example.com/"); got != 400 {
		t.Errorf("strict options: %d", got)
	}
	if got := status(demoPath+"landscape/public", "Referer: https://b.example.com/"); got != 403 {
		t.Errorf("another site's page: %d", got)
	}
	if response, _ := get(t, public); response.Header.Get("Access-Control-Allow-Origin") != "https://a.example.com" {
		t.Errorf("%v", response.Header)
	}

	// What cannot change is named, and what could have is not taken.
	rewrite(t, file, "cache:\n  memory: 1GiB\nlisten: ':1'\ncors: ''\n")
	s.hangup(t, "key=cache.memory")
	if text := s.log.String(); !strings.Contains(text, "it takes a restart") {
		t.Errorf("%s", text)
	}
	rewrite(t, file, "cors: ''\nhotlink: {referer: []}\n")
	s.hangup(t, "key=hotlink.referer")
	rewrite(t, file, "cors: [")
	s.hangup(t, "expected YAML")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.hangup(t, "found none")
	if got := status("/images/landscape"); got != 200 {
		t.Errorf("the old paths: %d", got)
	}
	if response, _ := get(t, public); response.Header.Get("Access-Control-Allow-Origin") != "https://a.example.com" {
		t.Errorf("%v", response.Header)
	}
}

// certify writes a new certificate for localhost and its key, and returns its number.
func certify(t *testing.T, cert, key string) *x509.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	number, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	rewrite(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})))
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestTLS(t *testing.T) {
	folder := t.TempDir()
	cert, key, file := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"), filepath.Join(folder, "fovea.yaml")
	first := certify(t, cert, key)
	rewrite(t, file, "tls:\n  cert: "+cert+"\n  key: "+key+"\n")
	s := start(t, "--config", file)
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("it is served on %s", s.url)
	}
	seen := func(trusted *x509.Certificate) error {
		roots := x509.NewCertPool()
		roots.AddCert(trusted)
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
		response, err := client.Get(s.url + demoPath + "landscape/w=64")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != 200 || response.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%d over %x", response.StatusCode, response.TLS.Version)
		}
		return nil
	}
	if err := seen(first); err != nil {
		t.Errorf("the first certificate: %v", err)
	}
	second := certify(t, cert, key)
	s.hangup(t, "configuration reloaded")
	if err := seen(second); err != nil {
		t.Errorf("after a reload: %v", err)
	}
	if err := seen(first); err == nil {
		t.Error("the first certificate is still shown")
	}
	rewrite(t, cert, "broken")
	s.hangup(t, "key=tls.cert")
	if err := seen(second); err != nil {
		t.Errorf("after a broken reload: %v", err)
	}
	rewrite(t, file, "")
	s.hangup(t, "key=tls.cert")

	_, err := tls.Dial("tcp", strings.TrimPrefix(strings.Replace(s.url, "localhost", "127.0.0.1", 1), "https://"), &tls.Config{MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}) //nolint:gosec // that is the test
	if err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestRenewedCertificatesAreSeenWithoutASignal(t *testing.T) {
	folder := t.TempDir()
	files := config.TLS{Cert: filepath.Join(folder, "cert.pem"), Key: filepath.Join(folder, "key.pem")}
	certify(t, files.Cert, files.Key)
	c, err := newCertificate(files)
	if err != nil {
		t.Fatal(err)
	}
	s := &running{log: &logged{}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		c.run(ctx, time.Millisecond, slog.New(slog.NewTextHandler(s.log, nil)))
		close(done)
	}()
	defer func() { stop(); <-done }()
	second := certify(t, files.Cert, files.Key)
	s.awaitLog(t, 0, "certificate renewed")
	if !c.current.Load().Leaf.Equal(second) {
		t.Error("another certificate is in force")
	}
	rewrite(t, files.Key, "broken")
	s.awaitLog(t, 0, "the certificate stays as it was")
}
