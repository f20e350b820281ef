package params

// What width=auto takes when the URL does not say (contract 2).
const (
	defaultMobile      = 768
	defaultDesktop     = 1200
	defaultBreakpoints = "320;768;960;1200"
)

var breakpoints = [...]int{320, 768, 960, 1200}

// ResolveWidth makes width=auto a number: with a viewport of that many CSS
// pixels the smallest breakpoint that covers it, capped at the largest; without
// one (viewport ≤ 0) the width for phones or for others. Options without
// width=auto come back as they are.
func (o Options) ResolveWidth(viewport int, phone bool) Options {
	if !o.AutoWidth {
		return o
	}
	points := o.Breakpoints
	if points == nil {
		points = breakpoints[:]
	}
	switch {
	case viewport > 0:
		o.Width = points[len(points)-1]
		for _, p := range points {
			if p >= viewport {
				o.Width = p
				break
			}
		}
	case phone:
		if o.Width = o.Mobile; o.Width == 0 {
			o.Width = defaultMobile
		}
	default:
		if o.Width = o.Desktop; o.Width == 0 {
			o.Width = defaultDesktop
		}
	}
	o.AutoWidth, o.Breakpoints, o.Mobile, o.Desktop = false, nil, 0, 0
	return o
}
