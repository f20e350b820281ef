// Command sign prints the signed URL of a private image.
//
//	go run ./examples/sign KEY PATH SECONDS
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// sign signs a path, with or without a query, until then.
func sign(key, path string, until time.Time) string {
	mark := "?"
	if strings.Contains(path, "?") {
		mark = "&"
	}
	path += mark + "exp=" + strconv.FormatInt(until.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(path))
	return path + "&sig=" + hex.EncodeToString(mac.Sum(nil))
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: sign KEY PATH SECONDS")
		os.Exit(2)
	}
	seconds, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, "sign:", err)
		os.Exit(2)
	}
	fmt.Println(sign(os.Args[1], os.Args[2], time.Now().Add(time.Duration(seconds)*time.Second)))
}
