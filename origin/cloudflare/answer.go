package cloudflare

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
)

var (
	errNotHere  = fault.New(fault.NotFound, "Image not found")
	errPatience = fault.New(fault.Overloaded, "Cloudflare asks for patience")
)

// kinds are what Cloudflare's numbers mean (contract 6.1, 6.3).
var kinds = map[int]fault.Kind{
	9401: fault.BadOptions, 9402: fault.FetchFailed, 9404: fault.NotFound, 9412: fault.Unsupported, 9413: fault.TooLarge, 9425: fault.Denied,
	9426: fault.BadPath, 9427: fault.WrongAccount, 9429: fault.FlexibleOff, 9516: fault.DecodeFailed, 9520: fault.Unsupported, 9522: fault.Overloaded,
	9527: fault.Overloaded, 9529: fault.Overloaded, 5404: fault.NotFound,
}

var numbered = regexp.MustCompile(`err=([0-9]{4})`)

// source reads a picture, or says what its absence means.
func source(status int, header http.Header, body []byte, err error) (origin.Source, error) {
	if err != nil {
		return origin.Source{}, err
	}
	if status != http.StatusOK {
		return origin.Source{}, refusal(status, header, body)
	}
	s := origin.Source{Body: body, Validator: origin.Validator(header.Get("ETag"))}
	if s.Validator == "" {
		sum := sha256.Sum256(body)
		s.Validator = hex.EncodeToString(sum[:16])
	}
	if at, err := http.ParseTime(header.Get("Last-Modified")); err == nil {
		s.Modified = at
	}
	return s, nil
}

// refusal passes on what Cloudflare says: its number decides what it means, and
// without one its status; its sentence goes to the visitor, without the number.
func refusal(status int, header http.Header, body []byte) error {
	number := 0
	for _, name := range []string{"Cf-Images", "Cf-Resized"} {
		if found := numbered.FindStringSubmatch(header.Get(name)); found != nil {
			number, _ = strconv.Atoi(found[1]) // four digits
		}
	}
	e := &fault.Error{Kind: fault.OriginBroken, Public: "Cloudflare answered " + strconv.Itoa(status), Status: status}
	if text := strings.TrimSpace(string(body[:min(len(body), 300)])); strings.HasPrefix(text, "ERROR ") {
		if _, sentence, ok := strings.Cut(text, ": "); ok && isPlain(sentence) {
			e.Public, e.Relayed = sentence, number
		}
	}
	kind, known := kinds[number]
	switch {
	case known:
		e.Kind = kind
	case status == http.StatusNotFound:
		return errNotHere
	case status == http.StatusTooManyRequests && number == 0:
		return errPatience
	case status == http.StatusTooManyRequests:
		e.Kind = fault.Overloaded
	case status >= 400 && status < 500:
		e.Kind = fault.OriginRefused
	}
	return e
}

// answered judges an answer of the API. That it does not take our token says nothing of
// the image, nor of the visitor.
func answered(status int, header http.Header, body []byte) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return &fault.Error{
			Kind: fault.FetchFailed, Public: "Cloudflare's API answered " + strconv.Itoa(status), Status: status,
			Hint: "is the API token of this account, and may it read Cloudflare Images?",
		}
	}
	return refusal(status, header, body)
}

func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Rests after a 429.
const (
	restDefault = time.Minute
	restMost    = 10 * time.Minute
)

// heed keeps a 429: for as long as it says, Cloudflare is left alone.
func (o *Origin) heed(status int, header http.Header) {
	if status != http.StatusTooManyRequests {
		return
	}
	rest, said := restDefault, header.Get("Retry-After")
	if seconds, err := strconv.Atoi(said); err == nil && seconds > 0 {
		rest = min(time.Duration(seconds)*time.Second, restMost)
	} else if at, err := http.ParseTime(said); err == nil {
		rest = min(max(at.Sub(o.Now()), time.Second), restMost)
	}
	o.paused.Store(o.Now().Add(rest).Unix())
}

// resting refuses to ask while a 429 is in force.
func (o *Origin) resting() error {
	if o.Now().Unix() < o.paused.Load() {
		return errPatience
	}
	return nil
}
