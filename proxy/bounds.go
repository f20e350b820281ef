package proxy

import (
	"errors"
	"fmt"
	"time"
)

// Validate complains of every bound that is none.
func (o ServerOptions) Validate() error {
	var errs []error
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"read_timeout", o.ReadTimeout}, {"write_timeout", o.WriteTimeout}, {"idle_timeout", o.IdleTimeout}} {
		if d.d < 0 {
			errs = append(errs, fmt.Errorf("%s: expected a duration of 0 or more, received %v", d.name, d.d))
		}
	}
	for _, n := range []struct {
		name string
		n    int
	}{{"connections", o.Concurrency}, {"connections_per_ip", o.PerIP}} {
		if n.n < 0 {
			errs = append(errs, fmt.Errorf("%s: expected 0 or more, received %d", n.name, n.n))
		}
	}
	if o.HeaderBytes != 0 && (o.HeaderBytes < 1<<10 || o.HeaderBytes > 1<<20) {
		errs = append(errs, fmt.Errorf("header_bytes: expected 1024 to 1048576, received %d", o.HeaderBytes))
	}
	return errors.Join(errs...)
}
