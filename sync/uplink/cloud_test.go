package uplink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fountain/sync/shadow"
	"fountain/sync/wire"
)

const testInterval = 10 * time.Second

// record makes the bytes of a valid record, padded to about size.
func record(log string, seq uint64, size int) []byte {
	r := wire.Record{
		V: 1, ID: fmt.Sprintf("id-%d", seq), Thing: "unit-1", Log: log, Seq: seq, Beverage: "b.x",
		Outcome: wire.Completed, Source: wire.SourceTouch, Rig: "sim", Parts: []wire.Part{},
	}
	raw, _ := json.Marshal(r)
	if pad := size - len(raw) - len(`,"reason":""`); pad > 0 {
		r.Reason = string(bytes.Repeat([]byte("x"), pad))
		raw, _ = json.Marshal(r)
	}
	return raw
}

// memLog is a Source in memory. It refuses an acknowledgement of what the cloud has not committed.
type memLog struct {
	t     *testing.T
	cloud *cloud
	note  chan struct{}

	mu         sync.Mutex
	log        string
	entries    []Entry
	last       uint64
	acked      uint64
	aside      map[uint64]string
	readFailed error
	oldest     uint64
	restored   uint64
	rewound    []uint64
}

func newLog(t *testing.T, c *cloud) *memLog {
	return &memLog{t: t, cloud: c, log: "L1", note: make(chan struct{}, 1), aside: map[uint64]string{}}
}

func (m *memLog) append(n, size int) {
	m.mu.Lock()
	for range n {
		m.last++
		m.entries = append(m.entries, Entry{m.last, record(m.log, m.last, size)})
	}
	m.mu.Unlock()
	select {
	case m.note <- struct{}{}:
	default:
	}
}

func (m *memLog) lose(from, to uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = slices.DeleteFunc(m.entries, func(e Entry) bool { return e.Seq >= from && e.Seq <= to })
}

func (m *memLog) Log() string             { return m.log }
func (m *memLog) Notify() <-chan struct{} { return m.note }
func (m *memLog) Last() uint64            { m.mu.Lock(); defer m.mu.Unlock(); return m.last }
func (m *memLog) Acked() uint64           { m.mu.Lock(); defer m.mu.Unlock(); return m.acked }

func (m *memLog) Read(from uint64, limit, maxBytes int) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Entry
	i, _ := slices.BinarySearchFunc(m.entries, from, func(e Entry, s uint64) int { return int(e.Seq) - int(s) })
	for _, e := range m.entries[i:] {
		if m.aside[e.Seq] != "" {
			continue
		}
		if len(out) == limit || len(out) > 0 && maxBytes < len(e.Body) {
			break
		}
		maxBytes -= len(e.Body)
		out = append(out, Entry{e.Seq, slices.Clone(e.Body)})
	}
	return out, m.readFailed
}

func (m *memLog) SetAcked(upto uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if upto <= m.acked || upto > m.last {
		m.t.Errorf("SetAcked(%d) with acked %d, last %d", upto, m.acked, m.last)
	}
	for _, e := range m.entries {
		if e.Seq > m.acked && e.Seq <= upto && m.aside[e.Seq] == "" && !m.cloud.has(m.log, e.Seq) {
			m.t.Errorf("SetAcked(%d): record %d was never committed", upto, e.Seq)
		}
	}
	m.acked = upto
	return nil
}

func (m *memLog) Oldest() uint64   { m.mu.Lock(); defer m.mu.Unlock(); return max(m.oldest, 1) }
func (m *memLog) Restored() uint64 { m.mu.Lock(); defer m.mu.Unlock(); return m.restored }

func (m *memLog) Rewind(upto, restore uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if upto > m.acked || restore == m.restored {
		m.t.Errorf("Rewind(%d, %d) with acked %d, restored %d", upto, restore, m.acked, m.restored)
	}
	m.acked, m.restored = upto, restore
	m.rewound = append(m.rewound, upto)
	return nil
}

func (m *memLog) Quarantine(seq uint64, reason string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.aside[seq] != "" {
		m.t.Errorf("record %d set aside twice", seq)
	}
	m.aside[seq] = reason
	return nil
}

