package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/store"
	"fountain/internal/build"
)

// storeDesk shows the pour buffer to technicians.
type storeDesk struct{ a *Agent }

var _ apiserver.Store = storeDesk{}

// State is what it holds and how it is.
func (d storeDesk) State() api.StoreState {
	st, sp := d.a.store.Stats(), d.a.store.Space()
	out := api.StoreState{
		Logs: []api.StoreLog{}, Pending: st.Pending, Segments: st.Segments, Quarantined: st.Rejected, Damages: []api.StoreDamage{}, Kept: st.Damaged,
		Disk: api.StoreDisk{State: string(sp.State), FreeBytes: sp.Free, TotalBytes: sp.Size, Ballast: sp.Ballast, Refusing: sp.Refusing},
	}
	for _, l := range d.a.store.Logs() {
		out.Logs = append(out.Logs, api.StoreLog{
			Log: l.Log, Oldest: l.Oldest, Last: l.Last, Acked: l.Acked, Pending: l.Pending, Current: l.Current, Gaps: ranges(l.Gaps),
		})
	}
	for _, x := range d.a.store.Damages() {
		out.Damages = append(out.Damages, api.StoreDamage{File: x.File, Log: x.Log, Rescued: x.Rescued, Lost: ranges(x.Lost), What: x.Err.Error()})
	}
	return out
}

func ranges(gaps []store.Gap) (out []api.SeqRange) {
	for _, g := range gaps {
		out = append(out, api.SeqRange(g))
	}
	return out
}

// pourPage bounds what is read of the store at once.
const pourPage = 256 << 10

// Pours writes records as they were stored, one a line. It waits for a pour to end between two pages.
func (d storeDesk) Pours(ctx context.Context, log string, from uint64, w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, l := range d.a.store.Logs() {
		if log != "" && l.Log != log {
			continue
		}
		if err := d.pours(ctx, l.Log, from, out); err != nil {
			return err
		}
	}
	if log != "" && !slices.ContainsFunc(d.a.store.Logs(), func(l store.LogState) bool { return l.Log == log }) {
		_, err := d.a.store.ReadLog(log, from, 1, 1) // says that there is none
		return err
	}
	return out.Flush()
}

func (d storeDesk) pours(ctx context.Context, log string, from uint64, out *bufio.Writer) error {
	for {
		if err := d.a.yield.Idle(ctx); err != nil {
			return err
		}
		list, err := d.a.store.ReadLog(log, from, pourPage/64, pourPage)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			if err := printLine(out, e.Body); err != nil {
				return err
			}
			from = e.Seq + 1
		}
	}
}

// printLine writes one document without line breaks in it.
func printLine(out *bufio.Writer, body []byte) error {
	if bytes.IndexByte(body, '\n') >= 0 {
		var one bytes.Buffer
		if err := json.Compact(&one, body); err != nil {
			return fmt.Errorf("print record: %w", err)
		}
		body = one.Bytes()
	}
	if _, err := out.Write(body); err != nil {
		return err
	}
	return out.WriteByte('\n')
}

// Quarantine writes what the cloud refuses.
func (d storeDesk) Quarantine(ctx context.Context, w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return d.a.store.Rejected(func(r store.Rejected) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		q := api.QuarantinedPour{Log: r.Log, Seq: r.Seq, Reason: r.Reason, At: r.At}
		if json.Valid(r.Body) {
			q.Record = r.Body
		}
		return out.Encode(q)
	})
}

// Release has quarantined records sent again.
func (d storeDesk) Release(in api.ReleasePours) (api.Released, error) {
	n, err := d.a.store.Release(in.Log, in.Seqs...)
	if n > 0 {
		d.a.cloud.released(in.Log)
	}
	what := in.Log
	for _, seq := range in.Seqs {
		what += fmt.Sprintf(" %d", seq)
	}
	d.a.audit.noted(in.Person, "release pours", what, err)
	return api.Released{Released: n}, err
}

// Backup writes everything. Whoever has the file has the unit's settings, among them the PIN's hash; keys are not in it.
func (d storeDesk) Backup(ctx context.Context, w io.Writer) error {
	return d.a.store.Backup(ctx, w, map[string]string{
		"serial": d.a.serial, "thing": *d.a.thing.Load(), "board": strings.TrimSpace(boardOf(d.a.deps.Board)), "sw": build.Version,
	})
}
