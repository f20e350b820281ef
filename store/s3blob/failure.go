package s3blob

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/fovea-images/fovea/internal/fault"
)

// RefusedError is a failure that lasts until an operator has done something.
type RefusedError struct {
	What string // what is wrong, and what to do
	Code string // the service's name for it
}

func (e *RefusedError) Error() string { return "s3: " + e.What + " (" + e.Code + ")" }

// told counts a call, and says what err means that it ended with.
func (s *Store) told(ctx context.Context, doing string, err error) error {
	s.requests.Add(1)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // who asked has gone
		return fmt.Errorf("s3: %s: %w", doing, ctx.Err())
	}
	err = s.meaning(doing, err)
	if !fault.Is(err, fault.NotFound) {
		s.failures.Add(1)
	}
	return err
}

// meaning says what a failure of the service means.
func (s *Store) meaning(doing string, err error) error {
	var said minio.ErrorResponse
	var network net.Error
	if !errors.As(err, &said) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &network) || errors.Is(err, errStalled) {
			return s.away(doing, err)
		}
		return fmt.Errorf("s3: %s: %w", doing, err)
	}
	refused := func(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...), said.Code} }
	switch said.Code {
	case "NoSuchKey":
		return fault.Wrap(fault.NotFound, err, "The image's bytes are not there")
	case "NoSuchBucket":
		return refused("expected the bucket %q at %s, found none", s.Bucket, s.Endpoint)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidToken", "ExpiredToken", "XAdminUserNotFound":
		return refused("expected credentials for %s and its region, received others: look at access_key, secret_key and region", s.Endpoint)
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		return refused("the access key may not %s in the bucket %q", doing, s.Bucket)
	case "RequestTimeTooSkewed":
		return refused("the clock of this machine is wrong, or that of %s", s.Endpoint)
	case "MethodNotAllowed", "XMinioReadOnly":
		return refused("the bucket %q is read-only: expected to %s", s.Bucket, doing)
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage":
		return refused("the bucket %q is full", s.Bucket)
	}
	switch {
	case said.StatusCode == http.StatusInsufficientStorage:
		return refused("the bucket %q is full", s.Bucket)
	case said.StatusCode == http.StatusTooManyRequests, said.StatusCode == http.StatusRequestTimeout, said.StatusCode >= 500 && said.StatusCode != http.StatusNotImplemented:
		return s.away(doing, err)
	}
	return fmt.Errorf("s3: %s: %w (%s)", doing, err, said.Code)
}

// away is a failure that may be gone a moment later. The cause is told, and not wrapped:
// that our own wait has ended is not that of who asked.
func (s *Store) away(doing string, err error) error {
	return fault.Wrap(fault.Overloaded, fmt.Errorf("s3: %s in the bucket %q at %s: %v", doing, s.Bucket, s.Endpoint, err), "The images' bytes cannot be reached at the moment; try again shortly") //nolint:errorlint // as said above
}
