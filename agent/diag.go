package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/build"
)

// diagFile bounds one file of the diagnostics, before compression: all of them stay below api.MaxDiag even if nothing
// can be compressed.
const diagFile = 256 << 10

// diag makes the file, or the text, that a technician sends to somebody who cannot see the unit. No secret is in it: the
// configuration masks them, and logs and audit trail never hold them.
type diag struct{ a *Agent }

var _ apiserver.Diag = diag{}

// File makes a gzipped tar file. It waits for a pour to end: compressing is bulk work.
func (d diag) File(ctx context.Context) ([]byte, error) {
	a := d.a
	if err := a.yield.Idle(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	overview, err := home(d).Overview(ctx)
	if err != nil {
		return nil, err
	}
	setup, err := a.setup.State(ctx)
	if err != nil {
		return nil, err
	}
	slots, err := a.slots.List(ctx)
	if err != nil {
		return nil, err
	}
	values, err := settings(d).List()
	if err != nil {
		return nil, err
	}
	trail, trailErr := a.audit.List()
	lines, linesErr := a.ops.Lines()
	files := []struct {
		name string
		v    any
		err  error
	}{
		{"status", a.view.Status(), nil},
		{"snapshot", a.view.Snapshot(), nil},
		{"overview", overview, nil},
		{"config", values, nil},
		{"alarms", alarmDesk(d).List(), nil},
		{"setup", setup, nil},
		{"cartridges", slots, nil},
		{"lines", lines, linesErr},
		{"audit", trail, trailErr},
		{"store", storeDesk(d).State(), nil},
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	dir := "fountain-diag-" + a.serial + "-" + now.UTC().Format("20060102T150405Z") + "/"
	add := func(name string, body []byte) error {
		if len(body) > diagFile {
			body = append(body[:diagFile-len(cutMark):diagFile-len(cutMark)], cutMark...)
		}
		if err := t.WriteHeader(&tar.Header{Name: dir + name, Mode: 0o640, Size: int64(len(body)), ModTime: now.UTC().Truncate(time.Second)}); err != nil {
			return fmt.Errorf("write diagnostics: %w", err)
		}
		if _, err := t.Write(body); err != nil {
			return fmt.Errorf("write diagnostics: %w", err)
		}
		return nil
	}
	for _, f := range files {
		body, err := json.MarshalIndent(f.v, "", " ")
		if f.err != nil {
			err = f.err
		}
		if err != nil { // what cannot be told is told to be so
			body = []byte(`{"missing":` + fmt.Sprintf("%q", err.Error()) + `}`)
		}
		if err := add(f.name+".json", body); err != nil {
			return nil, err
		}
	}
	if err := add("log.txt", d.log()); err != nil {
		return nil, err
	}
	if err := add("metrics.txt", d.metrics(ctx)); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, fmt.Errorf("write diagnostics: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write diagnostics: %w", err)
	}
	return out.Bytes(), nil
}

const cutMark = "\n(cut)\n"

// log is the tail of the log; of a long one the newest lines.
func (d diag) log() []byte {
	var b bytes.Buffer
	lines := d.a.logs.since(0, slog.LevelDebug).Entries
	for _, l := range lines {
		fmt.Fprintf(&b, "%s %-5s %s %s\n", l.At.Format(time.RFC3339Nano), l.Level, l.Text, l.Attrs)
	}
	if over := b.Len() - diagFile; over > 0 {
		rest := b.Bytes()[over:]
		return rest[bytes.IndexByte(rest, '\n')+1:]
	}
	return b.Bytes()
}

// metrics is the page of GET /v1/metrics.
func (d diag) metrics(ctx context.Context) []byte {
	if d.a.page == nil {
		return []byte("switched off by api.metrics\n")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return []byte(err.Error())
	}
	w := &page{header: http.Header{}}
	d.a.page.ServeHTTP(w, r)
	return w.body.Bytes()
}

// page takes an HTTP answer in memory.
type page struct {
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (p *page) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *page) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (p *page) Write(b []byte) (int, error) {
	p.body.Write(b)
	return len(b), nil
}

// Short makes a text that fits a QR code: the most telling first, cut at its end.
func (d diag) Short(context.Context) (string, error) {
	a := d.a
	st, s := a.view.Status(), a.view.Snapshot()
	f := home(d).figures()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("FN1 %s %s %s", a.serial, build.Version, time.Now().UTC().Format("2006-01-02T15:04Z"))
	line("unit %s", strings.TrimSpace(s.Unit+" "+s.Reason))
	line("rig %s up %ds master %s", a.cfg.Rig, f.UptimeS, st.Master)
	buf := storeDesk(d).State()
	line("store %s %d/%d logs %d damaged %d set aside %d disk %s", st.Store.Log, st.Store.Acked, st.Store.Last, len(buf.Logs), st.Store.Damaged, buf.Quarantined, buf.Disk.State)
	line("cloud %s back %d", st.Cloud.State, st.Cloud.Backlog)
	figure := func(name string, v *float64) string {
		if v == nil {
			return name + " -"
		}
		return fmt.Sprintf("%s %.1f", name, *v)
	}
	line("%s %s %s disk %dM", figure("water", f.WaterC), figure("gas", f.GasKPa), figure("inlet", f.InletKPa), f.FreeBytes>>20)
	line("cat %.15s blocked %d/%d", strings.TrimPrefix(a.catalogue.Digest, "sha256:"), len(s.Blocked), len(a.menu.items))
	for _, l := range s.Alarms { // blocking ones first
		line("%.1s %s %s", l.Severity, l.Name, l.Scope)
	}
	if st.Cloud.LastErr != "" {
		line("err %s", hide(st.Cloud.LastErr))
	}
	text := b.String()
	if len(text) > api.MaxDiagShort {
		text = strings.ToValidUTF8(text[:api.MaxDiagShort-len("…")], "") + "…"
	}
	return text, nil
}
