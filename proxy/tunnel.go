package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/origin"
)

// Upgrades bound the connections that leave HTTP, such as websockets, on their way to
// a website behind. The zero value upgrades none.
type Upgrades struct {
	AtOnce int           // further ones are refused
	Idle   time.Duration // one that carries nothing for so long is ended
}

// Validate reports whether u can be used.
func (u Upgrades) Validate() error {
	if u.AtOnce < 0 || u.AtOnce > 0 && u.Idle <= 0 {
		return errors.New("upgrades: expected a number of 0 or more, and an upgrade_idle above 0")
	}
	return nil
}

// tunnels counts and carries upgraded connections.
type tunnels struct {
	Upgrades
	open atomic.Int64
}

// enter takes a place for one more connection.
func (t *tunnels) enter() error {
	if t.AtOnce == 0 {
		return fault.New(fault.BadOptions, "Connections are not upgraded here; open it to the website itself")
	}
	if t.open.Add(1) > int64(t.AtOnce) {
		t.open.Add(-1)
		return fault.New(fault.Overloaded, "Too many connections are upgraded already; try again shortly")
	}
	return nil
}

func (t *tunnels) leave() { t.open.Add(-1) }

// upgradable reports whether a request asks for a protocol that may be spoken through
// us. HTTP may not: what is asked in it would pass us by.
func upgradable(method, protocols string) bool {
	if method != http.MethodGet || protocols == "" || strings.Contains(protocols, ",") {
		return false
	}
	for _, own := range []string{"h2", "http", "tls"} {
		if len(protocols) >= len(own) && strings.EqualFold(protocols[:len(own)], own) {
			return false
		}
	}
	return true
}

// passage hands a request to who answers it. The response is nil beside an error.
type passage func(ctx context.Context, f *origin.Forwarded) (*http.Response, error)

// ask hands f on. Who leaves HTTP has a place for that until tunnels.leave.
func (p *Proxy) ask(ctx context.Context, f *origin.Forwarded, to passage) (*http.Response, error) {
	if f.Upgrade == "" {
		return to(ctx, f)
	}
	if err := p.tunnels.enter(); err != nil {
		return nil, err
	}
	response, err := to(ctx, f)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		p.tunnels.leave()
	}
	return response, err
}

// handover is how long the server may take to give us the visitor's connection.
const handover = 10 * time.Second

// await gives the place and the connection to the site back unless taken is called
// soon: a visitor who hangs up before the answer never gets to be carried. taken
// reports false if it comes too late.
func (t *tunnels) await(ctx context.Context, site io.Closer) (taken func() bool) {
	var settled atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, min(handover, t.Idle))
	context.AfterFunc(ctx, func() {
		defer cancel()
		if settled.CompareAndSwap(false, true) {
			_ = site.Close()
			t.leave()
		}
	})
	return func() bool {
		mine := settled.CompareAndSwap(false, true)
		cancel()
		return mine
	}
}

// carry passes bytes both ways until one side ends, nothing has come for too long, or
// done closes. It returns when nobody reads visitor any more; site is closed.
func (t *tunnels) carry(visitor net.Conn, site io.ReadWriteCloser, done <-chan struct{}) {
	var last atomic.Int64
	start := time.Now()
	ended := make(chan struct{}, 2)
	pass := func(to io.Writer, from io.Reader) {
		defer func() { ended <- struct{}{} }()
		buffer := make([]byte, 16<<10)
		for {
			n, err := from.Read(buffer)
			last.Store(int64(time.Since(start)))
			if n > 0 {
				if _, failed := to.Write(buffer[:n]); failed != nil {
					return
				}
				last.Store(int64(time.Since(start)))
			}
			if err != nil {
				return
			}
		}
	}
	go pass(site, visitor)
	go pass(visitor, site)
	timer := time.NewTimer(t.Idle)
	defer timer.Stop()
	for running := 2; ; {
		select {
		case <-ended:
			running--
		case <-done:
		case <-timer.C:
			if left := t.Idle - time.Since(start) + time.Duration(last.Load()); left > 0 {
				timer.Reset(left)
				continue
			}
		}
		_ = site.Close()
		_ = visitor.SetDeadline(time.Now()) // who reads or writes it stops
		for ; running > 0; running-- {
			<-ended
		}
		return
	}
}

// Upgraded is how many connections have left HTTP and are open.
func (p *Proxy) Upgraded() int64 { return p.tunnels.open.Load() }
