package params

import (
	"strings"
	"testing"

	"github.com/fovea-images/fovea/internal/fault"
)

func TestSourcesInBuckets(t *testing.T) {
	origins, err := ParseOrigins([]string{"any", "s3://pictures/public/", "s3://www.example.com", "S3.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	site := &Site{Zone: "www.example.com", Origins: origins}
	for _, tt := range []struct {
		source, want string
		kind         fault.Kind
	}{
		{source: "s3://pictures/public/a.jpg", want: "s3://pictures/public/a.jpg"},
		{source: "S3:/Pictures/public/a.jpg", want: "s3://pictures/public/a.jpg"},
		{source: "s3%3A%2F%2Fpictures%2Fpublic%2Fa.jpg", want: "s3://pictures/public/a.jpg"},
		{source: "s3://pictures/public/r%c3%b6d%20%31+2.jpg", want: "s3://pictures/public/r%C3%B6d%201+2.jpg"},
		{source: "s3://pictures/public/r\u00f6d.jpg", want: "s3://pictures/public/r%C3%B6d.jpg"},
		{source: "s3://pictures/public%2Fa%3Fb", want: "s3://pictures/public/a%3Fb"},
		{source: "s3://pictures/public//a", want: "s3://pictures/public//a"},
		{source: "s3://www.example.com/a", want: "s3://www.example.com/a"},
		{source: "s3://pictures/private/a.jpg", kind: fault.NotAllowed},
		{source: "s3://pictures/publication", kind: fault.NotAllowed},
		{source: "s3://others/public/a.jpg", kind: fault.NotAllowed},
		{source: "s3://sub.www.example.com/a", kind: fault.NotAllowed},
		{source: "s3://pictures/public/../private/a.jpg", kind: fault.BadSource},
		{source: "s3://pictures/public/%2e%2e/private/a.jpg", kind: fault.BadSource},
		{source: "s3://pictures/public/a.jpg?versionId=1", kind: fault.BadSource},
		{source: "s3://pictures/public/%zz", kind: fault.BadSource},
		{source: "s3://pictures/public/%ff", kind: fault.BadSource},
		{source: "s3://pictures/public/%00", kind: fault.BadSource},
		{source: "s3://pictures/public/" + strings.Repeat("a", 1020), kind: fault.BadSource},
		{source: "s3://www.example.com/", kind: fault.BadSource},
		{source: "s3://www.example.com", kind: fault.BadSource},
		{source: "s3://", kind: fault.BadSource},
		{source: "s3://key:secret@pictures/public/a", kind: fault.BadSource},
		{source: "s3://pictures:9000/public/a", kind: fault.BadSource},
		{source: "s3://[::1]/a", kind: fault.BadSource},
	} {
		got, _, err := site.Parse("www.example.com", "/cdn-cgi/image/w=1/"+tt.source)
		if tt.want == "" {
			if !fault.Is(err, tt.kind) {
				t.Errorf("%s: %+v, %v, want %v", tt.source, got.Source, err, tt.kind)
			}
			continue
		}
		if err != nil || got.Source != (Source{Absolute: true, Value: tt.want}) {
			t.Errorf("%s: %+v, %v", tt.source, got.Source, err)
			continue
		}
		if again, _, err := site.Parse("www.example.com", got.String()); err != nil || again.Source != got.Source || !origins.Allow(tt.want) {
			t.Errorf("%s is respelt %+v, %v", tt.want, again.Source, err)
		}
	}
	for _, item := range []string{"s3://", "s3://a", "s3://pictures?x", "s3://pictures/..", "s3://*.pictures"} {
		if _, err := ParseOrigins([]string{item}); err == nil {
			t.Errorf("%q was taken", item)
		}
	}
}
