package telemetry

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fovea-images/fovea/internal/trail"
)

// collected are spans that have ended. Only the goroutine of Run touches it.
type collected struct{ spans []sdk.ReadOnlySpan }

// OnStart implements sdk.SpanProcessor.
func (c *collected) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor.
func (c *collected) OnEnd(s sdk.ReadOnlySpan) { c.spans = append(c.spans, s) }

// Shutdown implements sdk.SpanProcessor.
func (c *collected) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdk.SpanProcessor.
func (c *collected) ForceFlush(context.Context) error { return nil }

func (c *collected) take() []sdk.ReadOnlySpan {
	spans := c.spans
	c.spans = nil
	return spans
}

// newSpans returns what makes spans, of names that are given in the context, and hands
// them to made.
func newSpans(ctx context.Context, version string, made *collected) (trace.Tracer, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("fovea"), semconv.ServiceVersion(version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("endpoint: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	limits := sdk.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxPath
	provider := sdk.NewTracerProvider(
		sdk.WithResource(about), sdk.WithSampler(sdk.AlwaysSample()), // Follow has decided
		sdk.WithRawSpanLimits(limits), sdk.WithIDGenerator(named{}), sdk.WithSpanProcessor(made))
	return provider.Tracer("github.com/fovea-images/fovea", trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL)), nil
}

// named gives spans the names that they go by already.
type named struct{}

type nameKey struct{}

type spanName struct {
	trace trace.TraceID
	span  trace.SpanID
}

// NewIDs implements sdk.IDGenerator.
func (named) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	name, _ := ctx.Value(nameKey{}).(spanName)
	return name.trace, name.span
}

// NewSpanID implements sdk.IDGenerator.
func (named) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	name, _ := ctx.Value(nameKey{}).(spanName)
	return name.span
}

func naming(ctx context.Context, trace trace.TraceID, span [8]byte) context.Context {
	return context.WithValue(ctx, nameKey{}, spanName{trace, span})
}

// spell makes the spans of a request.
func spell(spans trace.Tracer, one *told) {
	r, of := &one.request, one.request.Trail
	ctx := context.Background()
	if of.Parent != ([8]byte{}) {
		state, err := trace.ParseTraceState(of.State)
		if err != nil {
			state = trace.TraceState{}
		}
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: of.Trace, SpanID: of.Parent, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
		}))
	}
	ctx, root := spans.Start(naming(ctx, of.Trace, of.Span), spanTitle(r), trace.WithTimestamp(r.At.Add(-r.Took)), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(about(r)...))
	if r.Status >= 500 {
		root.SetStatus(codes.Error, "")
	}
	inside := map[string]context.Context{"": ctx}
	// A phase ends before the one that it is a part of, and is spelt after it.
	for i := len(one.phases) - 1; i >= 0; i-- {
		p := &one.phases[i]
		above, ok := inside[p.In]
		if !ok {
			above = ctx
		}
		inside[p.Name] = spellPhase(spans, above, of, p)
	}
	root.End(trace.WithTimestamp(r.At))
}

func spellPhase(spans trace.Tracer, ctx context.Context, of *trail.Trail, p *trail.Phase) context.Context {
	kind, attributes := trace.SpanKindInternal, []attribute.KeyValue(nil)
	if p.Host != "" {
		kind = trace.SpanKindClient
		attributes = append(server(strings.ToValidUTF8(p.Host, "\uFFFD")), asked(p.Method))
		if p.Status != 0 {
			attributes = append(attributes, semconv.HTTPResponseStatusCode(p.Status))
		}
	}
	if p.Failure != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(p.Failure))
	}
	name := p.Span
	if name == ([8]byte{}) {
		name = trail.NewSpan()
	}
	ctx, span := spans.Start(naming(ctx, of.Trace, name), p.Name, trace.WithTimestamp(p.Start), trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
	if p.Failure != "" {
		span.SetStatus(codes.Error, "")
	}
	span.End(trace.WithTimestamp(p.End))
	return ctx
}

// routes are the forms of our URLs.
var routes = map[string]string{
	"hosted": "/cdn-cgi/imagedelivery/{account}/{image}/{variant}",
	"remote": "/cdn-cgi/image/{options}/{source}",
}

// methods are the ones that a span may be named by: others are as many as strangers like.
var methods = map[string]bool{"GET": true, "HEAD": true, "OPTIONS": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "CONNECT": true, "TRACE": true}

func spanTitle(r *Request) string {
	name := "HTTP"
	if methods[r.Method] {
		name = r.Method
	}
	if route := routes[r.Kind]; route != "" {
		name += " " + route
	}
	return name
}

// asked is the method of a request.
func asked(method string) attribute.KeyValue {
	if methods[method] {
		return semconv.HTTPRequestMethodKey.String(method)
	}
	return semconv.HTTPRequestMethodOther
}

// about is what a request's span says of it: nothing that its line in the log does not.
func about(r *Request) []attribute.KeyValue {
	scheme := "http"
	if r.Secure {
		scheme = "https"
	}
	all := append([]attribute.KeyValue{
		asked(r.Method), semconv.URLScheme(scheme), semconv.URLPath(r.Path), semconv.HTTPResponseStatusCode(r.Status), semconv.HTTPResponseBodySize(r.Bytes),
		attribute.String("fovea.kind", r.Kind), attribute.String("fovea.outcome", r.Outcome), attribute.String("fovea.type", media(r.Type)),
	}, server(r.Host)...)
	if r.Client.IsValid() {
		all = append(all, semconv.ClientAddress(r.Client.String()))
	}
	if route := routes[r.Kind]; route != "" {
		all = append(all, semconv.HTTPRoute(route))
	}
	if r.Failure != "" {
		all = append(all, attribute.String("fovea.failure", r.Failure), attribute.Int("fovea.code", r.Code))
	}
	if r.Status >= 500 {
		kind := r.Failure
		if kind == "" {
			kind = strconv.Itoa(r.Status)
		}
		all = append(all, semconv.ErrorTypeKey.String(kind))
	}
	for _, own := range []struct{ key, value string }{{"fovea.proof", r.Verdict}, {"fovea.rewritten", r.Rewritten}, {"fovea.request_id", r.ID}} {
		if own.value != "" {
			all = append(all, attribute.String(own.key, own.value))
		}
	}
	return all
}

// server is who was asked, by a Host header.
func server(host string) []attribute.KeyValue {
	if host == "" {
		return nil
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddress(host)}
	}
	all := []attribute.KeyValue{semconv.ServerAddress(name)}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		all = append(all, semconv.ServerPort(int(n)))
	}
	return all
}
