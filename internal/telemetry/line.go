package telemetry

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
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
	if r.Err != nil || !plain(r.Method) || !plain(r.Host) || !plain(r.Path) || !plain(r.Outcome) || !plain(r.Type) || !plain(r.Verdict) || !plain(r.Grant) || !plain(r.Rewritten) || !plain(r.ID) || r.Client.Zone() != "" {
		_ = s.handler.Handle(context.Background(), record(r, slog.LevelInfo)) // into memory: it cannot fail
		return
	}
	if json {
		s.lines = appendJSON(s.lines, r)
	} else {
		s.lines = appendText(s.lines, r, &s.stamp)
	}
}

// plain reports whether s is printable ASCII that no format escapes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
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

func appendJSON(b []byte, r *Request) []byte {
	text := func(b []byte, key, value string) []byte {
		return append(append(append(b, key...), value...), '"')
	}
	b = r.At.AppendFormat(append(b, `{"time":"`...), time.RFC3339Nano)
	b = text(b, `","level":"INFO","msg":"`+message+`","method":"`, r.Method)
	b = text(b, `,"host":"`, r.Host)
	b = text(b, `,"path":"`, r.Path)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(r.Status), 10)
	b = text(b, `,"outcome":"`, r.Outcome)
	b = text(b, `,"type":"`, r.Type)
	b = strconv.AppendInt(append(b, `,"bytes":`...), int64(r.Bytes), 10)
	b = strconv.AppendInt(append(b, `,"took":`...), int64(r.Took), 10)
	b = append(b, `,"client":"`...)
	if r.Client.IsValid() {
		b = r.Client.AppendTo(b)
	}
	b = append(b, '"')
	if r.Verdict != "" {
		b = text(b, `,"proof":"`, r.Verdict)
	}
	if r.Grant != "" {
		b = text(b, `,"grant":"`, r.Grant)
	}
	if r.Rewritten != "" {
		b = text(b, `,"rewritten":"`, r.Rewritten)
	}
	if r.ID != "" {
		b = text(b, `,"request_id":"`, r.ID)
	}
	if r.Trail != nil {
		b = append(r.Trail.AppendID(append(b, `,"trace_id":"`...)), '"')
	}
	return append(b, "}\n"...)
}

// millis is how the text format spells times.
const millis = "2006-01-02T15:04:05.000Z07:00"

func appendText(b []byte, r *Request, times *stamp) []byte {
	text := func(b []byte, key, value string) []byte {
		b = append(b, key...)
		if value == "" || strings.IndexByte(value, ' ') >= 0 || strings.IndexByte(value, '=') >= 0 {
			return append(append(append(b, '"'), value...), '"')
		}
		return append(b, value...)
	}
	b = times.append(append(b, "time="...), r.At)
	b = text(b, " level=INFO msg="+message+" method=", r.Method)
	b = text(b, " host=", r.Host)
	b = text(b, " path=", r.Path)
	b = strconv.AppendInt(append(b, " status="...), int64(r.Status), 10)
	b = text(b, " outcome=", r.Outcome)
	b = text(b, " type=", r.Type)
	b = strconv.AppendInt(append(b, " bytes="...), int64(r.Bytes), 10)
	b = append(append(b, " took="...), r.Took.String()...)
	b = append(b, " client="...)
	if r.Client.IsValid() {
		b = r.Client.AppendTo(b)
	} else {
		b = append(b, `""`...)
	}
	if r.Verdict != "" {
		b = text(b, " proof=", r.Verdict)
	}
	if r.Grant != "" {
		b = text(b, " grant=", r.Grant)
	}
	if r.Rewritten != "" {
		b = text(b, " rewritten=", r.Rewritten)
	}
	if r.ID != "" {
		b = text(b, " request_id=", r.ID)
	}
	if r.Trail != nil {
		b = r.Trail.AppendID(append(b, " trace_id="...))
	}
	return append(b, '\n')
}
