package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/fovea-images/fovea/internal/fault"
)

// liar is a name server that answers every name with the next address of its list, and
// then with the last one.
func liar(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		packet := make([]byte, 1500)
		next := 0
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				address := netip.MustParseAddr(addresses[min(next, len(addresses)-1)])
				next++
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: address.As4()},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// What a name resolved to a moment ago does not count: the address is judged that is
// connected to.
func TestANameThatResolvesElsewhereTheSecondTime(t *testing.T) {
	var reached atomic.Int64
	good := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	w, address := web(t, Options{AllowPrivate: good, Resolver: liar(t, "127.0.0.1", "127.0.0.2", "169.254.169.254")}, func(rw http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		rw.Header().Set("Connection", "close")
		_, _ = rw.Write([]byte("abc"))
	})
	name := "http://rebinding.example" + address[strings.LastIndex(address, ":"):]
	if _, err := w.Get(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.Get(t.Context(), name); !fault.Is(err, fault.NotAllowed) {
			t.Errorf("%v", err)
		}
	}
	if reached.Load() != 1 {
		t.Errorf("reached %d times", reached.Load())
	}
}
