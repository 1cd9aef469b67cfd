package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent"
	"fountain/agent/api"
	"fountain/agent/store"
	cloudstore "fountain/cloud/store"
	"fountain/internal/desk"
	"fountain/sync/wire"
)

// The drain of measureDrain: the largest sync.drain_rate, for long enough that start and end do not count.
const (
	drainRate    = 80 // messages a second
	drainSeconds = 20
	// recallEvery leaves the link's budget to the drain: a recall is half a dozen messages, both ways.
	recallEvery = 2 * time.Second
)

func drainNames() (out []string) {
	for _, rtt := range drainTrips {
		ms := rtt.Milliseconds()
		out = append(out, fmt.Sprintf("uplink/drain_rtt%d", ms), fmt.Sprintf("uplink/kill_rtt%d", ms))
	}
	return out
}

var drainTrips = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond}

// measureDrain lets a unit that was offline bring its backlog up through a line with a round trip, and recalls drinks
// meanwhile. All of it is real but the backlog's pours and the length of the line: processes, TLS, broker, store.
func measureDrain(t *testing.T, emit func(Figure)) {
	cfg := plainDesk(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	far := newFarAway(t, filepath.Join(cfg.Dir, "cloud", "endpoints.json"))
	t.Setenv("FOUNTAIN_CLOUD_MQTT", far.addr())
	t.Setenv("FOUNTAIN_SYNC_DRAIN_RATE", fmt.Sprint(drainRate))
	d := startDesk(ctx, t, cfg) // claims an identity
	unit := d.Units[0]
	waitOnline(ctx, t, unit)
	d.Stop()
	for _, rtt := range drainTrips {
		messages, records := fillBacklog(ctx, t, unit)
		far.trip(rtt)
		d := startDesk(ctx, t, cfg)
		rate, kills := watchDrain(ctx, t, cfg.Dir, d.Units[0], records)
		d.Stop()
		ms := rtt.Milliseconds()
		emit(Figure{
			Name: fmt.Sprintf("uplink/drain_rtt%d", ms), Value: rate * float64(messages) / float64(records),
			Unit: fmt.Sprintf("messages/s of %d pours each, committed", records/messages), Goal: "ratio>=0.95",
		}.Over("sync.drain_rate", drainRate))
		emit(Figure{
			Name: fmt.Sprintf("uplink/kill_rtt%d", ms), Value: slices.Max(kills),
			Unit: fmt.Sprintf("ms until a recall has stopped the drink meanwhile, worst of %d", len(kills)), Goal: "value<=2000",
		})
	}
}

func waitOnline(ctx context.Context, t *testing.T, u *desk.Unit) {
	t.Helper()
	c := api.NewClient(u.Socket(api.AgentSocket))
	defer c.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if s, err := c.Snapshot(ctx); err == nil && s.Online {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the unit does not come online")
		}
	}
}

