// Command floor answers every request as barely as can be: with one body, or with what an origin answers. Nothing that looks anything up can cost less.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/valyala/fasthttp"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "floor: expected ADDRESS STATUS FILE, or ADDRESS forward ORIGIN")
		os.Exit(2)
	}
	if os.Args[2] == "forward" {
		if err := forward(os.Args[1], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "floor:", err)
			os.Exit(1)
		}
		return
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3]); err != nil {
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

func serve(address, statusText, file string) error {
	status, err := strconv.Atoi(statusText)
	if err != nil {
		return err
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	server := &fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
		rc.SetContentType("image/jpeg")
		rc.SetStatusCode(status)
		if status == fasthttp.StatusOK {
			rc.Response.SetBodyRaw(body)
		}
	}}
	return server.ListenAndServe(address)
}
