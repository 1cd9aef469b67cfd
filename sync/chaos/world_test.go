package chaos

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"fountain/cloud/store"
	"fountain/sync/mqttlink"
)

// how a unit brings its log up.
type how int

const (
	asBuilt  how = iota
	onPuback     // off the log when this connection has the PUBACK
	pahosWay     // off the log when paho with its defaults says so
)

// tally counts what the judge holds against a run, and keeps what it saw first.
type tally struct {
	n     int
	first string
}

// world is one run: a cloud, some units, and what is done to them.
type world struct {
	t        *testing.T
	seed     uint64
	began    time.Time
	interval time.Duration // of the ledger
	rate     float64       // messages a second
	how      how
	dedup    bool
	cloud    *cloud
	units    []*unit
	recalls  []int // newest n desired of each unit

	mu      sync.Mutex
	streams map[string]*rand.Rand
	calm    bool
	cuts    int
	counts  map[string]int

	unheard  tally // taken for delivered and never arrived
	early    tally // taken for stored and not
	lost     tally // not in the store in the end
	doubled  tally // told twice to whoever counts
	disorder tally // sent for the first time out of order, or what must never be
}

func newWorld(t *testing.T, seed uint64, units int, change func(*world)) *world {
	w := &world{t: t, seed: seed, began: time.Now(), dedup: true, streams: map[string]*rand.Rand{}, counts: map[string]int{}, calm: true}
	w.interval = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute}[w.number("interval", 3)]
	w.rate = float64(5 + w.number("rate", 75))
	if change != nil {
		change(w)
	}
	w.cloud = newCloud(w)
	for i := range units {
		w.units = append(w.units, newUnit(w, fmt.Sprintf("u%d", i)))
	}
	w.recalls = make([]int, units)
	w.setCalm(false)
	return w
}

func (w *world) setCalm(calm bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm = calm
}

func (w *world) pours(db *store.SQLite) store.Pours {
	if w.dedup {
		return db
	}
	return forgetful{db}
}

// number draws from a purpose's own stream.
func (w *world) number(purpose string, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.streams[purpose]
	if r == nil {
		r = stream(w.seed, purpose, 0)
		w.streams[purpose] = r
	}
	return r.IntN(n)
}

// fault says whether a fault of percent strikes now.
func (w *world) fault(name string, percent int) bool {
	strikes := w.number(name, 100) < percent
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm || !strikes {
		return false
	}
	w.counts[name]++
	return true
}

func (w *world) count(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[name]++
}

func (w *world) plan(u *unit, n int) plan {
	w.mu.Lock()
	calm := w.calm
	w.mu.Unlock()
	if calm {
		return plan{delay: 20 * time.Millisecond}
	}
	return draw(stream(w.seed, "plan of "+u.name, n), n)
}

// cut counts a line that was cut.
func (w *world) cut(p plan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts++
	switch {
	case p.half:
		w.counts["half-open"]++
	case p.outPkts+p.inPkts > 0:
		w.counts["packet boundary"]++
	case p.outLen+p.inLen > 0:
		w.counts["mid-packet"]++
	default:
		w.counts["at a time"]++
	}
}

func (w *world) cutsSoFar() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts
}

func (w *world) blame(t *tally, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.n++; t.n == 1 {
		t.first = fmt.Sprintf(format, args...)
	}
}

// run lets the units live through cuts, then lets peace return and waits until every log is settled.
func (w *world) run(cuts int) {
	for _, u := range w.units {
		u.run()
	}
	for backups := 0; w.cutsSoFar() < cuts; {
		time.Sleep(time.Duration(1+w.number("pause", 30_000)) * time.Millisecond)
		i := w.number("whom", len(w.units))
		w.act(w.number("what", 1000), i, &backups)
	}
	w.setCalm(true)
	for _, u := range w.units {
		u.busy.pouring.Store(false)
		u.current().Pour(1) // so that every log's end is seen
	}
	w.settle()
	w.mu.Lock()
	restored := w.counts["cloud restored from backup"] > 0
	w.mu.Unlock()
	if restored {
		// What the cloud asked for and forgot that it did, it asks for again after a day, at the next pour.
		for _, u := range w.units {
			u.halt()
		}
		w.cloud.end()
		time.Sleep(25 * time.Hour)
		w.cloud.start()
		for _, u := range w.units {
			u.run()
		}
		for _, u := range w.units {
			for _, p := range u.all() {
				p.Pour(1)
			}
		}
		time.Sleep(2 * w.interval)
		w.settle()
	}
	time.Sleep(time.Minute) // recall
	for _, u := range w.units {
		u.halt()
	}
	w.cloud.end()
	w.judge()
}

// settle waits until every log is settled, a day at most.
func (w *world) settle() {
	settled := func() bool {
		for _, u := range w.units {
			for _, p := range u.all() {
				if p.Acked() < p.Last() {
					return false
				}
			}
		}
		return true
	}
	for end := time.Now().Add(24 * time.Hour); !settled() && time.Now().Before(end); {
		time.Sleep(10 * time.Second)
	}
}