// cloud is the other side: a sink keyed by (log, seq), a ledger it writes now and then, and whims.
type cloud struct {
	t        *testing.T
	interval time.Duration
	latency  time.Duration
	tellSeen bool
	tellHave bool
	accept   func(items []wire.Item) (stored, hangUp bool) // whims; PUBACK unless hangUp
	mute     atomic.Bool                                   // no shadows

	mu       sync.Mutex
	sink     map[string]map[uint64][]byte
	order    []uint64 // first arrivals
	arrivals map[uint64]int
	messages []int // sizes with topic
	times    []time.Time
	flying   int
	mostOut  int
	version  int64
	override map[string]wire.Ack
	restore  uint64
	reports  []wire.LedgerReport
	conn     *link
	connects int
}

func newCloud(t *testing.T) *cloud {
	return &cloud{
		t: t, interval: testInterval, latency: 50 * time.Millisecond, tellSeen: true,
		accept: func([]wire.Item) (bool, bool) { return true, false },
		sink:   map[string]map[uint64][]byte{}, arrivals: map[uint64]int{},
	}
}

func (c *cloud) has(log string, seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sink[log][seq] != nil
}

// desired is the ledger as the cloud would write it now; the caller holds mu.
func (c *cloud) desired() []byte {
	l := wire.Ledger{Ack: map[string]wire.Ack{}}
	for log, recs := range c.sink {
		a := wire.Ack{Restore: c.restore}
		seqs := slices.Sorted(maps.Keys(recs))
		for recs[a.Upto+1] != nil {
			a.Upto++
		}
		if len(seqs) == 0 { // forgotten
			l.Ack[log] = a
			continue
		}
		top := seqs[len(seqs)-1]
		for s := a.Upto + 1; s < top && len(a.Missing) < wire.MaxLedgerMissing; s++ {
			if recs[s] == nil {
				a.Missing = append(a.Missing, s)
			}
		}
		if c.tellSeen {
			a.Seen = top
		}
		for s := a.Upto + 1; c.tellHave && s <= top && len(a.Have) < wire.MaxLedgerHave; s++ {
			if from := s; recs[s] != nil {
				for recs[s+1] != nil {
					s++
				}
				a.Have = append(a.Have, [2]uint64{from, s})
			}
		}
		l.Ack[log] = a
	}
	maps.Copy(l.Ack, c.override)
	raw, _ := json.Marshal(l)
	return raw
}

// ledger writes the shadow every interval while a connection is there to hear of it.
func (c *cloud) ledger(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.interval):
		}
		c.mu.Lock()
		c.version++
		raw, conn := c.desired(), c.conn
		c.mu.Unlock()
		if conn != nil && !c.mute.Load() {
			select {
			case <-conn.states: // a newer delta replaces one nobody took
			default:
			}
			conn.states <- raw
		}
	}
}

// link is one connection.
type link struct {
	c      *cloud
	lost   chan struct{}
	once   sync.Once
	hung   bool
	states chan json.RawMessage
}

type linkErr struct{ hung bool }

func (e linkErr) Error() string { return "link ended" }
func (e linkErr) HungUp() bool  { return e.hung }

func (c *cloud) connect() *link {
	l := &link{c: c, lost: make(chan struct{}), states: make(chan json.RawMessage, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = l
	c.connects++
	return l
}

func (c *cloud) sent() int   { c.mu.Lock(); defer c.mu.Unlock(); return len(c.messages) }
func (c *cloud) stored() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.order) }

func (c *cloud) current() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

func (l *link) end(hung bool) {
	l.once.Do(func() {
		l.hung = hung
		l.c.mu.Lock()
		l.c.conn = nil
		l.c.mu.Unlock()
		close(l.lost)
	})
}

func (l *link) Lost() <-chan struct{} { return l.lost }

