package agent

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/agent/alarm"
	"fountain/agent/store"
	"fountain/internal/logkey"
	"fountain/sync/mqttlink"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// drain serves every log that has records to bring up over one connection.
func (c *cloud) drain(ctx context.Context, conn *mqttlink.Conn, shadows *shadow.Mux) error {
	return c.serve(ctx, conn.Bulk(), func() (uplink.Shadow, error) { return shadows.Client(wire.LedgerShadow) })
}

// serve runs an uplink for the current log, for every older one with something left, and for the few of which a cloud
// that was restored may ask again. Damage may begin a new log at any time, so it looks again and again.
func (c *cloud) serve(ctx context.Context, conn uplink.Publisher, reader func() (uplink.Shadow, error)) error {
	c.forgetReleased()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var all []*uplink.Uplink
		served := map[string]bool{}
		tick := time.NewTicker(judgeEvery)
		defer tick.Stop()
		for {
			logs := c.a.store.Logs()
			for i, l := range logs {
				if served[l.Log] || l.Acked >= l.Last && i < len(logs)-wire.MaxLedgerLogs {
					continue
				}
				up, err := c.uplinkOf(l.Log)
				if err != nil {
					return err
				}
				ledger, err := reader()
				if err != nil {
					return err
				}
				served[l.Log] = true
				all = append(all, up)
				g.Go(func() error { return up.Serve(ctx, conn, ledger) })
			}
			c.judge(all)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-c.release:
				return errReleased
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
	pace, err := c.common()
	if err != nil {
		return nil, err
	}
	cfg.Pace = pace
	up, err := uplink.New(cfg, src)
	if err == nil {
		c.uplinks[key] = up
	}
	return up, err
}

// common is the pace that all bulk messages share; called with mu held.
func (c *cloud) common() (*uplink.Pace, error) {
	if c.pace == nil {
		pace, err := uplink.NewPace(float64(c.a.present.Load().Sync.DrainRate))
		if err != nil {
			return nil, err
		}
		c.pace = pace
	}
	return c.pace, nil
}

// take waits until one more bulk message may be sent.
func (c *cloud) take(ctx context.Context) error {
	c.mu.Lock()
	pace, err := c.common()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return pace.Wait(ctx)
}

// setPace changes the pace of all uplinks at once.
func (c *cloud) setPace(drainRate int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pace == nil {
		return // it is made with what is configured then
	}
	if err := c.pace.Set(float64(drainRate)); err != nil {
		c.a.log.Warn("change the pace of the uplink", slog.Any(logkey.Err, err))
	}
}

// keeps says whether the store still has a log.
func (c *cloud) keeps(log string) bool {
	return slices.ContainsFunc(c.a.store.Logs(), func(l store.LogState) bool { return l.Log == log })
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
			if name == uplink.AlarmLedgerAhead {
				c.renewAhead(s.Log)
			}
			if n, ok := complaints[name]; ok && c.a.board.Set(alarm.Alarm{Name: n, Evidence: "log " + s.Log}) {
				c.a.log.Warn("uplink complains", slog.String(logkey.Alarm, name), slog.String(logkey.Log, s.Log))
			}
		}
	}
	for name, n := range complaints {
		if !stands[name] && !(n == alarm.RecordRefused && c.a.store.Stats().Rejected > 0) {
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
