package machine

import (
	"context"
	"log/slog"
	"time"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// clerk does for the control loop what may block: the journal's calls, saving lags, telling the stock, logging. It is
// one goroutine behind one channel; the loop sends without waiting. One pour makes at most four notes, and the next
// starts only when the last is recorded, so the capacity is never used up.
type clerk struct {
	m     *Machine
	notes chan note
	done  chan struct{}
}

type noteKind uint8

const (
	noteBegin noteKind = iota
	noteCommit
	noteLearned
	noteEmpty
	noteLocks
	noteFault
	noteRinse
)

type note struct {
	kind   noteKind
	lease  *lease
	result Result
	slot   string
	fault  Fault
	locks  []Fault
	ul     int64
}

func newClerk(m *Machine) *clerk {
	return &clerk{m: m, notes: make(chan note, 32), done: make(chan struct{})}
}

func (c *clerk) begin(l *lease)            { c.notes <- note{kind: noteBegin, lease: l} }
func (c *clerk) commit(l *lease, r Result) { c.notes <- note{kind: noteCommit, lease: l, result: r} }
func (c *clerk) learned()                  { c.notes <- note{kind: noteLearned} }
func (c *clerk) empty(slot string)         { c.notes <- note{kind: noteEmpty, slot: slot} }
func (c *clerk) fault(f Fault)             { c.spare(note{kind: noteFault, fault: f}) }
func (c *clerk) locks(l []Fault)           { c.spare(note{kind: noteLocks, locks: l}) }
func (c *clerk) rinsed(ul int64, why string) {
	c.spare(note{kind: noteRinse, ul: ul, slot: why})
}

// spare sends a note that may be lost when the clerk hangs: there is no bound to how often faults change.
func (c *clerk) spare(n note) {
	if len(c.notes) < cap(c.notes)/2 { // the loop alone sends
		c.notes <- n
	}
}

// close lets the clerk finish its notes, but waits for a broken journal no longer than limit.
func (c *clerk) close(limit time.Duration) {
	close(c.notes)
	select {
	case <-c.done:
	case <-time.After(limit):
	}
}

func (c *clerk) run() {
	defer close(c.done)
	for n := range c.notes {
		c.handle(n)
	}
}

func (c *clerk) handle(n note) {
	log, l := c.m.deps.Log, n.lease
	switch n.kind {
	case noteBegin:
		log.Debug("pour begins", slog.String(logkey.Pour, l.id), slog.String(logkey.Beverage, string(l.plan.Beverage)),
			slog.Int64(logkey.VolumeUL, l.plan.TargetUL))
		c.m.deps.Journal.Begin(l.intent, func(err error) {
			if err != nil {
				log.Error("intent not durable, pour refused", slog.String(logkey.Pour, l.id), slog.Any(logkey.Err, err))
			}
			l.begun.Store(&receipt{err: err})
		})
	case noteCommit:
		level := slog.LevelInfo
		if oc := n.result.Outcome; oc == wire.Faulted || oc == wire.Interrupted {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "pour ended", slog.String(logkey.Pour, l.id), slog.String(logkey.Beverage, string(l.plan.Beverage)),
			slog.String(logkey.State, string(n.result.Outcome)), slog.String(logkey.Reason, n.result.Reason),
			slog.Int64(logkey.VolumeUL, n.result.CountedUL), slog.Duration(logkey.Duration, n.result.Duration))
		c.m.deps.Journal.Commit(n.result, func(seq uint64, err error) {
			if err != nil {
				log.Error("pour not recorded", slog.String(logkey.Pour, l.id), slog.Any(logkey.Err, err))
			}
			l.commit.Store(&receipt{seq: seq, err: err})
		})
	case noteLearned:
		if c.m.deps.Lags != nil {
			if err := c.m.deps.Lags.Save(c.m.Lags()); err != nil {
				log.Warn("learned close lags not saved", slog.Any(logkey.Err, err))
			}
		}
	case noteFault:
		log.Warn("fault", slog.String(logkey.Reason, n.fault.Code), slog.String(logkey.Line, n.fault.Scope), slog.Bool("locked", n.fault.Locked),
			slog.String("evidence", n.fault.Evidence))
	case noteLocks:
		if c.m.deps.Locks != nil {
			if err := c.m.deps.Locks.SaveLocks(n.locks); err != nil {
				log.Warn("lock-outs not saved", slog.Any(logkey.Err, err))
			}
		}
	case noteRinse:
		log.Info("nozzle rinsed", slog.Int64(logkey.VolumeUL, n.ul), slog.String(logkey.Reason, n.slot))
	case noteEmpty:
		log.Warn("cartridge ran dry", slog.String(logkey.Line, n.slot))
		c.m.deps.Stock.SetEmpty(n.slot)
	}
}
