package params

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
)

// Ladder limits which options URLs may ask for, so that nobody can mint a million
// versions of one picture. It is read only once in use. Named variants are free of it.
type Ladder struct {
	Widths    []int    // pixels after dpr, rising; none = any
	Heights   []int    // likewise; none = Widths
	Qualities []int    // rising; none = any
	Options   []string // long names that may be used; none = all
	Refuse    bool     // refuse what is between two rungs instead of taking the next one up
}

// NewLadder checks l and returns it in order; nil if it limits nothing.
func NewLadder(l Ladder) (*Ladder, error) {
	var errs []error
	for _, rungs := range []struct {
		name string
		list *[]int
		most int
	}{{"widths", &l.Widths, maxSide}, {"heights", &l.Heights, maxSide}, {"qualities", &l.Qualities, 100}} {
		*rungs.list = slices.Clone(*rungs.list)
		sort.Ints(*rungs.list)
		for _, n := range *rungs.list {
			if n < 1 || n > rungs.most {
				errs = append(errs, fmt.Errorf("%s: expected numbers from 1 to %d, received %d", rungs.name, rungs.most, n))
			}
		}
	}
	for _, name := range l.Options {
		if lookup(name, false) == nil {
			errs = append(errs, fmt.Errorf("options: expected long names such as width, received %q", name))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if len(l.Heights) == 0 {
		l.Heights = l.Widths
	}
	if len(l.Widths)+len(l.Heights)+len(l.Qualities)+len(l.Options) == 0 {
		return nil, nil
	}
	return &l, nil
}

// apply returns o as the ladder has it. names are the options that the URL gave.
func (l *Ladder) apply(o Options, warnings []Warning) (Options, []Warning, error) {
	var err error
	step := func(name string, value *int, rungs []int) {
		if *value == 0 || len(rungs) == 0 || err != nil {
			return
		}
		next := rungUp(*value, rungs)
		if next == *value {
			return
		}
		if l.Refuse {
			err = fault.New(fault.BadOptions, "'%d' is not a %s of this server. Use %s", *value, name, spellRungs(rungs))
			return
		}
		warnings = append(warnings, Warning{Option: name, Text: fmt.Sprintf("%s %d was taken for %d", name, *value, next)})
		*value = next
	}
	if len(l.Widths)+len(l.Heights) > 0 {
		o = o.unscaled()
	}
	step("width", &o.Width, l.Widths)
	step("height", &o.Height, l.Heights)
	if o.AutoWidth {
		if o.DPR != 0 && len(l.Widths) > 0 { // it would multiply the rung that the client gets
			warnings = append(warnings, Warning{Option: "dpr", Text: "dpr was ignored: it does not go with width=auto here"})
			o.DPR = 0
		}
		step("wmobile", &o.Mobile, l.Widths)
		step("wdesktop", &o.Desktop, l.Widths)
		o.Breakpoints = slices.Clone(o.Breakpoints)
		for i := range o.Breakpoints {
			step("wbreakpoints", &o.Breakpoints[i], l.Widths)
		}
		if len(l.Widths) > 0 {
			o.onRungs(l.Widths)
		}
		o.Breakpoints = slices.Compact(o.Breakpoints) // they rise; two may have met
	}
	step("quality", &o.Quality, l.Qualities)
	step("slow-connection-quality", &o.SlowQuality, l.Qualities)
	return o, warnings, err
}

// unscaled is o with its dpr in its lengths, so that two ways to ask for the same
// pixels are one.
func (o Options) unscaled() Options {
	if o.DPR == 0 || o.AutoWidth {
		return o
	}
	o.Width, o.Height = o.Box()
	for _, l := range []*Length{&o.Trim.Top, &o.Trim.Right, &o.Trim.Bottom, &o.Trim.Left, &o.Trim.Width, &o.Trim.Height} {
		if l.Unit == Pixels {
			l.N = float64(o.times(int(l.N)))
		}
	}
	o.Trim.Keep = o.times(o.Trim.Keep)
	o.DPR = 0
	return o
}

// rungUp is the first rung that is not below n, or the last one.
func rungUp(n int, rungs []int) int {
	if i := sort.SearchInts(rungs, n); i < len(rungs) {
		return rungs[i]
	}
	return rungs[len(rungs)-1]
}

// onRungs gives width=auto the widths that it has by default, as the ladder has them:
// nobody has asked for those, so nobody is told.
func (o *Options) onRungs(rungs []int) {
	if o.Mobile == 0 {
		o.Mobile = rungUp(defaultMobile, rungs)
	}
	if o.Desktop == 0 {
		o.Desktop = rungUp(defaultDesktop, rungs)
	}
	if len(o.Breakpoints) == 0 {
		for _, n := range breakpoints {
			o.Breakpoints = append(o.Breakpoints, rungUp(n, rungs))
		}
	}
}

// allows reports whether a URL may use the option of this long name.
func (l *Ladder) allows(name string) bool {
	return l == nil || len(l.Options) == 0 || slices.Contains(l.Options, name)
}

func spellRungs(rungs []int) string {
	words := make([]string, len(rungs))
	for i, n := range rungs {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ", ")
}
