package origin

import (
	"io"
	"net/http"
)

// Forwarded is a request that is passed on to the website behind. Its body is read
// until the answer is there.
type Forwarded struct {
	Method, Target string // Target is raw: path and query
	Header         http.Header
	Body           io.Reader // nil = none
	Length         int64     // of the body; -1 = not known
	Zone           string    // whose website; "" = the one that has no name
	Host, Client   string    // what the visitor asked for, and the address it asked from
	Secure         bool
	// Upgrade is the protocol that the visitor wants to go on with, such as websocket;
	// "" = none. An answer of 101 has a body that is an io.ReadWriteCloser.
	Upgrade string
}
