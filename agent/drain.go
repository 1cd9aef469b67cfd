package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/agent/alarm"
	"fountain/internal/logkey"
	"fountain/sync/mqttlink"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// drain serves every log that has records to bring up over one connection.
func (c *cloud) drain(ctx context.Context, conn *mqttlink.Conn, led *ledger) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return led.pump(ctx) })
	g.Go(func() error { return c.serve(ctx, conn, func() uplink.Shadow { return led.reader() }) })
	return g.Wait()
}

// serve runs an uplink for the current log and for every older one with something left. Damage may begin a new log at
// any time, so it looks again and again.
func (c *cloud) serve(ctx context.Context, conn uplink.Publisher, reader func() uplink.Shadow) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var all []*uplink.Uplink
		served := map[string]bool{}
		tick := time.NewTicker(judgeEvery)
		defer tick.Stop()
		for {
			for _, l := range c.a.store.Logs() {
				if served[l.Log] || !l.Current && l.Acked >= l.Last {
					continue
				}
				up, err := c.uplinkOf(l.Log)
				if err != nil {
					return err
				}
				served[l.Log] = true
				all = append(all, up)
				g.Go(func() error { return up.Serve(ctx, conn, reader()) })
			}
			c.judge(all)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	})
	return g.Wait()
}

// uplinkOf returns the one uplink of a log: what it has found out about a record the cloud hangs up on has to outlive
// the connection.
func (c *cloud) uplinkOf(log string) (*uplink.Uplink, error) {
	cfg, src := c.uplinkConfig(), c.source(log)
	c.mu.Lock()
	defer c.mu.Unlock()
	key := [2]string{cfg.Thing, log}
	if up := c.uplinks[key]; up != nil {
		return up, nil
	}
	up, err := uplink.New(cfg, src)
	if err == nil {
		c.uplinks[key] = up
	}
	return up, err
}

// judgeEvery is how often the uplinks are asked for complaints.
const judgeEvery = 2 * time.Second

// judge turns what the uplinks complain about into alarms.
func (c *cloud) judge(all []*uplink.Uplink) {
	complaints := map[string]alarm.Name{
		uplink.AlarmLedgerAhead: alarm.LedgerAhead, uplink.AlarmQuarantine: alarm.RecordRefused, uplink.AlarmRecordHangup: alarm.RecordHangup,
	}
	stands := map[string]bool{}
	for _, up := range all {
		s := up.Status()
		for _, name := range s.Alarms {
			stands[name] = true
			if n, ok := complaints[name]; ok && c.a.board.Set(alarm.Alarm{Name: n, Evidence: "log " + s.Log}) {
				c.a.log.Warn("uplink complains", slog.String(logkey.Alarm, name), slog.String(logkey.Log, s.Log))
			}
		}
	}
	for name, n := range complaints {
		if !stands[name] {
			c.a.board.Clear(n, "")
		}
	}
}

// source returns the one source of a log.
func (c *cloud) source(log string) *logSource {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sources[log]
	if s == nil {
		s = &logSource{store: c.a.store, log: log, notify: make(chan struct{}, 1), confirmed: c.confirmed}
		c.sources[log] = s
	}
	return s
}

// appended tells the uplink of a log that there is more.
func (c *cloud) appended(log string) { c.source(log).signal() }

// ledger shares one shadow client among the uplinks of several logs: each sees every change.
type ledger struct {
	*shadow.Client
	mu      sync.Mutex
	readers []*ledgerReader
}

var _ uplink.Shadow = (*ledgerReader)(nil)

func newLedger(c *shadow.Client) *ledger { return &ledger{Client: c} }

func (l *ledger) reader() *ledgerReader {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &ledgerReader{Client: l.Client, desired: make(chan json.RawMessage, 1)}
	l.readers = append(l.readers, r)
	return r
}

// pump hands what the cloud writes to every reader. A reader that has not taken the last change gets both as one: a
// delta names all that differs, so the newest is enough.
func (l *ledger) pump(ctx context.Context) error {
	for {
		desired, err := l.Client.Next(ctx)
		if err != nil {
			return err
		}
		l.mu.Lock()
		readers := l.readers
		l.mu.Unlock()
		for _, r := range readers {
			select {
			case <-r.desired:
			default:
			}
			r.desired <- desired
		}
	}
}

// ledgerReader is the ledger as one uplink sees it.
type ledgerReader struct {
	*shadow.Client
	desired chan json.RawMessage
}

// Next waits for the next change.
func (r *ledgerReader) Next(ctx context.Context) (json.RawMessage, error) {
	select {
	case d := <-r.desired:
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Get fetches the ledger.
func (r *ledgerReader) Get(ctx context.Context) (*wire.ShadowDocument, error) {
	return r.Client.Get(ctx)
}
