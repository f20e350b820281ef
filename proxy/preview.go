package proxy

import (
	"context"

	"github.com/fovea-images/fovea/params"
)

// Preview answers r to an operator: whether the image is private, which pages may show
// it, and whether its account takes options in URLs do not count. Options that are not
// nil take the place of those of the URL. Answers are kept, under keys that no
// visitor's request has, and die by the same tags. The caller must have made sure of
// who asks. Errors are as those of Serve.
func (p *Proxy) Preview(ctx context.Context, r *Request, instead *params.Options) (Answer, error) {
	pl := &plan{proxy: p, operator: true, instead: instead}
	if err := pl.resolve(ctx, r, nil); err != nil {
		return Answer{Kind: pl.target.Kind}, err
	}
	entry, outcome, err := p.Cache.Get(ctx, pl.key, pl)
	if err == nil && entry.Fault != nil {
		err = entry.Fault
	}
	answer := Answer{Kind: pl.target.Kind, Key: pl.key, Outcome: outcome, Warnings: pl.warnings}
	if err == nil {
		answer.Entry = entry
	}
	return answer, err
}
