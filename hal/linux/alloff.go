package linux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/host/v3/distro"

	"fountain/hal"
	"fountain/hal/chips"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// Off is what AllOff found of one part or chip.
type Off struct {
	ID   string // part or chip of the rig file
	Busy string // who holds it; empty: nobody
	Err  error  // why it could not be shut; nil: it is shut, or busy
}

// AllOff shuts every output of both owners that no other process holds: valves, agitators and pumps, on lines and behind
// I²C. It is for the moment after a process died, or when none can start, so it goes on where Open would refuse: what is
// busy belongs to someone alive, who shuts it himself, and a fault of one part keeps no other open. Lines are requested
// shut, one by one, and let go of when all are; what they do then is the board's bias and the kernel's (board.expects).
//
// The list has one entry for each output and chip, in the order of the file, MASTER first. The error says that nothing could
// be tried at all.
func AllOff(ctx context.Context, rf *rigfile.Rig, opts ...Option) ([]Off, error) {
	o := options{log: slog.New(slog.DiscardHandler), root: "/", sys: system{distro.DTModel, openChips, OpenI2C, holdName}}
	for _, f := range opts {
		f(&o)
	}
	b, err := newBuilder(ctx, rf, hal.OwnerAgent, o)
	if err != nil {
		return nil, err
	}
	defer b.closeChips()
	defer b.undo() // lets go of everything
	b.until = time.Now()
	var out []Off
	for _, owner := range []hal.Owner{hal.OwnerGuard, hal.OwnerAgent} {
		for _, v := range rf.Valves {
			if v.Owner == owner {
				out = b.off(out, "outputs", v.ID, v.Line)
			}
		}
	}
	for _, a := range rf.Agitators {
		out = b.off(out, "agitators", a.ID, a.Line)
	}
	for _, p := range rf.Pumps {
		out = b.off(out, "pumps", p.ID, p.Line)
	}
	for _, c := range rf.Chips {
		if b.exp[c.ID] != nil || c.Kind == rigfile.ChipDoser {
			out = append(out, b.chipOff(c))
		}
	}
	return out, nil
}

// off requests one line shut. Outputs behind I²C are noted for their chip.
func (b *builder) off(out []Off, section, id string, l rigfile.Line) []Off {
	where := b.where(section, id, "line")
	if b.chipOf[l.Chip].Kind == rigfile.ChipDoser {
		return out
	}
	lines := batches{b: b}
	direct, err := lines.add(l, 0, where)
	if err == nil && !direct {
		if err := b.onExpander(l, where, func(*expander) {}); err != nil {
			return append(out, Off{ID: id, Err: err})
		}
		return out
	}
	if err != nil {
		return append(out, Off{ID: id, Err: err})
	}
	t := lines.list[0]
	return append(out, b.lineOff(id, t))
}

func (b *builder) lineOff(id string, t *batch) Off {
	t.wish.output, t.wish.consumer = true, "fountain-all-off"
	f, err := t.chip.request(t.wish)
	switch {
	case errors.Is(err, unix.EBUSY):
		busy := "another process"
		if _, consumer, used, err := t.chip.line(t.wish.offsets[0]); err == nil && used && consumer != "" {
			busy = consumer
		}
		return Off{ID: id, Busy: busy}
	case err != nil:
		return Off{ID: id, Err: b.refused(t.id, err)}
	}
	b.keep(f.close)
	return Off{ID: id}
}

// chipOff makes an expander's or a doser's outputs safe, unless an owner has the chip.
func (b *builder) chipOff(c rigfile.Chip) Off {
	hold, err := b.opt.sys.hold(fmt.Sprintf("i2c-%d-%#02x", c.Bus, c.Addr))
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return Off{ID: c.ID, Busy: "another process"}
	case err != nil:
		return Off{ID: c.ID, Err: fmt.Errorf("hold %s: %w", c.ID, err)}
	}
	b.keep(hold.Close)
	e := b.exp[c.ID]
	resets := false
	if e != nil && c.Reset != nil { // the way that needs no bus
		resets = b.reset(c, e) == nil
	}
	a, err := b.adapter(c)
	if err == nil {
		switch c.Kind {
		case rigfile.ChipDoser:
			d := chips.NewDoser(a, uint16(c.Addr))
			if err = attempt(d.Identify); err == nil {
				err = attempt(d.StopAll)
			}
		case rigfile.ChipMCP23017:
			e.chip = chips.NewMCP23017(a, uint16(c.Addr))
		case rigfile.ChipTCA9535:
			e.chip = chips.NewTCA9535(a, uint16(c.Addr))
		case rigfile.ChipPCA9685:
			e.chip = chips.NewPCA9685(a, uint16(c.Addr))
		}
		if e != nil {
			err = attempt(e.init)
		}
		if err != nil {
			err = b.silent(c, err)
		}
	}
	if err != nil && resets {
		_ = e.reset(true) // init has let go of it
		return Off{ID: c.ID, Err: &problem.Problem{
			Code: problem.CodeUnreachable, Where: fmt.Sprintf("%s chips(%s)", b.rf.Path, c.ID),
			What: "shut by its reset line only: " + problem.From(err).What, Remedy: problem.From(err).Remedy,
		}}
	}
	return Off{ID: c.ID, Err: err}
}
