package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/beverage"
	"fountain/agent/machine"
	"fountain/agent/record"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// ErrJournalFull is told to the machine when more work waits than one machine can make: something hangs.
var ErrJournalFull = errors.New("journal is full")

// errJournalClosed is told for what is still waiting when the unit stops.
var errJournalClosed = errors.New("journal is closed")

// queueLimit is the journal's backlog: a machine has one pour at a time, so two steps wait at most; the rest is slack.
const queueLimit = 16

// retryStore is the pause before a record that could not be stored is tried again.
const retryStore = time.Second

// recordStore is what the journal needs of agent/store.
type recordStore interface {
	PutIntent(id string, body []byte) error
	DropIntent(id string) error
	Append(ctx context.Context, intentID string, build func(log string, seq uint64) ([]byte, error)) (uint64, error)
}

// journal makes intents and results durable on its own goroutine.
//
//	control loop ──Begin, Commit (never wait)──► queue ──► run ──► store ──done──► control loop
//	                                                        └──► fold: inventory, uplink, recent pours
type journal struct {
	store    recordStore
	unit     func() record.Unit
	board    *alarm.Board
	log      *slog.Logger
	recorded func(rec *wire.Record) // after a record is stored; on the journal's goroutine
	failed   func(pour string)      // a pour that gets no record

	mu     sync.Mutex
	closed bool
	queue  chan func(ctx context.Context)
}

var _ machine.Journal = (*journal)(nil)

func newJournal(store recordStore, unit func() record.Unit, board *alarm.Board, log *slog.Logger) *journal {
	return &journal{store: store, unit: unit, board: board, log: log, queue: make(chan func(context.Context), queueLimit)}
}

// Begin makes an intent durable; done is told when its fsync is over.
func (j *journal) Begin(in machine.Intent, done func(error)) {
	if err := j.put(func(context.Context) { done(j.begin(in)) }); err != nil {
		j.lose(in.Pour)
		done(err)
	}
}

// Commit makes a result durable. A store that fails is tried again until the unit stops; meanwhile an alarm blocks the
// machine, and the intent stands for the pour.
func (j *journal) Commit(res machine.Result, done func(uint64, error)) {
	if err := j.put(func(ctx context.Context) { done(j.commit(ctx, res)) }); err != nil {
		done(0, err)
	}
}

func (j *journal) put(f func(context.Context)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return errJournalClosed
	}
	select {
	case j.queue <- f:
		return nil
	default:
		return ErrJournalFull
	}
}

// run works until close; ctx bounds the retries of a failing store.
func (j *journal) run(ctx context.Context) {
	for f := range j.queue {
		f(ctx)
	}
}

// close lets run return after what is queued.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.closed = true
		close(j.queue)
	}
}

func (j *journal) begin(in machine.Intent) error {
	u := j.unit()
	stored := record.Intent{
		Pour: in.Pour, Boot: u.Boot, Session: in.Session, Started: in.Started, Clock: clockQuality(), Beverage: string(in.Beverage), Mix: shares(in.Mix),
		Catalogue: in.Catalogue, TargetUL: in.TargetUL, MaxUL: in.MaxUL, Source: in.Source, LagUL: in.LagUL, NominalUL: in.NominalULs,
	}
	for _, p := range in.Parts {
		stored.Parts = append(stored.Parts, record.IntentPart{Ingredient: string(p.Ingredient), Cartridge: p.Cartridge, Share: p.Share})
	}
	b, err := stored.Encode()
	if err != nil {
		return err
	}
	if err := j.store.PutIntent(in.Pour, b); err != nil {
		j.failing(err)
		j.lose(in.Pour)
		return fmt.Errorf("store intent of pour %s: %w", in.Pour, err)
	}
	j.board.Clear(alarm.StoreFailing, "")
	return nil
}

func (j *journal) commit(ctx context.Context, res machine.Result) (uint64, error) {
	p := record.Pour{
		ID: res.Intent.Pour, Started: res.Intent.Started, Clock: clockQuality(), Duration: res.Duration,
		Beverage: string(res.Intent.Beverage), Mix: shares(res.Intent.Mix), Catalogue: res.Intent.Catalogue, TargetUL: res.Intent.TargetUL, Parts: res.Parts,
		CountedUL: res.CountedUL, EstimatedUL: res.EstimatedUL, AtMostUL: res.AtMostUL, Outcome: res.Outcome, Reason: res.Reason, Source: res.Intent.Source,
	}
	for {
		seq, err := j.append(ctx, p)
		if err == nil {
			j.board.Clear(alarm.StoreFailing, "")
			return seq, nil
		}
		if errors.Is(err, wire.ErrRecord) { // a bug, and no retry heals it; the intent is left for a look
			j.log.Error("record is not valid", slog.String(logkey.Pour, p.ID), slog.Any(logkey.Err, err))
			j.lose(p.ID)
			return 0, err
		}
		j.failing(err)
		t := time.NewTimer(retryStore)
		select {
		case <-ctx.Done():
			t.Stop()
			return 0, fmt.Errorf("store record of pour %s: %w", p.ID, err)
		case <-t.C:
		}
	}
}

// shares are the parts of a mix as a record has them.
func shares(mix []beverage.MixPart) []wire.Share {
	var out []wire.Share
	for _, p := range mix {
		out = append(out, wire.Share{Beverage: string(p.Beverage), Share: p.Share})
	}
	return out
}

// append stores one record; the append is the commit, and closes the intent with it.
func (j *journal) append(ctx context.Context, p record.Pour) (uint64, error) {
	var rec *wire.Record
	seq, err := j.store.Append(context.WithoutCancel(ctx), p.ID, func(log string, seq uint64) ([]byte, error) {
		r, b, err := record.Build(j.unit(), p, log, seq)
		rec = r
		return b, err
	})
	if err != nil {
		return 0, err
	}
	if rec != nil && j.recorded != nil { // nil: its record was there already
		j.recorded(rec)
	}
	return seq, nil
}

func (j *journal) lose(pour string) {
	if j.failed != nil {
		j.failed(pour)
	}
}

func (j *journal) failing(err error) {
	if j.board.Set(alarm.Alarm{Name: alarm.StoreFailing, Evidence: err.Error()}) {
		j.log.Error("store refuses", slog.Any(logkey.Err, err))
	}
}