func (w *world) act(x, i int, backups *int) {
	u := w.units[i]
	switch {
	case x < 500:
		u.current().Pour(1 + w.number("pours", 3))
	case x < 530:
		u.current().Pour(30 + w.number("burst", 120))
	case x < 580:
		u.mu.Lock()
		u.step = time.Duration(w.number("clock", 3000)-2800) * 24 * time.Hour
		u.mu.Unlock()
		w.count("clock step")
	case x < 640:
		u.busy.pouring.Store(!u.busy.pouring.Load())
	case x < 740:
		w.recalls[i]++
		w.cloud.desire(u.id.Thing, w.recalls[i])
	case x < 790:
		if w.how == asBuilt {
			w.cloud.lie(u.id.Thing, u.current().name)
			w.count("ledger lie")
		}
	case x < 820:
		w.intrude(u)
	case x < 850:
		u.halt()
		u.run()
		w.count("unit restart")
	case x < 860:
		if len(u.all()) < 3 && w.how == asBuilt {
			u.begin()
			w.count("new log")
		}
	case x < 875:
		w.cloud.end()
		time.Sleep(time.Duration(w.number("down for", 120)) * time.Second)
		w.cloud.start()
		w.count("cloud restart")
	case x < 880:
		if w.how == asBuilt && w.dedup {
			w.disaster(*backups%2 == 1)
			*backups++
		}
	}
}

// disaster makes a backup of the cloud, or takes it back to the last one.
func (w *world) disaster(back bool) {
	w.cloud.end()
	time.Sleep(time.Second)
	if back {
		w.cloud.rollback()
		w.count("cloud restored from backup")
	} else {
		w.cloud.backup()
	}
	w.cloud.start()
	for i, u := range w.units { // what was desired since the backup is desired again
		if w.recalls[i] > 0 {
			w.cloud.desire(u.id.Thing, w.recalls[i])
		}
	}
}

// intrude takes a unit's client id over for a while, as a cloned card would.
func (w *world) intrude(u *unit) {
	cfg := u.config(u.id.Thing, u.cert)
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
		_, near, far := newLine(time.Millisecond)
		if !w.cloud.accept(far) {
			return nil, net.ErrClosed
		}
		return tls.Client(near, u.tls(u.cert)), nil
	}
	c, err := mqttlink.Dial(w.t.Context(), cfg)
	if err != nil {
		return // the cloud is down
	}
	w.count("takeover")
	time.Sleep(time.Duration(w.number("intruder", 20)) * time.Second)
	c.Close()
}

// judge compares what the units had with what the cloud keeps, durably, in the end.
func (w *world) judge() {
	db, err := store.OpenSQLite(context.Background(), w.cloud.file())
	w.cloud.must(err)
	got := map[string][][]byte{}
	w.cloud.must(db.Export(context.Background(), func(p store.Pour) error { // by log and seq
		got[p.Record.Log] = append(got[p.Record.Log], p.Body)
		return nil
	}))
	counts, err := db.Counts(context.Background())
	w.cloud.must(err)
	totals, err := db.Totals(context.Background(), 0)
	w.cloud.must(err)
	w.cloud.must(db.Close())
	pours, ul := 0, int64(0)
	for i, u := range w.units {
		for _, p := range u.all() {
			for k, e := range p.Entries() {
				pours++
				ul += int64(e.Seq)
				at := got[p.name]
				if k >= len(at) || string(at[k]) != string(e.Body) {
					if !slices.ContainsFunc(at, func(b []byte) bool { return string(b) == string(e.Body) }) {
						w.blame(&w.lost, "%s: record %d is not in the store", p.name, e.Seq)
					}
				}
				if n := w.cloud.effects[key{p.name, e.Seq}]; n > 1 {
					w.blame(&w.doubled, "%s: record %d was counted %d times", p.name, e.Seq, n)
				}
			}
			if w.how == asBuilt && p.Acked() != p.Last() {
				w.blame(&w.lost, "%s: settled up to %d of %d", p.name, p.Acked(), p.Last())
			}
			w.counts["rewinds"] += p.Rewinds()
		}
		if w.how == asBuilt && u.recall != w.recalls[i] {
			w.blame(&w.lost, "%s: has seen recall %d of %d", u.name, u.recall, w.recalls[i])
		}
		for k := 1; k < len(u.starts) && w.how == asBuilt; k++ {
			if gap := u.starts[k].Sub(u.starts[k-1]); gap < mqttlink.ConnectGap && w.counts["unit restart"] == 0 {
				w.blame(&w.disorder, "%s: CONNECTs %v apart", u.name, gap)
			}
		}
	}
	stored := 0
	for _, at := range got {
		stored += len(at)
	}
	if counts.Conflicts+counts.Quarantined > 0 {
		w.blame(&w.disorder, "the cloud holds %d conflicts and %d quarantined", counts.Conflicts, counts.Quarantined)
	}
	if len(totals) != 1 || totals[0].Pours != int64(stored) || w.lost.n == 0 && (totals[0].UL != ul || stored != pours) {
		w.blame(&w.doubled, "totals %+v of %d stored, want %d pours and %d µl", totals, stored, pours, ul)
	}
	w.counts["pours"] = pours
}
