// Package console is the live page of the cloud: units, pours as they arrive, totals of today.
//
//	ingest ──Pours()──────► hub ──server-sent events──► browser (static/console.js draws)
//	awsiot ──Presence()───►  │
//	store  ◄── first page, GET /api/units, /api/pours
//
// It may import cloud/store, agent/beverage (names and colours of the catalogue), sync/wire and internal packages. It
// owns only the list of open streams. All a person can do here is say that conflicts were seen; nothing external is
// loaded by the page.
package console

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fountain/agent/beverage"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Store is what the console reads, and where it notes who has seen a conflict.
type Store interface {
	store.Reader
	store.Conflicts
	Things(ctx context.Context) ([]store.Thing, error)
	Marks(ctx context.Context, thing string, limit int) ([]store.Mark, error)
}

// Config of a Console.
type Config struct {
	Store     Store
	Catalogue *beverage.Catalogue // for names and colours; a beverage it lacks is shown by its id
	// Reported returns what a unit said about its logs, nil when it never did. May be nil.
	Reported func(ctx context.Context, thing string) (wire.LedgerReport, error)
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger
}

// New makes a console. Serve its Handler; feed it with Pours and Presence.
func New(cfg Config) (*Console, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Console{cfg: cfg, names: map[beverage.ID]drink{}, streams: map[*stream]bool{}, done: make(chan struct{})}
	if cfg.Catalogue != nil {
		for _, b := range cfg.Catalogue.Brands {
			for _, v := range b.Beverages {
				c.names[v.ID] = drink{brand: b.Name, name: v.Name, colour: b.Palette.Primary, ink: b.Palette.Ink, liquid: v.Liquid}
			}
		}
	}
	var err error
	if c.page, err = parsePage(); err != nil {
		return nil, err
	}
	return c, nil
}

// Console is the page and its streams.
type Console struct {
	cfg   Config
	names map[beverage.ID]drink
	page  pages

	mu      sync.Mutex
	streams map[*stream]bool
	done    chan struct{}
	closed  bool
}

type drink struct{ brand, name, colour, ink, liquid string }

// stream is one browser that listens. A browser that cannot keep up is told to load the page's state anew.
type stream struct {
	events chan event
	lost   atomic.Bool
}

type event struct {
	id   int64 // of the last pour, 0: none
	name string
	data []byte
}

// streamBuffer is a few seconds of a busy cloud; beyond it the browser reloads its state in one request.
const streamBuffer = 256

// Pours tells the open pages what was committed. It never waits for them.
func (c *Console) Pours(pours []store.Pour) {
	if !c.listening() {
		return
	}
	units := map[string]bool{}
	for _, p := range pours {
		c.send(event{id: p.N, name: "pour", data: encode(c.pourView(p))})
		units[p.Record.Thing] = true
	}
	for u := range units {
		c.sendUnit(u)
	}
	c.sendTotals()
}

// Presence tells the open pages that a unit came or went.
func (c *Console) Presence(thing string) {
	if c.listening() {
		c.sendUnit(thing)
	}
}

func (c *Console) listening() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams) > 0
}

func (c *Console) sendUnit(thing string) {
	units, err := c.units(context.Background(), thing)
	if err != nil {
		c.cfg.Log.Error("cannot read units", logkey.Thing, thing, logkey.Err, err)
		return
	}
	for _, u := range units {
		c.send(event{name: "unit", data: encode(u)})
	}
}

func (c *Console) sendTotals() {
	t, err := c.totals(context.Background())
	if err != nil {
		c.cfg.Log.Error("cannot read totals", logkey.Err, err)
		return
	}
	c.send(event{name: "totals", data: encode(t)})
}

func (c *Console) send(e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.streams {
		select {
		case s.events <- e:
		default:
			s.lost.Store(true)
		}
	}
}

// Close ends every stream, so that a server can shut down.
func (c *Console) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
}