// fillBacklog stores pours as a unit would have that was offline, and says how many messages they make.
func fillBacklog(ctx context.Context, t *testing.T, u *desk.Unit) (messages, records int) {
	t.Helper()
	s, err := store.Open(filepath.Join(u.Dir, agent.StoreDir), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	thing := agent.ThingPrefix + u.Serial
	room := wire.BatchBytes - len(wire.BasicIngest("fountain_consumption", thing))
	for n, size := 0, 0; messages < drainRate*drainSeconds; {
		var body []byte
		if _, err := s.Append(ctx, "", func(log string, seq uint64) ([]byte, error) {
			body = recordOf(t, thing, log, seq)
			return body, nil
		}); err != nil {
			t.Fatal(err)
		}
		records++
		if n++; wire.BatchSize(n, size+len(body)) > room {
			messages, n, size = messages+1, 1, 0
		}
		size += len(body)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return messages, records
}

// watchDrain measures pours committed a second between the first and the last part of a backlog, and how long recalls
// take meanwhile, in milliseconds.
func watchDrain(ctx context.Context, t *testing.T, dir string, u *desk.Unit, records int) (rate float64, kills []float64) {
	t.Helper()
	db, err := cloudstore.OpenSQLiteReader(ctx, filepath.Join(dir, "cloud", "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	count := func() int {
		c, err := db.Counts(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return int(c.Pours)
	}
	first := count()
	before := first
	waitOnline(ctx, t, u)
	var wg sync.WaitGroup
	kctx, stop := context.WithCancel(ctx)
	wg.Go(func() { kills = recalls(kctx, t, dir, u) })
	var from, to time.Time
	var low int
	for to.IsZero() {
		n := count()
		switch {
		case from.IsZero() && n-first > records/10:
			from, low = time.Now(), n
		case n-first > records*9/10:
			to, rate = time.Now(), float64(n-low)
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d pours arrived", n-before, records)
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	wg.Wait()
	if len(kills) < 3 {
		t.Fatalf("only %d recalls", len(kills))
	}
	for count()-before < records { // the rest, so that the next drain begins empty
		time.Sleep(100 * time.Millisecond)
	}
	return rate / to.Sub(from).Seconds(), kills
}

// recalls stops one drink after the other until ctx ends and returns how long each took.
func recalls(ctx context.Context, t *testing.T, dir string, u *desk.Unit) (ms []float64) {
	c := api.NewClient(u.Socket(api.AgentSocket))
	defer c.Close()
	for _, b := range theMenu(t).drinks {
		s, err := c.Snapshot(ctx)
		if err != nil {
			return ms // ctx has ended
		}
		if s.Blocked[b.ID] != "" {
			continue
		}
		at := time.Now()
		if err := desire(ctx, dir, agent.ThingPrefix+u.Serial, fmt.Sprintf(`{"beverages":{%q:true}}`, b.ID)); err != nil {
			if ctx.Err() == nil {
				t.Errorf("recall %s: %v", b.ID, err)
			}
			return ms
		}
		for s.Blocked[b.ID] != "recalled" {
			if s, err = c.Snapshot(ctx); err != nil {
				return ms
			}
			time.Sleep(5 * time.Millisecond)
		}
		ms = append(ms, float64(time.Since(at).Microseconds())/1000)
		select {
		case <-ctx.Done():
			return ms
		case <-time.After(recallEvery):
		}
	}
	return ms
}

// desire writes the recall shadow as an operator's tool does.
func desire(ctx context.Context, dir, thing, state string) error {
	e, err := desk.ReadEndpoints(filepath.Join(dir, "cloud", "endpoints.json"))
	if err != nil {
		return err
	}
	body := strings.NewReader(`{"state":{"desired":` + state + `}}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Control+"/things/"+thing+"/shadow?name="+wire.RecallShadow, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(resp.Body) // the status is the error
		return fmt.Errorf("%s: %s", resp.Status, why)
	}
	return nil
}

// farAway stands in front of the cloud and makes the line long.
type farAway struct {
	l         net.Listener
	endpoints string

	mu    sync.Mutex
	delay time.Duration // one way
}

func newFarAway(t *testing.T, endpoints string) *farAway {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &farAway{l: l, endpoints: endpoints}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return // closed
			}
			wg.Go(func() { f.carry(near) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return f
}

func (f *farAway) addr() string {
	_, port, _ := net.SplitHostPort(f.l.Addr().String())
	return "localhost:" + port
}

func (f *farAway) trip(rtt time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = rtt / 2
}

func (f *farAway) carry(near net.Conn) {
	defer near.Close()
	e, err := desk.ReadEndpoints(f.endpoints)
	if err != nil {
		return // the cloud is not there yet: a dropped connection says so
	}
	cloud, err := net.Dial("tcp", e.MQTT)
	if err != nil {
		return
	}
	f.mu.Lock()
	delay := f.delay
	f.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { delayed(cloud, near, delay) })
	wg.Go(func() { delayed(near, cloud, delay) })
	wg.Wait()
}

// delayed copies with a delay; however much is under way, the line takes more.
func delayed(to, from net.Conn, delay time.Duration) {
	type piece struct {
		b  []byte
		at time.Time
	}
	way := make(chan piece, 1<<16)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				way <- piece{b[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return // either side has closed
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.b); err != nil {
			break
		}
	}
	_ = to.Close() // the other direction ends with it
	_ = from.Close()
	for range way { // until the reader has seen it
	}
}
