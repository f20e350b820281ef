// Command floor answers every request with one body, as barely as fasthttp can: nothing that looks anything up can cost less.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/valyala/fasthttp"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "floor: expected ADDRESS STATUS FILE")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
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