func (l *link) Send(ctx context.Context, topic string, qos byte, payload []byte) <-chan error {
	out := make(chan error, 1)
	if topic != "$aws/rules/pours/c/unit-1" || qos != 1 {
		l.c.t.Errorf("sent to %s with QoS %d", topic, qos)
	}
	select {
	case <-l.lost:
		out <- linkErr{l.hung}
		return out
	default:
	}
	c := l.c
	items := wire.DecodeBatch(payload)
	c.mu.Lock()
	c.messages = append(c.messages, len(topic)+len(payload))
	c.times = append(c.times, time.Now())
	c.flying++
	c.mostOut = max(c.mostOut, c.flying)
	c.mu.Unlock()
	stored, hangUp := c.accept(items)
	if stored && !hangUp {
		c.store(items)
	}
	go func() {
		var err error
		select {
		case <-time.After(c.latency):
			if hangUp {
				l.end(true)
				err = linkErr{true}
			}
		case <-l.lost:
			err = linkErr{l.hung}
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.mu.Lock()
		c.flying--
		c.mu.Unlock()
		out <- err
	}()
	return out
}

func (c *cloud) store(items []wire.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		if it.Err != nil {
			c.t.Errorf("bad item arrived: %v", it.Err)
			continue
		}
		log, seq := it.Record.Log, it.Record.Seq
		if c.sink[log] == nil {
			c.sink[log] = map[uint64][]byte{}
		}
		c.arrivals[seq]++
		if was := c.sink[log][seq]; was == nil {
			c.sink[log][seq] = it.Raw
			c.order = append(c.order, seq)
		} else if !bytes.Equal(was, it.Raw) {
			c.t.Errorf("record %d came with other bytes", seq)
		}
	}
}

func (l *link) Get(context.Context) (*wire.ShadowDocument, error) {
	if l.c.mute.Load() {
		time.Sleep(shadow.AnswerTimeout)
		return nil, fmt.Errorf("get: %w", shadow.ErrNoAnswer)
	}
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if l.c.version == 0 && l.c.override == nil {
		return nil, &wire.ShadowError{Code: wire.ShadowNotFound, Message: "No shadow exists"}
	}
	return &wire.ShadowDocument{State: wire.ShadowState{Desired: l.c.desired()}, Version: l.c.version}, nil
}

func (l *link) Report(_ context.Context, reported any) error {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.reports = append(l.c.reports, reported.(wire.LedgerReport))
	return nil
}

func (l *link) Next(ctx context.Context) (json.RawMessage, error) {
	select {
	case s := <-l.states:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.lost:
		return nil, errors.New("lost")
	}
}

// bench is one unit and its cloud.
type bench struct {
	t     *testing.T
	cloud *cloud
	log   *memLog
	up    *Uplink
	away  func() bool
	stop  func()
}

func newBench(t *testing.T, change func(*Config)) *bench {
	c := newCloud(t)
	b := &bench{t: t, cloud: c, log: newLog(t, c), away: func() bool { return false }}
	cfg := Config{Thing: "unit-1", Rule: "pours", LedgerInterval: testInterval}
	if change != nil {
		change(&cfg)
	}
	up, err := New(cfg, b.log)
	if err != nil {
		t.Fatal(err)
	}
	b.up = up
	return b
}

// start connects again and again, as the link does.
func (b *bench) start() {
	ctx, cancel := context.WithCancel(b.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.cloud.ledger(ctx) })
	wg.Go(func() {
		for ctx.Err() == nil {
			if !b.away() {
				l := b.cloud.connect()
				_ = b.up.Serve(ctx, l, l)
				l.end(false)
			}
			select {
			case <-ctx.Done():
			case <-time.After(1100 * time.Millisecond):
			}
		}
	})
	b.stop = func() { cancel(); wg.Wait() }
}

// settled waits until the log is settled, at most d of virtual time.
func (b *bench) settled(d time.Duration) {
	b.t.Helper()
	for end := time.Now().Add(d); b.log.Acked() < b.log.Last(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			b.t.Fatalf("acked %d of %d after %v: %+v", b.log.Acked(), b.log.Last(), d, b.up.Status())
		}
	}
}

// complete checks that the sink has exactly the log's records, set aside ones excepted.
func (b *bench) complete() {
	b.t.Helper()
	b.cloud.mu.Lock()
	defer b.cloud.mu.Unlock()
	got := b.cloud.sink[b.log.log]
	want := 0
	for _, e := range b.log.entries {
		if b.log.aside[e.Seq] != "" {
			if got[e.Seq] != nil {
				b.t.Errorf("record %d was set aside and arrived", e.Seq)
			}
			continue
		}
		want++
		if !bytes.Equal(got[e.Seq], e.Body) {
			b.t.Errorf("record %d: %q arrived as %q", e.Seq, e.Body, got[e.Seq])
		}
	}
	if len(got) != want {
		b.t.Errorf("%d records at the sink, want %d", len(got), want)
	}
}

func (c *cloud) inOrder() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.IsSorted(c.order)
}
