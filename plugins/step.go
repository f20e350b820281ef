package plugins

import (
	"errors"
	"time"
)

// Step is what one rule did to one request, for people.
type Step struct {
	Rule    string        `json:"rule"`
	Outcome string        `json:"outcome"` // next, answer, error, skipped
	Reason  string        `json:"reason,omitempty"`
	Before  string        `json:"before"`
	After   string        `json:"after,omitempty"` // "" = as before
	Request []string      `json:"request_headers,omitempty"`
	Answer  []string      `json:"answer_headers,omitempty"`
	Vary    []string      `json:"vary,omitempty"`
	Tags    []string      `json:"tags,omitempty"`
	Status  int           `json:"status,omitempty"`
	Body    string        `json:"body,omitempty"`
	Log     []string      `json:"log,omitempty"`
	Units   int64         `json:"instructions"`
	Took    time.Duration `json:"-"`
}

// Trace has x remember what the rules do.
func (x *Exchange) Trace() { x.steps = &[]Step{} }

// Rehearse is Trace for a request that nobody has sent: the chain does not count it, and
// what becomes of it changes nothing for those of visitors.
func (x *Exchange) Rehearse() {
	x.rehearsed = true
	x.Trace()
}

// Steps returns what the rules did, in order; nil without Trace. Proofs are in it.
func (x *Exchange) Steps() []Step {
	if x.steps == nil {
		return nil
	}
	return *x.steps
}

// Timings calls tell with each rule that x has met and how long that took, if x traces.
func (x *Exchange) Timings(tell func(rule string, took time.Duration)) {
	for _, s := range x.Steps() {
		tell(s.Rule, s.Took)
	}
}

// describe completes the last step, once the rule is done and undone.
func (x *Exchange) describe(v *Visit, err error, took time.Duration) {
	step := &(*x.steps)[len(*x.steps)-1]
	step.Took, step.Units = took, v.Units
	if f := (*Failure)(nil); errors.As(err, &f) {
		step.Outcome, step.Reason = "error", f.Error()
		if f.Reason == Resting {
			step.Outcome = "skipped"
		}
		return
	}
	if after := string(x.uri); after != step.Before {
		step.After = after
	}
	if x.before.kept {
		step.Request, step.Answer = changes(x.before.header, x.header), changes(x.before.waiting, x.waiting)
	}
	for _, f := range x.vary[x.before.vary:] {
		step.Vary = append(step.Vary, string(f.Name))
	}
	for _, tag := range x.tags[x.before.tags:] {
		step.Tags = append(step.Tags, string(tag))
	}
	if step.Outcome = "next"; !v.Next {
		step.Outcome = "answer"
		status, body := x.Own()
		step.Status, step.Body = status, string(body)
	}
}

// changes spells what is in after and not in before with a plus, and the reverse with a
// minus.
func changes(before, after []Field) []string {
	var all []string
	count := map[string]int{}
	for _, f := range before {
		count[string(f.Name)+": "+string(f.Value)]++
	}
	for _, f := range after {
		line := string(f.Name) + ": " + string(f.Value)
		if count[line] > 0 {
			count[line]--
			continue
		}
		all = append(all, "+ "+line)
	}
	for _, f := range before {
		if line := string(f.Name) + ": " + string(f.Value); count[line] > 0 {
			count[line]--
			all = append(all, "- "+line)
		}
	}
	return all
}
