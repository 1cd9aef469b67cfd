package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// ErrStopped is returned by Handle once Run has ended.
var ErrStopped = errors.New("ingest has stopped")

// Ingest is the running service. Make it with New; Run must run for Handle to be of use.
type Ingest struct {
	cfg   Config
	log   *slog.Logger
	queue chan *parcel
	done  chan struct{} // closed when Run takes nothing more
	led   *ledger
	fig   *figures
}

// parcel is one message, taken apart.
type parcel struct {
	thing string
	puts  []store.Put
	bad   []store.Bad
}

// New makes an Ingest.
func New(cfg Config) *Ingest {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&cfg.LedgerInterval, 15*time.Minute)
	def(&cfg.LedgerAtLeast, min(time.Second, cfg.LedgerInterval))
	def(&cfg.Linger, 2*time.Millisecond)
	for p, v := range map[*int]int{&cfg.Backlog: 50, &cfg.MaxBatch: 1000, &cfg.Queue: 1024} {
		if *p <= 0 {
			*p = v
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	i := &Ingest{cfg: cfg, log: cfg.Log, queue: make(chan *parcel, cfg.Queue), done: make(chan struct{})}
	i.fig = newFigures(i)
	i.led = &ledger{cfg: cfg, log: cfg.Log, fig: i.fig, units: map[string]*pace{}, wake: make(chan struct{}, 1)}
	return i
}

// maxPourUL is far above any pour, a thousand litres, and far below what would make the sums of all units overflow.
const maxPourUL = 1_000_000_000

// logForm is wider than the names units make. What PostgreSQL cannot store or index, a NUL or a long text, would be tried
// again for ever, and everybody's records would wait.
var logForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// message is what the consumption rule puts into the queue (deploy/cfn/device.yaml).
type message struct {
	Batch    []byte `json:"batch"` // base64 of the payload
	Thing    string `json:"thing"` // of the topic: the device policy vouches for it
	Received int64  `json:"received_ms"`
}

// Handle takes one message of the rule's queue. It waits while the queue is full. A nil error means the message will
// be committed if the process lives; the ledger says when it was.
func (i *Ingest) Handle(ctx context.Context, body []byte) error { return i.enqueue(ctx, i.open(body)) }

// HandleDead keeps a message of the dead letter queue: the rule could not make sense of it.
func (i *Ingest) HandleDead(ctx context.Context, body []byte) error {
	i.fig.deadLetters.Inc()
	return i.enqueue(ctx, &parcel{bad: []store.Bad{{Body: body, Why: "the topic rule failed", Received: time.Now().UnixMilli()}}})
}

func (i *Ingest) enqueue(ctx context.Context, p *parcel) error {
	select { // a stopped ingest takes nothing even if the queue has room
	case <-i.done:
		return ErrStopped
	default:
	}
	select {
	case i.queue <- p:
		return nil
	case <-i.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Connected says that a unit is here: its ledger is brought up to date at once.
func (i *Ingest) Connected(thing string) { i.led.connected(thing) }

// open takes a message apart, each record on its own.
func (i *Ingest) open(body []byte) *parcel {
	var m message
	if err := json.Unmarshal(body, &m); err != nil || m.Thing == "" || len(m.Batch) == 0 {
		return &parcel{bad: []store.Bad{{Thing: m.Thing, Body: body, Why: "not a message of the consumption rule", Received: time.Now().UnixMilli()}}}
	}
	if m.Received <= 0 {
		m.Received = time.Now().UnixMilli()
	}
	p := &parcel{thing: m.Thing}
	for _, it := range wire.DecodeBatch(m.Batch) {
		why := ""
		switch {
		case it.Err != nil:
			why = it.Err.Error()
		case it.Record.Thing != m.Thing:
			why = fmt.Sprintf("the record says it is of %q", it.Record.Thing)
		case !logForm.MatchString(it.Record.Log):
			why = "that is no name of a log"
		case it.Record.Seq > math.MaxInt64:
			why = "seq is too large"
		case it.Record.CountedUL > maxPourUL || it.Record.EstimatedUL > maxPourUL:
			why = "the volume is larger than any pour"
		}
		if why != "" {
			p.bad = append(p.bad, store.Bad{Thing: m.Thing, Body: it.Raw, Why: why, Received: m.Received})
			continue
		}
		p.puts = append(p.puts, store.Put{Record: it.Record, Body: it.Raw, Received: m.Received})
	}
	return p
}

// Run commits until ctx ends, then commits what was taken before and returns.
func (i *Ingest) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	work := context.WithoutCancel(ctx) // what was taken is committed even while stopping
	g.Go(func() error {
		for {
			select {
			case p := <-i.queue:
				i.commit(ctx, work, i.gather(p))
			case <-ctx.Done():
				close(i.done)
				for {
					select {
					case p := <-i.queue:
						i.commit(ctx, work, i.gather(p))
					default:
						return nil
					}
				}
			}
		}
	})
	g.Go(func() error { i.led.run(ctx); return nil })
	return g.Wait()
}

// gather lets a commit wait a moment for company.
func (i *Ingest) gather(first *parcel) []*parcel {
	group, n := []*parcel{first}, len(first.puts)
	timer := time.NewTimer(i.cfg.Linger)
	defer timer.Stop()
	for n < i.cfg.MaxBatch {
		select {
		case p := <-i.queue:
			group = append(group, p)
			n += len(p.puts)
		case <-timer.C:
			return group
		}
	}
	return group
}

// commit stores a group. A store that fails is tried again until it works or the service stops; the queue fills
// meanwhile and publishers wait. What is given up was never in a ledger and comes again.
func (i *Ingest) commit(ctx, work context.Context, group []*parcel) {
	var puts []store.Put
	var bad []store.Bad
	for _, p := range group {
		puts = append(puts, p.puts...)
		bad = append(bad, p.bad...)
	}
	var results []store.Result
	began := time.Now()
	err := i.persist(ctx, func() error {
		if len(puts) == 0 {
			return nil
		}
		var err error
		results, err = i.cfg.Store.Put(work, puts)
		return err
	})
	if err == nil && len(bad) > 0 {
		for _, x := range bad {
			i.log.Warn("record quarantined", logkey.Thing, x.Thing, logkey.Reason, x.Why)
		}
		err = i.persist(ctx, func() error { return i.cfg.Store.Quarantine(work, bad) })
	}
	if err != nil {
		i.log.Error("records given up; units will send them again", logkey.Count, len(puts)+len(bad), logkey.Err, err)
		return
	}
	i.fig.committed(began, results, len(bad))
	i.account(group, puts, results, len(bad) > 0)
}

func (i *Ingest) persist(ctx context.Context, f func() error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		i.fig.commitFailures.Inc()
		i.log.Error("cannot commit, trying again", logkey.Err, err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// account tells console and ledger what a commit did.
func (i *Ingest) account(group []*parcel, puts []store.Put, results []store.Result, aside bool) {
	var fresh []store.Pour
	counts := map[string]progress{}
	for _, p := range group {
		if p.thing != "" && len(p.puts) > 0 {
			counts[p.thing] = progress{}
		}
	}
	for k, r := range results {
		c := counts[puts[k].Record.Thing]
		c.records++
		c.gap = c.gap || r.Gap
		switch r.Verdict {
		case store.New:
			fresh = append(fresh, store.Pour{N: r.N, Received: puts[k].Received, Body: puts[k].Body, Record: *puts[k].Record})
		case store.Same:
			c.again = true
		case store.Conflict:
			i.log.Error("another record was stored under this key; this one is kept aside",
				logkey.Thing, puts[k].Record.Thing, logkey.Log, puts[k].Record.Log, logkey.Seq, puts[k].Record.Seq)
			c.again, aside = true, true
		}
		counts[puts[k].Record.Thing] = c
	}
	if (len(fresh) > 0 || aside) && i.cfg.OnCommit != nil {
		i.cfg.OnCommit(fresh)
	}
	for thing, c := range counts {
		i.led.committed(thing, c)
	}
}

// progress is what one commit did for one unit.
type progress struct {
	records int
	again   bool // the unit sent what was stored before: it does not know
	gap     bool // a log of the unit has gaps
}
