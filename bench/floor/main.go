// Command floor answers every request as barely as can be: with one body, or with what an origin answers. Nothing that looks anything up can cost less.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

func main() {
	if len(os.Args) != 4 && len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "floor: expected ADDRESS STATUS FILE, perhaps a file of header lines, or ADDRESS forward ORIGIN")
		os.Exit(2)
	}
	if os.Args[2] == "forward" {
		if err := forward(os.Args[1], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "floor:", err)
			os.Exit(1)
		}
		return
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]...); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// forward fetches every path from origin by the standard library's client, whole, and
// answers it.
func forward(address, origin string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	server := &fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+origin+string(rc.RequestURI()), nil)
		if err != nil {
			rc.SetStatusCode(fasthttp.StatusBadRequest)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			rc.SetStatusCode(fasthttp.StatusBadGateway)
			return
		}
		body := make([]byte, max(response.ContentLength, 0))
		if _, err := io.ReadFull(response.Body, body); err != nil || response.Body.Close() != nil {
			rc.SetStatusCode(fasthttp.StatusBadGateway)
			return
		}
		rc.SetContentType(response.Header.Get("Content-Type"))
		rc.SetStatusCode(response.StatusCode)
		rc.Response.SetBodyRaw(body)
	}}
	return server.ListenAndServe(address)
}

// serve writes the body in a file. With a file of header lines it also writes those, and
// has the deadlines that a server has whose clients are strangers.
func serve(address, statusText, file string, dress ...string) error {
	status, err := strconv.Atoi(statusText)
	if err != nil {
		return err
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	server := &fasthttp.Server{}
	var lines [][2][]byte
	for _, file := range dress {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(text) {
			name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
			lines = append(lines, [2][]byte{name, value})
		}
		server.ReadTimeout, server.WriteTimeout, server.IdleTimeout = 10*time.Second, time.Minute, time.Minute
	}
	server.Handler = func(rc *fasthttp.RequestCtx) {
		rc.SetContentType("image/jpeg")
		rc.SetStatusCode(status)
		for _, line := range lines {
			rc.Response.Header.SetCanonical(line[0], line[1])
		}
		if status == fasthttp.StatusOK {
			rc.Response.SetBodyRaw(body)
		}
	}
	return server.ListenAndServe(address)
}
