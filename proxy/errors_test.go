package proxy

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
)

func TestEveryKindOfFaultHasItsAnswer(t *testing.T) {
	for _, kind := range fault.Kinds() {
		if _, ok := failures[kind]; !ok {
			t.Errorf("%v has no code and status", kind)
		}
	}
}

func TestFailure(t *testing.T) {
	for _, tt := range []struct {
		name         string
		err          error
		code, status int
		text         string
	}{
		{"a foreign error shows nothing of itself", errors.New("sqlite: /var/lib/secret"), 9523, 500, "Internal error"},
		{"the phrase comes first", fault.New(fault.BadOptions, "'jpg' is not a format"), 9401, 400, "Missing or invalid resizing parameters: 'jpg' is not a format"},
		{"a cause stays private", fault.Wrap(fault.FetchFailed, errors.New("10.0.0.7 refused"), "The origin did not answer"), 9402, 502, "Could not fetch the image: The origin did not answer"},
		{"the origin's own 4xx is passed on", &fault.Error{Kind: fault.OriginRefused, Public: "It answered 410", Status: 410}, 9408, 410, "The origin refused: It answered 410"},
		{"but nothing that is no 4xx", &fault.Error{Kind: fault.OriginRefused, Public: "It answered 200", Status: 200}, 9408, 502, "The origin refused: It answered 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, status, text := Failure(tt.err)
			if code != tt.code || status != tt.status || text != tt.text {
				t.Errorf("Failure(%v) = %d %d %q, want %d %d %q", tt.err, code, status, text, tt.code, tt.status, tt.text)
			}
			if strings.Contains(text, "secret") || strings.Contains(text, "10.0.0.7") {
				t.Errorf("%q tells a secret", text)
			}
		})
	}
}

// The codes and statuses on the page of reference are those that are answered.
func TestTheReferenceOfURLsHasTheRightErrors(t *testing.T) {
	text, err := os.ReadFile("../docs/urls.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range failures {
		known[fmt.Sprintf("%d %d", f.code, f.status)] = true
	}
	rows := regexp.MustCompile(`(?m)^\| ([0-9, ]+) \| ([0-9, ]+) \|`).FindAllStringSubmatch(string(text), -1)
	for _, row := range rows {
		for code := range strings.SplitSeq(row[1], ", ") {
			for status := range strings.SplitSeq(row[2], ", ") {
				if !known[code+" "+status] {
					t.Errorf("the page has %s with %s", code, status)
				}
			}
		}
	}
	if len(rows) < 10 {
		t.Errorf("found only %d rows", len(rows))
	}
}
