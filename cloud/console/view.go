package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fountain/agent/beverage"
	"fountain/cloud/store"
	"fountain/internal/units"
	"fountain/sync/wire"
)

// PourView is one pour as the page and GET /api/pours show it.
type PourView struct {
	N        int64        `json:"n"`
	ID       string       `json:"id"`
	Thing    string       `json:"thing"`
	Log      string       `json:"log"`
	Seq      uint64       `json:"seq"`
	Started  string       `json:"started"`
	Received string       `json:"received"`
	Beverage string       `json:"beverage"`
	Mix      []wire.Share `json:"mix,omitempty"` // of a mix
	Brand    string       `json:"brand"`
	Name     string       `json:"name"`
	Colour   string       `json:"colour"` // #RRGGBB of the brand
	Ink      string       `json:"ink"`    // text on Colour
	TargetUL int64        `json:"target_ul"`
	UL       int64        `json:"ul"` // counted + estimated
	Outcome  wire.Outcome `json:"outcome"`
	Reason   string       `json:"reason,omitempty"`
	Says     string       `json:"says"`          // how it ended, in words
	Why      string       `json:"why,omitempty"` // what else there is to say about that
	Source   string       `json:"source"`
	Rig      string       `json:"rig"`

	// For the page only.
	Time    string `json:"-"`
	Volume  string `json:"-"`
	Target  string `json:"-"`
	Percent int    `json:"-"`
}

// UnitView is one unit as the page and GET /api/units show it.
type UnitView struct {
	Thing    string    `json:"thing"`
	Serial   string    `json:"serial"`
	Online   bool      `json:"online"`
	Since    string    `json:"since,omitempty"` // of Online; empty: it never connected
	Backlog  uint64    `json:"backlog"`         // as the unit last reported
	Reported bool      `json:"reported"`        // whether it ever did
	Stored   uint64    `json:"stored"`          // mark of the log that moved last
	Missing  int       `json:"missing"`         // gaps known below it, all logs
	Alarm    string    `json:"alarm,omitempty"`
	Logs     []LogView `json:"logs"`
	Last     *PourView `json:"last,omitempty"`
	SinceT   string    `json:"-"`
}

// LogView is the mark of one log.
type LogView struct {
	Log     string   `json:"log"`
	Upto    uint64   `json:"upto"`
	Last    uint64   `json:"last"`
	Missing []uint64 `json:"missing"`
}

// TotalsView sums today, by rig kind.
type TotalsView struct {
	Since  string        `json:"since"`
	Totals []store.Total `json:"totals"`
	Counts store.Counts  `json:"counts"`
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: the views are plain structs
	}
	return b
}

