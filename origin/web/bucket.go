package web

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/fovea-images/fovea/internal/fault"
)

// Bucket is where the sources s3://bucket/key are. Its requests are signed, if there is
// a key, and go the way of all others: past the guard of addresses, too.
type Bucket struct {
	Endpoint  string // such as https://s3.example.com; "" = Amazon's of the region
	Region    string // "us-east-1"
	AccessKey string // "" = the bucket is public
	SecretKey string
	HostStyle bool // requests name the bucket in the host, not in the path

	endpoint *url.URL
}

// Validate sets the defaults and says what is wrong.
func (b *Bucket) Validate() error {
	if b.Region == "" {
		b.Region = "us-east-1"
	}
	if b.Endpoint == "" {
		b.Endpoint = "https://s3." + b.Region + ".amazonaws.com"
	}
	var errs []error
	u, err := url.Parse(b.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, errors.New("endpoint: expected a URL such as https://s3.example.com, received something else")) // it may hold a password
	}
	b.endpoint = u
	if (b.AccessKey == "") != (b.SecretKey == "") {
		errs = append(errs, errors.New("access_key: expected it and secret_key, or neither for a public bucket, received one"))
	}
	return errors.Join(errs...)
}

// bucketScheme begins the URLs of sources in buckets.
const bucketScheme = "s3"

// whereabouts returns the URL that a source is fetched from; for one in a bucket, that
// of the object.
func (o *Origin) whereabouts(address string) (u *url.URL, from *Bucket, err error) {
	u, err = url.Parse(address)
	if err != nil {
		return nil, nil, fault.Wrap(fault.BadSource, withoutURL(err), "The source is no URL that can be fetched")
	}
	if u.Scheme != bucketScheme {
		return u, nil, nil
	}
	b, ok := o.Buckets[u.Host]
	if !ok {
		return nil, nil, fault.New(fault.NotAllowed, "There is no bucket of this name here")
	}
	at := *b.endpoint
	at.Path = u.Path
	if b.HostStyle {
		at.Host = u.Host + "." + at.Host
	} else {
		at.Path = "/" + u.Host + at.Path
	}
	at.RawPath = s3utils.EncodePath(at.Path) // the one spelling that is signed
	return &at, &b, nil
}

// emptyHash is the SHA-256 of no bytes.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign proves who asks. Fields that are set later are not signed: what is on the way may
// change them.
func (b *Bucket) sign(request *http.Request) *http.Request {
	if b.AccessKey == "" {
		return request
	}
	request.Header.Set(signedBody, emptyHash)
	return signer.SignV4(*request, b.AccessKey, b.SecretKey, "", b.Region)
}

// signedBody marks requests that are signed.
const signedBody = "X-Amz-Content-Sha256"

// request makes the request for u, which is from a bucket unless from is nil. Who it
// names, as that of an import may, is a field.
func (o *Origin) request(ctx context.Context, u *url.URL, from *Bucket) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fault.Wrap(fault.BadSource, withoutURL(err), "The source is no URL that can be fetched")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
		request.URL.User = nil // whatever is made of this URL does not have it
	}
	if from != nil {
		request = from.sign(request)
	}
	return request, nil
}

// said adds to a refusal what the service says of it, for the log alone: whoever asks
// is not told what a bucket is like.
func (b *Bucket) said(err error, response *http.Response) error {
	e := fault.Of(err)
	if e == nil || response.StatusCode < 300 || response.StatusCode == http.StatusNotModified {
		return err
	}
	var told struct{ Code, Region string }
	decoder := xml.NewDecoder(io.LimitReader(response.Body, 8<<10))
	if decoder.Decode(&told) != nil {
		return err
	}
	why := fmt.Sprintf("S3 says %.64q", told.Code)
	switch told.Code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidRegion":
		why += ": look at access_key, secret_key, region and endpoint of the bucket in origins.buckets"
	case "RequestTimeTooSkewed":
		why += ": the clock of this machine is wrong, or the service's"
	}
	copied := *e
	if copied.Cause = errors.New(why); copied.Kind == fault.FetchFailed {
		copied.Cause, copied.Hint = nil, why // a cause would have it sent again
	}
	return &copied
}
