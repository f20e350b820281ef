package plugins_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/rulestest"
)

// native is a rule in Go that does the steps of the suite.
type native struct {
	steps  []string
	calls  atomic.Int64
	closed atomic.Bool
	// fails decides, if it is there, whether a call fails.
	fails func() bool
}

var errTold = errors.New("as told")

func (n *native) do(x *plugins.Exchange, steps []string, v *plugins.Visit) error {
	for _, step := range steps {
		name, value, _ := strings.Cut(step[1:], "\x00")
		var err error
		switch step[0] {
		case 'u':
			err = x.SetURI([]byte(name))
		case 'S':
			err = x.Set(plugins.AnswerHeader, []byte(name), []byte(value))
		case 's':
			err = x.Set(plugins.RequestHeader, []byte(name), []byte(value))
		case '.':
			v.Next = false
			return nil
		case '!':
			err = errTold
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *native) halves() (there, back []string) {
	if i := slices.Index(n.steps, "|"); i >= 0 {
		return n.steps[:i], n.steps[i+1:]
	}
	return n.steps, nil
}

func (n *native) Request(_ context.Context, x *plugins.Exchange, v *plugins.Visit) error {
	n.calls.Add(1)
	if n.closed.Load() {
		return errors.New("closed")
	}
	if n.fails != nil && n.fails() {
		return errTold
	}
	there, back := n.halves()
	v.Next, v.Respond, v.Units = true, back != nil, 7
	return n.do(x, there, v)
}

func (n *native) Response(_ context.Context, x *plugins.Exchange, v *plugins.Visit, _ bool) error {
	_, back := n.halves()
	return n.do(x, back, v)
}

func (n *native) Load() plugins.Load           { return plugins.Load{} }
func (n *native) Changed() bool                { return false }
func (n *native) Reload(context.Context) error { return nil }
func (n *native) Close() error                 { n.closed.Store(true); return nil }

func TestRulesInGo(t *testing.T) {
	rulestest.Run(t, func(_ *testing.T, steps ...string) plugins.Rule { return &native{steps: steps} })
}