func stampOf(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

var outcomeWords = map[wire.Outcome]string{
	wire.Completed: "full", wire.Stopped: "stopped", wire.Interrupted: "interrupted", wire.Faulted: "fault",
}

// ending says how a pour ended and why, if there is anything to add.
func ending(r wire.Record) (says, why string) {
	if r.Outcome == wire.Stopped && r.Reason == "released" {
		return "let go", ""
	}
	says, why = outcomeWords[r.Outcome], strings.ReplaceAll(r.Reason, "_", " ")
	if why == says {
		why = ""
	}
	return says, why
}

// clock is a time of day, after its date when that is not today's.
func (c *Console) clock(ms int64, layout string) string {
	now := c.cfg.Now()
	t := time.UnixMilli(ms).In(now.Location())
	if t.Format(time.DateOnly) != now.Format(time.DateOnly) {
		layout = time.DateOnly + " " + layout
	}
	return t.Format(layout)
}

func (c *Console) pourView(p store.Pour) PourView {
	r := p.Record
	v := PourView{
		N: p.N, ID: r.ID, Thing: r.Thing, Log: r.Log, Seq: r.Seq, Started: r.Started, Received: stampOf(p.Received),
		Beverage: r.Beverage, Mix: r.Mix, TargetUL: r.TargetUL, UL: r.CountedUL + r.EstimatedUL, Outcome: r.Outcome, Reason: r.Reason,
		Source: r.Source, Rig: r.Rig,
	}
	d, ok := c.names[beverage.ID(r.Beverage)]
	switch {
	case len(r.Mix) > 0:
		d = c.mixed(r.Mix)
	case !ok:
		d = drink{name: r.Beverage, colour: "#475855", ink: "#FFFFFF"}
	}
	v.Brand, v.Name, v.Colour, v.Ink = d.brand, d.name, d.colour, d.ink
	v.Time = c.clock(p.Received, time.TimeOnly)
	v.Volume, v.Target = millilitres(v.UL), millilitres(v.TargetUL)
	v.Says, v.Why = ending(r)
	if r.TargetUL > 0 {
		v.Percent = int(min(100, max(0, v.UL*100/r.TargetUL)))
	}
	return v
}

// mixed is a mix as the page shows it: in the colours of what there is most of.
func (c *Console) mixed(mix []wire.Share) drink {
	most := slices.MaxFunc(mix, func(a, b wire.Share) int { return cmp.Compare(a.Share, b.Share) })
	out, ok := c.names[beverage.ID(most.Beverage)]
	if !ok {
		out = drink{colour: "#475855", ink: "#FFFFFF"}
	}
	out.brand, out.name = "Mix", ""
	for i, s := range mix {
		name := s.Beverage
		if d, ok := c.names[beverage.ID(s.Beverage)]; ok {
			name = d.brand + " " + d.name
		}
		if i > 0 {
			out.name += ", "
		}
		out.name += fmt.Sprintf("%d %% %s", s.Share, name)
	}
	return out
}

func millilitres(ul int64) string { return fmt.Sprintf("%.0f", units.Volume(ul).Millilitres()) }

// units lists the units, or the one named.
func (c *Console) units(ctx context.Context, only string) ([]UnitView, error) {
	things, err := c.cfg.Store.Things(ctx)
	if err != nil {
		return nil, err
	}
	out := []UnitView{}
	for _, t := range things {
		if only != "" && t.Name != only {
			continue
		}
		u, err := c.unit(ctx, t)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

func (c *Console) unit(ctx context.Context, t store.Thing) (UnitView, error) {
	u := UnitView{Thing: t.Name, Serial: t.Serial, Online: t.Online, Logs: []LogView{}}
	if t.Changed > 0 {
		u.Since = stampOf(t.Changed)
		u.SinceT = c.clock(t.Changed, "15:04")
	}
	marks, err := c.cfg.Store.Marks(ctx, t.Name, wire.MaxLedgerLogs)
	if err != nil {
		return u, err
	}
	for k, m := range marks {
		if k == 0 {
			u.Stored = m.Upto
		}
		u.Missing += len(m.Missing)
		u.Logs = append(u.Logs, LogView{Log: m.Log, Upto: m.Upto, Last: m.Last, Missing: append([]uint64{}, m.Missing...)})
	}
	last, err := c.cfg.Store.LastPour(ctx, t.Name)
	switch {
	case err == nil:
		v := c.pourView(last)
		u.Last = &v
	case !errors.Is(err, store.ErrNotFound):
		return u, err
	}
	if c.cfg.Reported == nil {
		return u, nil
	}
	rep, err := c.cfg.Reported(ctx, t.Name)
	if err != nil {
		return u, err
	}
	for log, r := range rep {
		if r == nil {
			continue
		}
		u.Reported = true
		// The report is of the last connection; what arrived since is no backlog any more.
		k := slices.IndexFunc(u.Logs, func(l LogView) bool { return l.Log == log })
		var stored uint64
		if k >= 0 {
			stored = u.Logs[k].Upto
		}
		if r.Last > stored {
			u.Backlog += min(r.Backlog, r.Last-stored)
		}
		if r.Alarm != "" {
			u.Alarm = r.Alarm
		}
	}
	return u, nil
}

func (c *Console) totals(ctx context.Context) (TotalsView, error) {
	now := c.cfg.Now()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	v := TotalsView{Since: stampOf(midnight.UnixMilli())}
	var err error
	if v.Totals, err = c.cfg.Store.Totals(ctx, midnight.UnixMilli()); err != nil {
		return v, err
	}
	if v.Totals == nil {
		v.Totals = []store.Total{}
	}
	v.Counts, err = c.cfg.Store.Counts(ctx)
	return v, err
}
