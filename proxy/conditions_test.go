package proxy

import (
	"testing"
	"time"
)

func TestNotModified(t *testing.T) {
	const etag = `"cf-1:2"`
	changed := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	for _, tt := range []struct {
		name     string
		match    string
		since    time.Time
		modified time.Time
		want     bool
	}{
		{"no condition", "", time.Time{}, changed, false},
		{"the same tag", etag, time.Time{}, changed, true},
		{"the same tag, weak", "W/" + etag, time.Time{}, changed, true},
		{"one of several", `"a", ` + etag + `,"b"`, time.Time{}, changed, true},
		{"any tag", "*", time.Time{}, changed, true},
		{"another tag silences the date", `"a"`, changed, changed, false},
		{"a tag that only begins like it", `"cf-1:2`, time.Time{}, changed, false},
		{"unchanged since the second it changed in", "", changed.Truncate(time.Second), changed, true},
		{"changed since", "", changed.Add(-time.Hour), changed, false},
		{"a date against an unknown one", "", changed, time.Time{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Request{IfNoneMatch: tt.match, IfModifiedSince: tt.since}
			if got := notModified(r, etag, tt.modified); got != tt.want {
				t.Errorf("notModified = %v, want %v", got, tt.want)
			}
		})
	}
}
