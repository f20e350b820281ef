package plugins

import "context"

// Rule is one rule, loaded. It is safe for concurrent use.
type Rule interface {
	// Request is called with each request that the rule is for. It acts on x by x's
	// methods, and says in v whether the chain goes on. x and what x hands out are the
	// rule's until Request returns. An error means that the rule failed, whatever it had
	// done before: the caller undoes that. It ends, with an error, when ctx does; nobody
	// waits for a rule longer than its own bounds say.
	Request(ctx context.Context, x *Exchange, v *Visit) error
	// Response is called on the way back with what Request left in v, if v.Respond says
	// so. failed tells that the answer is a failure. ErrGone: what Request left is not
	// there any more, which is no failure.
	Response(ctx context.Context, x *Exchange, v *Visit, failed bool) error
	// Load says what the rule holds now.
	Load() Load
	// Changed reports, cheaply, whether there may be a change to take up.
	Changed() bool
	// Reload takes up a change of what the rule is made from. While it works, and when it
	// fails, the rule stays as it was.
	Reload(ctx context.Context) error
	// Close frees what the rule holds, once its calls have returned. Later calls fail.
	Close() error
}

// Visit is what a rule says of one call, and keeps for the way back.
type Visit struct {
	Next    bool   // the next rule, or the proxy, goes on; otherwise the rule has answered
	Respond bool   // the rule wants to see the answer
	Units   int64  // work done, in instructions; 0 = not measured
	Token   uint32 // the rule's own
	Holder  any    // the rule's own; a pointer, so that keeping it costs nothing
}

// Load is what a rule holds.
type Load struct {
	Instances int   // ready or at work
	Memory    int64 // bytes that they hold
	Started   uint64
	Discarded uint64
	Reloads   uint64
	Refused   uint64 // reloads that failed; the rule stayed as it was
}

// Failure is why a rule failed.
type Failure struct {
	Rule   string
	Reason Reason
	Err    error
}

// Reason sorts failures for log and metrics.
type Reason string

// The reasons.
const (
	Trap    Reason = "trap"    // the module ended in an error
	Budget  Reason = "budget"  // it used up its instructions
	Timeout Reason = "timeout" // it had to wait too long
	Memory  Reason = "memory"  // it wanted more than it may have
	Refused Reason = "refused" // it asked for what a rule may not
	Start   Reason = "start"   // it could not be started
	Resting Reason = "resting" // it has failed too often
)

// Error returns rule, reason and cause.
func (f *Failure) Error() string {
	text := string(f.Reason)
	if f.Rule != "" {
		text = "rule " + f.Rule + ": " + text
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }
