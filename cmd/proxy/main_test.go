package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is also the commands that scripts call.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"proxy": main, "curl": curl})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			modules, err := filepath.Abs(filepath.Join("..", "..", "plugins", "wasm", "testdata"))
			env.Setenv("MODULES", modules)
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"picture": drawPicture, "serve-folder": serveFolder, "capture": capture,
		},
	})
}

// capture is: capture NAME COMMAND…; the variable gets what the command prints.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec(args[1], args[2:]...))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// drawPicture is: picture FILE WIDTH HEIGHT.
func drawPicture(ts *testscript.TestScript, _ bool, args []string) {
	w, err1 := strconv.Atoi(args[1])
	h, err2 := strconv.Atoi(args[2])
	ts.Check(err1)
	ts.Check(err2)
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(i*7) | 0x80
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	m.SetNRGBA(0, 0, color.NRGBA{R: 1, A: 255})
	file := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
	var b bytes.Buffer
	if strings.HasSuffix(file, ".png") {
		ts.Check(png.Encode(&b, m))
	} else {
		ts.Check(jpeg.Encode(&b, m, nil))
	}
	ts.Check(os.WriteFile(file, b.Bytes(), 0o644))
}

// serveFolder is: serve-folder FOLDER; its URL is then $FOLDER_URL.
func serveFolder(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(server.Close)
	ts.Setenv("FOLDER_URL", server.URL)
}

// curl does as much of curl as the README uses, for machines without it:
// curl [-s] [-o FILE] [-H LINE] [-F PART] [-X METHOD] [-d BODY] [--cacert FILE] [-w TEXT] URL, with %{content_type}, %{http_code}
// and %header{NAME} in TEXT.
func curl() {
	if err := fetch(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		os.Exit(1)
	}
}

// addPart reads name=value and name=@file.
func addPart(form *multipart.Writer, text string) error {
	name, value, _ := strings.Cut(text, "=")
	file, ok := strings.CutPrefix(value, "@")
	if !ok {
		return form.WriteField(name, value)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	part, err := form.CreateFormFile(name, filepath.Base(file))
	if err != nil {
		return err
	}
	_, err = part.Write(content)
	return err
}

// trust takes the certificates of a file for those of authorities.
func trust(name string) error {
	text, err := os.ReadFile(name) //nolint:gosec // the command's own
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: expected certificates", name)
	}
	http.DefaultTransport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	return nil
}

func fetch(args []string, to io.Writer) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	text := ""
	out := to
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for len(args) > 0 {
		flag := args[0]
		args = args[1:]
		switch flag {
		case "-s":
			continue
		case "-o", "-w", "-H", "-F", "-X", "-d", "--cacert":
		default:
			if request.URL, err = request.URL.Parse(flag); err != nil {
				return err
			}
			continue
		}
		switch value := args[0]; flag {
		case "-o":
			file, err := os.Create(value) //nolint:gosec // the command's own
			if err != nil {
				return err
			}
			defer file.Close()
			out = file
		case "--cacert":
			if err := trust(value); err != nil {
				return err
			}
		case "-w":
			text = value
		case "-X":
			request.Method = value
		case "-d":
			request.Body = io.NopCloser(strings.NewReader(value))
			if request.Method == http.MethodGet {
				request.Method = http.MethodPost
			}
		case "-F":
			if err := addPart(form, value); err != nil {
				return err
			}
		case "-H":
			name, line, _ := strings.Cut(value, ": ")
			request.Header.Set(name, line)
		}
		args = args[1:]
	}
	if body.Len() > 0 {
		if err := form.Close(); err != nil {
			return err
		}
		request.Method, request.Body, request.ContentLength = http.MethodPost, io.NopCloser(&body), int64(body.Len())
		request.Header.Set("Content-Type", form.FormDataContentType())
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(out, response.Body); err != nil {
		return err
	}
	replacer := []string{`\n`, "\n", "%{content_type}", response.Header.Get("Content-Type"), "%{http_code}", strconv.Itoa(response.StatusCode)}
	for name := range response.Header {
		replacer = append(replacer, "%header{"+strings.ToLower(name)+"}", response.Header.Get(name))
	}
	_, err = io.WriteString(to, strings.NewReplacer(replacer...).Replace(text))
	return err
}

// running is a `proxy serve`.
type running struct {
	url      string
	greeting string
	data     string // folder
	admin    string // base URL of the admin listener, if a test has one
	stop     context.CancelFunc
	status   chan int
	log      *logged
}

// logged is what a server has written while it runs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs the command in this process until the test ends or stop is called.
// said finds what the greeting says.
func (s *running) said(t *testing.T, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(s.greeting)
	if found == nil {
		t.Fatalf("%s is not in %q; %s", pattern, s.greeting, s.log)
	}
	return found[1]
}

// gauge reads a metric from the admin listener, whose address is in the log.
func (s *running) gauge(t *testing.T, name string) float64 {
	t.Helper()
	_, text := get(t, s.admin+"/metrics")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s is not in the metrics", name)
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func start(t *testing.T, args ...string) *running {
	t.Helper()
	return startAt(t, time.Now, args...)
}

func startAt(t *testing.T, now func() time.Time, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	s := &running{stop: cancel, status: make(chan int, 1), log: &logged{}}
	data := filepath.Join(t.TempDir(), "data")
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)
	go func() {
		s.status <- run(ctx, args, world{strings.NewReader(""), in, s.log, nil, now, nil})
		_ = in.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if status, ok := <-s.status; ok && status != 0 {
			t.Errorf("exit status %d: %s", status, s.log)
		}
	})
	greeting := make([]byte, 64<<10)
	n, err := out.Read(greeting) // it is written at once
	if s.greeting = string(greeting[:n]); err != nil {
		t.Fatalf("%v; %s", err, s.log)
	}
	s.url = s.said(t, `is serving on (\S+)`)
	s.data = data
	return s
}

func get(t *testing.T, address string, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if request.Header.Set(name, value); name == "Host" {
			request.Host = value
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}
