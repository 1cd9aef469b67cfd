package agent

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// Bounds of the ring: about half a megabyte when every line is long.
const (
	ringLines = 1000
	lineBytes = 512 // of a line's text, and of its attributes
)

// logRing keeps the last lines of the log for who stands in front of the unit.
//
//	slog.Logger ──► tee ──┬─► the handler of the process (file or standard error)
//	                      └─► ring ──► GET /v1/service/logs, diagnostics
//
// State it owns: the lines. Safe for concurrent use.
type logRing struct {
	mu    sync.Mutex
	lines []api.LogLine // place of line n is n % ringLines
	next  uint64        // number of the next line, from 1
}

func newLogRing() *logRing { return &logRing{next: 1} }

// add takes in a line and numbers it.
func (r *logRing) add(l api.LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.N = r.next
	r.next++
	if len(r.lines) < ringLines {
		r.lines = append(r.lines, l)
		return
	}
	r.lines[(l.N-1)%ringLines] = l
}

// since lists the lines after n of at least level, oldest first.
func (r *logRing) since(n uint64, level slog.Level) api.Logs {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := api.Logs{Next: r.next - 1, Entries: []api.LogLine{}}
	first := r.next - uint64(len(r.lines))
	if n >= r.next {
		n = 0 // of an agent that ran before this one
	}
	if n+1 < first {
		out.Lost = first - n - 1
	}
	for i := max(first, n+1); i < r.next; i++ {
		l := r.lines[(i-1)%ringLines]
		if levels[l.Level] >= level {
			out.Entries = append(out.Entries, l)
		}
	}
	return out
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// Logs lists lines for the service page.
func (r *logRing) Logs(since uint64, level string) (api.Logs, error) {
	if level == "" {
		level = "debug"
	}
	l, ok := levels[level]
	if !ok {
		return api.Logs{}, &problem.Problem{Code: problem.CodeBadRequest, Where: "level", What: fmt.Sprintf("%q is no level", level), Remedy: "give debug, info, warn or error"}
	}
	return r.since(since, l), nil
}

// tee hands records to the process's handler and to the ring, which keeps everything from info on.
type tee struct {
	slog.Handler
	ring  *logRing
	attrs string // of With
	group string // prefix of keys
}

var _ slog.Handler = tee{}

// Enabled implements slog.Handler.
func (t tee) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || t.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (t tee) Handle(ctx context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(t.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, t.group, a)
		return b.Len() < lineBytes
	})
	t.ring.add(api.LogLine{At: r.Time.UTC(), Level: levelName(r.Level), Text: cut(hide(r.Message)), Attrs: cut(hide(b.String()))})
	if !t.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return t.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (t tee) WithAttrs(list []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(t.attrs)
	for _, a := range list {
		writeAttr(&b, t.group, a)
	}
	t.attrs = b.String()
	t.Handler = t.Handler.WithAttrs(list)
	return t
}

// WithGroup implements slog.Handler.
func (t tee) WithGroup(name string) slog.Handler {
	if name != "" {
		t.group += name + "."
		t.Handler = t.Handler.WithGroup(name)
	}
	return t
}

// writeAttr writes " key=value", as a technician reads it elsewhere.
func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, m := range v.Group() {
			writeAttr(b, group, m)
		}
		return
	}
	if a.Key == "" {
		return
	}
	s := v.String()
	if s == "" || strings.ContainsAny(s, " =\"\n\r\t") {
		s = strconv.Quote(s)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(group + a.Key + "=" + s)
}

func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

var passwordInURL = regexp.MustCompile(`(://[^/\s:@"]*):[^/\s"]*@`)

// hide keeps key material and passwords of addresses off the page, should they ever get into a message.
func hide(s string) string {
	if i := strings.Index(s, "-----BEGIN"); i >= 0 {
		s = s[:i] + "(secret)"
	}
	return passwordInURL.ReplaceAllString(s, "$1:(secret)@")
}

func cut(s string) string {
	if len(s) <= lineBytes {
		return s
	}
	return strings.ToValidUTF8(s[:lineBytes-len("…")], "") + "…"
}
