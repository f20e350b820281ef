package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// namespace is a network of its own for one node, joined to ours by a link for its
// visitors and one for each server. nil is none: there, wires are cut.
type namespace struct {
	name, subnet string
	links        int
	visitors     *link
}

// link is a wire behind a pair of devices, of which ours is taken down to cut it: from
// then on packets are lost.
type link struct {
	*wire
	t            *testing.T
	device       string
	ours, theirs string // addresses
}

// newNamespace makes one, or skips the test where that is not allowed.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ip is not installed, and in CI it must be: apt-get install iproute2")
		}
		t.Skip("needs ip: apt-get install iproute2, then FOVEA_SLOW=1 go test ./cmd/proxy -run TestANodeThatIsCutOff, as .ci/run does")
	}
	ns := &namespace{name: fmt.Sprint("fovea", os.Getpid()), subnet: fmt.Sprintf("198.18.%d.", os.Getpid()%256)}
	if err := ip("netns", "add", ns.name); err != nil {
		t.Skipf("needs root and leave to make network namespaces: as root FOVEA_SLOW=1 go test ./cmd/proxy -run TestANodeThatIsCutOff, as .ci/run does; cut wires are tested without: %v", err)
	}
	t.Cleanup(func() {
		if err := ip("netns", "delete", ns.name); err != nil {
			t.Error(err)
		}
	})
	ns.visitors = ns.link(t)
	return ns
}

// ip runs the command that is called so.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil { //nolint:gosec // a test's own words
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// link makes a pair of devices with an address for each side.
func (ns *namespace) link(t *testing.T) *link {
	t.Helper()
	l := &link{t: t, device: fmt.Sprintf("fv%d-%d", os.Getpid(), ns.links), ours: fmt.Sprint(ns.subnet, 4*ns.links+1), theirs: fmt.Sprint(ns.subnet, 4*ns.links+2)}
	inside := fmt.Sprint("eth", ns.links)
	ns.links++
	err := errors.Join(
		ip("link", "add", l.device, "type", "veth", "peer", "name", inside, "netns", ns.name),
		ip("address", "add", l.ours+"/30", "dev", l.device),
		ip("link", "set", l.device, "up"),
		ip("-netns", ns.name, "address", "add", l.theirs+"/30", "dev", inside),
		ip("-netns", ns.name, "link", "set", inside, "up"),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // at once: a namespace ends when the kernel finds the time
		if err := ip("link", "delete", l.device); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *link) cut() {
	if err := ip("link", "set", l.device, "down"); err != nil {
		l.t.Error(err)
	}
}

func (l *link) heal() {
	if err := ip("link", "set", l.device, "up"); err != nil {
		l.t.Error(err)
	}
}

// line is a way to a server, for the node.
func (ns *namespace) line(t *testing.T, to string) line {
	t.Helper()
	if ns == nil {
		return newWire(t, "127.0.0.1", to)
	}
	l := ns.link(t)
	l.wire = newWire(t, l.ours, to)
	return l
}

// node starts the node.
func (ns *namespace) node(t *testing.T, text, blobs string) *node {
	t.Helper()
	if ns == nil {
		return newNode(t, text, blobs)
	}
	return newNodeAt(t, []string{"ip", "netns", "exec", ns.name}, ns.visitors.theirs+":8080", ns.visitors.theirs+":8081", text, blobs)
}
