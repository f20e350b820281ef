package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/internal/fault"
)

// nodeStatus is what a node says of itself, to whoever asks and to the others.
type nodeStatus struct {
	ID       string            `json:"id"`
	Host     string            `json:"host"`
	Listen   string            `json:"listen"`
	Version  string            `json:"version"`
	Started  time.Time         `json:"started"`
	Ready    bool              `json:"ready"`
	Why      string            `json:"why,omitempty"` // it is not ready
	Config   string            `json:"config"`        // digest of what nodes have in common
	Knobs    map[string]string `json:"knobs"`         // digests of those knobs that are not as by default
	PurgeLag float64           `json:"purge_lag"`     // seconds since it knew of all purges; below 0: it never did
	Pending  int               `json:"purges_pending"`
}

// fleetNode is a node as another one sees it.
type fleetNode struct {
	nodeStatus
	Self    bool     `json:"self"`
	Age     float64  `json:"age"`     // seconds since it said so
	Silent  bool     `json:"silent"`  // it has ended, or cannot be heard
	Differs []string `json:"differs"` // from the node that was asked: knobs, and version
}

// fleetStatus is the answer.
type fleetStatus struct {
	Nodes      []fleetNode `json:"nodes"`
	Consistent bool        `json:"consistent"` // those that are not silent are alike
}

type fleetQuestion struct {
	Fleet bool `json:"fleet"`
}

const (
	announcing = 2 * time.Second
	silent     = 5 * announcing
)

// self is what this node says of itself.
func (a *app) self(ctx context.Context) nodeStatus {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s := nodeStatus{Host: host, Listen: a.address, Version: version, Started: a.started, Knobs: *a.fingerprint.Load()}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.Knobs)) {
		text.WriteString(name + "=" + s.Knobs[name] + "\n")
	}
	sum := sha256.Sum256([]byte(text.String()))
	s.Config = hex.EncodeToString(sum[:6])
	if a.shared != nil {
		s.ID, s.PurgeLag, s.Pending = a.shared.ID(), a.shared.Lag().Seconds(), a.shared.Pending()
	}
	if err := a.ready(ctx); err != nil {
		s.Why = err.Error()
	}
	s.Ready = s.Why == ""
	return s
}

// announce tells the other nodes of this one until ctx ends. What it returns calls stop,
// which has to end ctx, and takes this node off their list.
func (a *app) announce(ctx context.Context, stop context.CancelFunc) (leave func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.announceAgain(ctx)
	}()
	return func() {
		stop()
		<-done
		if err := a.shared.Leave(context.WithoutCancel(ctx)); err != nil {
			a.log.Debug("announce", "error", err)
		}
	}
}

func (a *app) announceAgain(ctx context.Context) {
	tick := time.NewTicker(announcing)
	defer tick.Stop()
	for {
		limited, end := context.WithTimeout(ctx, announcing)
		text, err := json.Marshal(a.self(limited))
		if err == nil {
			err = a.shared.Announce(limited, text)
		}
		end()
		if err != nil && ctx.Err() == nil {
			a.log.Debug("announce", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// nodes answers for this node, or for all.
func (o *operator) nodes(ctx context.Context, q fleetQuestion) (fleetStatus, error) {
	self := o.self(ctx)
	list := fleetStatus{Nodes: []fleetNode{{nodeStatus: self, Self: true, Differs: []string{}}}, Consistent: true}
	if !q.Fleet {
		return list, nil
	}
	if o.shared == nil {
		return list, fault.New(fault.BadOptions, "redis.url: expected a Redis that the nodes share; without one this node knows of no other")
	}
	others, err := o.shared.Nodes(ctx)
	if err != nil {
		return list, fault.Wrap(fault.Overloaded, err, "Redis does not answer: the other nodes are not known")
	}
	for _, other := range others {
		if other.ID == self.ID {
			continue
		}
		n := fleetNode{Age: other.Age.Seconds(), Silent: other.Age > silent}
		if err := json.Unmarshal(other.Text, &n.nodeStatus); err != nil {
			n.Why, n.Host = "it speaks another language: another version", other.ID
		}
		n.Differs = differences(&self, &n.nodeStatus)
		list.Consistent = list.Consistent && (n.Silent || len(n.Differs) == 0)
		list.Nodes = append(list.Nodes, n)
	}
	return list, nil
}

// differences are what of b is unlike a.
func differences(a, b *nodeStatus) []string {
	all := []string{}
	if a.Version != b.Version {
		all = append(all, "version")
	}
	names := maps.Clone(a.Knobs)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, b.Knobs)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a.Knobs[name] != b.Knobs[name] {
			all = append(all, name)
		}
	}
	return all
}

type statusCmd struct {
	Fleet bool   `help:"All nodes that share the Redis of this one, and what of their configuration differs."`
	JSON  bool   `name:"json" help:"As JSON."`
	Admin string `help:"Admin listener of the server; without, that of the server of this store." placeholder:"HOST:PORT"`
}

// Run asks the running server how it is.
func (c *statusCmd) Run(ctx context.Context, cli *cli, w world) error {
	settings, err := cli.settings(w)
	if err != nil {
		return err
	}
	var answer fleetStatus
	if err := askServer(ctx, settings, c.Admin, "nodes", fleetQuestion{c.Fleet}, &answer); err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(w.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answer)
	}
	return answer.write(w.stdout, w.now())
}

// write shows a line for each node.
func (s *fleetStatus) write(to io.Writer, now time.Time) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NODE\tVERSION\tCONFIG\tUP\tREADY\tPURGES HEARD\tDIFFERS") // Flush says what failed
	for i := range s.Nodes {
		n := &s.Nodes[i]
		name := n.Host + " " + n.Listen
		if n.Self {
			name += " (asked)"
		}
		ready := "yes"
		switch {
		case n.Silent:
			ready = fmt.Sprintf("silent for %v", time.Duration(n.Age*float64(time.Second)).Round(time.Second))
		case !n.Ready:
			ready = "no: " + n.Why
		}
		heard := "alone"
		switch {
		case n.ID != "" && n.PurgeLag < 0:
			heard = "never"
		case n.ID != "":
			heard = fmt.Sprintf("%.1fs ago", n.PurgeLag)
		}
		if n.Pending > 0 {
			heard += fmt.Sprintf(", %d not told", n.Pending)
		}
		differs := strings.Join(n.Differs, " ")
		if differs != "" {
			differs = "! " + differs
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%v\t%s\t%s\t%s\n", name, n.Version, n.Config, now.Sub(n.Started).Round(time.Second), ready, heard, differs)
	}
	return table.Flush()
}

// askServer asks the admin listener at address, or that of the server of the store.
func askServer(ctx context.Context, settings config.Config, address, call string, question, answer any) (err error) {
	if address == "" {
		if address, err = adminAddress(settings); err != nil {
			return err
		}
	}
	secret, err := adminToken(settings.Admin)
	if err != nil {
		return fmt.Errorf("admin.%w", err)
	}
	return askAdmin(ctx, address, secret, call, question, answer)
}
