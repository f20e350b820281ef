package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strings"

	"github.com/fovea-images/fovea/internal/config"
	"github.com/fovea-images/fovea/proxy"
)

// newShadow has the other service that the configuration names answer; without one it
// is the zero value. Its complaints name the knobs.
func (a *app) newShadow(settings config.Config) (proxy.Shadow, error) {
	o := settings.Shadow
	if o.Of == "" {
		if o.Share > 0 {
			return proxy.Shadow{}, errors.New("of: expected the base URL of the other service beside share, received nothing")
		}
		return proxy.Shadow{}, nil
	}
	of, err := parseSite(o.Of)
	if err != nil {
		return proxy.Shadow{}, fmt.Errorf("of: %s", strings.TrimPrefix(err.Error(), "site: ")) // it says no password
	}
	places := settings.Origins
	places.Keep = 0
	other, err := newWeb(places, map[string]*url.URL{"": of}, nil, nil, nil)
	if err != nil {
		return proxy.Shadow{}, nil //nolint:nilerr // origins has been complained of
	}
	shadow := proxy.Shadow{Ask: other.Forward, Share: o.Share, AtOnce: o.AtOnce, Patience: settings.Cache.FillTimeout}
	if err := shadow.Validate(); err != nil {
		return proxy.Shadow{}, err
	}
	counts := a.telemetry.Shadow()
	shadow.Report = func(d proxy.Difference) {
		counts.Compared(d.Word(), d.Skipped, d.SSIM, ratio(d))
		if d.Skipped != proxy.SkippedBusy { // there may be very many
			a.tellDifference(d)
		}
	}
	return shadow, nil
}

// ratio is our bytes for each of theirs; not a number where there are no two pictures.
func ratio(d proxy.Difference) float64 {
	if d.Ours.Size.W == 0 || d.Theirs.Size.W == 0 {
		return math.NaN()
	}
	return float64(d.Ours.Bytes) / float64(d.Theirs.Bytes)
}

// tellDifference writes one line for each comparison.
func (a *app) tellDifference(d proxy.Difference) {
	attrs := []any{
		slog.String("host", d.Host), slog.String("path", d.Path), slog.String("differs", d.Word()),
		slog.Group("theirs", slog.Int("status", d.Theirs.Status), slog.String("type", d.Theirs.Type), slog.Int("width", d.Theirs.Size.W), slog.Int("height", d.Theirs.Size.H), slog.Int("bytes", d.Theirs.Bytes)),
		slog.Group("ours", slog.Int("status", d.Ours.Status), slog.String("type", d.Ours.Type), slog.Int("width", d.Ours.Size.W), slog.Int("height", d.Ours.Size.H), slog.Int("bytes", d.Ours.Bytes)),
	}
	if d.Skipped != "" {
		attrs = append(attrs, slog.String("skipped", d.Skipped))
	}
	if !math.IsNaN(d.SSIM) {
		attrs = append(attrs, slog.Float64("ssim", math.Round(d.SSIM*1e4)/1e4))
	}
	if d.Err != nil {
		attrs = append(attrs, slog.String("error", d.Err.Error()))
	}
	a.log.Info("shadow", attrs...)
}
