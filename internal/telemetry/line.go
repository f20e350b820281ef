package telemetry

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"time"
)

// message is what every line of a request says.
const message = "request"

// record is the line of r, spelt by whatever handler it is given to.
func record(r *Request, level slog.Level) slog.Record {
	line := slog.NewRecord(r.At, level, message, 0)
	line.AddAttrs(
		slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", r.Path),
		slog.Int("status", r.Status), slog.String("outcome", r.Outcome), slog.String("type", r.Type),
		slog.Int("bytes", r.Bytes), slog.Duration("took", r.Took), slog.String("client", clientText(r.Client)),
	)
	if r.Verdict != "" {
		line.AddAttrs(slog.String("proof", r.Verdict))
	}
	if r.Grant != "" {
		line.AddAttrs(slog.String("grant", r.Grant))
	}
	if r.Rewritten != "" {
		line.AddAttrs(slog.String("rewritten", r.Rewritten))
	}
	if r.ID != "" {
		line.AddAttrs(slog.String("request_id", r.ID))
	}
	if r.Trail != nil {
		line.AddAttrs(slog.String("trace_id", string(r.Trail.AppendID(nil))))
	}
	if r.Err != nil {
		line.AddAttrs(slog.Int("code", r.Code), slog.String("failure", r.Failure), slog.String("error", r.Err.Error()))
	}
	return line
}

func clientText(client netip.Addr) string {
	if !client.IsValid() {
		return ""
	}
	return client.String()
}

// appendLine appends the same line as h, a handler of slog's, would write. What
// needs no escaping, nearly every request, is spelt here at a tenth of the cost;
// h spells the rest.
func (s *shard) appendLine(r *Request, json bool) {
	start := len(s.lines)
	l := line{b: s.lines}
	if json {
		l.appendJSON(r)
	} else {
		l.appendText(r, &s.stamp)
	}
	if s.lines = l.b; l.escaped || r.Err != nil || r.Client.Zone() != "" {
		s.lines = s.lines[:start]
		_ = s.handler.Handle(context.Background(), record(r, slog.LevelInfo)) // into memory: it cannot fail
	}
}

// line is one that is being spelt.
type line struct {
	b       []byte
	escaped bool // a value has a character that a format escapes: the line is not right
}

// What the formats do with a character.
const (
	quoted  = 1 << iota // the text format quotes the value
	escaped             // either escapes it: all but printable ASCII, and of that two
)

// care says what the formats do with each character.
var care = func() (all [256]byte) {
	for c := range all {
		switch {
		case c < ' ' || c > '~' || c == '"' || c == '\\':
			all[c] = escaped
		case c == ' ' || c == '=':
			all[c] = quoted
		}
	}
	return all
}()

// cares joins what the formats do with the characters of value.
func cares(value string) (all byte) {
	for i := range len(value) {
		all |= care[value[i]]
	}
	return all
}

// stamp spells times, nearly all of which are in the second of the one before.
type stamp struct {
	second int64
	zone   *time.Location
	text   []byte // that second, in millis
}

// where the milliseconds are in millis.
const milliAt = len("2006-01-02T15:04:05.")

func (s *stamp) append(b []byte, at time.Time) []byte {
	if len(s.text) == 0 || at.Unix() != s.second || at.Location() != s.zone {
		if year := at.Year(); year < 0 || year > 9999 { // other years are longer
			return at.AppendFormat(b, millis)
		}
		s.second, s.zone, s.text = at.Unix(), at.Location(), at.AppendFormat(s.text[:0], millis)
	}
	milli := at.Nanosecond() / int(time.Millisecond)
	start := len(b)
	b = append(b, s.text...)
	b[start+milliAt], b[start+milliAt+1], b[start+milliAt+2] = byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10)
	return b
}

// json appends a value after its key.
func (l *line) json(key, value string) {
	l.escaped = l.escaped || cares(value)&escaped != 0
	l.b = append(append(append(l.b, key...), value...), '"')
}

func (l *line) appendJSON(r *Request) {
	l.b = r.At.AppendFormat(append(l.b, `{"time":"`...), time.RFC3339Nano)
	l.json(`","level":"INFO","msg":"`+message+`","method":"`, r.Method)
	l.json(`,"host":"`, r.Host)
	l.json(`,"path":"`, r.Path)
	l.b = strconv.AppendInt(append(l.b, `,"status":`...), int64(r.Status), 10)
	l.json(`,"outcome":"`, r.Outcome)
	l.json(`,"type":"`, r.Type)
	l.b = strconv.AppendInt(append(l.b, `,"bytes":`...), int64(r.Bytes), 10)
	l.b = strconv.AppendInt(append(l.b, `,"took":`...), int64(r.Took), 10)
	l.b = append(l.b, `,"client":"`...)
	if r.Client.IsValid() {
		l.b = r.Client.AppendTo(l.b)
	}
	l.b = append(l.b, '"')
	if r.Verdict != "" {
		l.json(`,"proof":"`, r.Verdict)
	}
	if r.Grant != "" {
		l.json(`,"grant":"`, r.Grant)
	}
	if r.Rewritten != "" {
		l.json(`,"rewritten":"`, r.Rewritten)
	}
	if r.ID != "" {
		l.json(`,"request_id":"`, r.ID)
	}
	if r.Trail != nil {
		l.b = append(r.Trail.AppendID(append(l.b, `,"trace_id":"`...)), '"')
	}
	l.b = append(l.b, "}\n"...)
}

// millis is how the text format spells times.
const millis = "2006-01-02T15:04:05.000Z07:00"

// text appends a value after its key.
func (l *line) text(key, value string) {
	switch care := cares(value); {
	case care&escaped != 0:
		l.escaped = true
	case care != 0 || value == "":
		l.b = append(append(append(append(l.b, key...), '"'), value...), '"')
	default:
		l.b = append(append(l.b, key...), value...)
	}
}

func (l *line) appendText(r *Request, times *stamp) {
	l.b = times.append(append(l.b, "time="...), r.At)
	l.text(" level=INFO msg="+message+" method=", r.Method)
	l.text(" host=", r.Host)
	l.text(" path=", r.Path)
	l.b = strconv.AppendInt(append(l.b, " status="...), int64(r.Status), 10)
	l.text(" outcome=", r.Outcome)
	l.text(" type=", r.Type)
	l.b = strconv.AppendInt(append(l.b, " bytes="...), int64(r.Bytes), 10)
	l.b = append(append(l.b, " took="...), r.Took.String()...)
	l.b = append(l.b, " client="...)
	if r.Client.IsValid() {
		l.b = r.Client.AppendTo(l.b)
	} else {
		l.b = append(l.b, `""`...)
	}
	if r.Verdict != "" {
		l.text(" proof=", r.Verdict)
	}
	if r.Grant != "" {
		l.text(" grant=", r.Grant)
	}
	if r.Rewritten != "" {
		l.text(" rewritten=", r.Rewritten)
	}
	if r.ID != "" {
		l.text(" request_id=", r.ID)
	}
	if r.Trail != nil {
		l.b = r.Trail.AppendID(append(l.b, " trace_id="...))
	}
	l.b = append(l.b, '\n')
}
