package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/ingest"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// key names one pour.
type key struct {
	log string
	seq uint64
}

// cloud is the real one, in a bubble. It may end and start again, and go back to a backup.
type cloud struct {
	t   *testing.T
	w   *world
	dir string

	mu      sync.Mutex
	local   *awsiottest.Cloud
	core    *awsiot.Core // nil while it is down
	stop    func() error
	heard   map[key]bool // by the rule
	stored  map[key][]byte
	effects map[key]int // what anybody who counts pours has been told
	order   []key       // of commits
}

func newCloud(w *world) *cloud {
	c := &cloud{t: w.t, w: w, dir: w.t.TempDir(), heard: map[key]bool{}, stored: map[key][]byte{}, effects: map[key]int{}}
	c.start()
	return c
}

func (c *cloud) must(err error) {
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) start() {
	local := awsiottest.Open(c.t, c.dir)
	var in *ingest.Ingest
	local.Config.Deliver = func(ctx context.Context, m awsiot.QueueMessage) error { return c.deliver(ctx, in, m) }
	local.Config.DropAccepted = func(string, string) bool { return c.w.how != pahosWay && c.w.fault("accepted then lost", 5) }
	local.Config.OnPresence = func(p awsiot.Presence) {
		if p.Online {
			in.Connected(p.Thing)
		}
	}
	core := local.Start()
	in = ingest.New(ingest.Config{
		Store: c.w.pours(local.Store), Ledger: core, LedgerInterval: c.w.interval, LedgerAtLeast: min(time.Second, c.w.interval), OnCommit: c.committed,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.local, c.core = local, core
	c.stop = func() error {
		err := core.Close()
		cancel()
		return errors.Join(err, <-done, local.Store.Close())
	}
}

func (c *cloud) file() string { return c.local.File }

// end ends the cloud. What its queue holds is committed, as SQS would keep it.
func (c *cloud) end() {
	c.mu.Lock()
	stop := c.stop
	c.core = nil
	c.mu.Unlock()
	c.must(stop())
}

// deliver is slow now and then, longer than a unit has patience for.
func (c *cloud) deliver(ctx context.Context, in *ingest.Ingest, m awsiot.QueueMessage) error {
	c.hear(m.Body)
	if c.w.fault("slow", 3) {
		select {
		case <-time.After(time.Duration(c.w.number("slow for", 40_000)) * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return in.Handle(ctx, m.Body)
}

func (c *cloud) hear(body []byte) {
	var m struct {
		Batch []byte `json:"batch"`
	}
	c.must(json.Unmarshal(body, &m))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range wire.DecodeBatch(m.Batch) {
		if it.Err == nil {
			c.heard[key{it.Record.Log, it.Record.Seq}] = true
		}
	}
}

// has says whether the store has a record, and whether the rule has ever seen it.
func (c *cloud) has(k key) (stored, heard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stored[k] != nil, c.heard[k]
}

func (c *cloud) committed(ps []store.Pour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		k := key{p.Record.Log, p.Record.Seq}
		c.stored[k] = p.Body
		c.effects[k]++
		c.order = append(c.order, k)
	}
}

// accept serves the far end of a line; false when nobody is there.
func (c *cloud) accept(far net.Conn) bool {
	c.mu.Lock()
	core := c.core
	c.mu.Unlock()
	if core == nil {
		return false
	}
	go core.ServeConn(far)
	return true
}

// backup copies the store, rollback goes back to the copy as after a disaster. The cloud is down for both.
func (c *cloud) backup() { c.copy(c.file(), c.file()+".bak") }

func (c *cloud) rollback() {
	c.copy(c.file()+".bak", c.file())
	db, err := store.OpenSQLite(c.t.Context(), c.file())
	c.must(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.stored)
	clear(c.effects) // whoever counts goes back, too
	c.order = nil
	c.must(db.Export(c.t.Context(), func(p store.Pour) error {
		k := key{p.Record.Log, p.Record.Seq}
		c.stored[k] = p.Body
		c.effects[k]++
		return nil
	}))
	c.must(db.Close())
}

func (c *cloud) copy(from, to string) {
	b, err := os.ReadFile(from)
	c.must(err)
	c.must(os.WriteFile(to, b, 0o600))
	for _, s := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(from + s); err == nil {
			c.t.Fatalf("%s is not closed", from)
		}
	}
}

// lie writes nonsense into a unit's ledger. The truth follows with the next commit. (That a record was stored which was
// sent and was not stored is no nonsense but an acknowledgement: there is nobody else to believe.)
func (c *cloud) lie(thing, log string) {
	c.mu.Lock()
	core := c.core
	c.mu.Unlock()
	if core == nil {
		return
	}
	n := c.w.number("lie", 1000)
	lies := []string{
		fmt.Sprintf(`{"ack":{%q:{"upto":%d,"missing":[],"seen":%d}}}`, log, 1_000_000+n, 1_000_000+n),
		fmt.Sprintf(`{"ack":{%q:{"upto":0,"missing":[1,2,3],"seen":0}}}`, log),
		fmt.Sprintf(`{"ack":{%q:{"upto":-1}}}`, log),
		fmt.Sprintf(`{"ack":{%q:{"upto":1,"missing":[9,3]}}}`, log),
		fmt.Sprintf(`{"ack":{%q:"all of it"}}`, log),
		`{"ack":"nonsense"}`,
		`{"ack":null}`,
		fmt.Sprintf(`{"ack":{%q:{"upto":18446744073709551615,"missing":[],"seen":18446744073709551615}}}`, log),
		fmt.Sprintf(`{"ack":{"other":{"upto":%d,"missing":[],"seen":7}}}`, n),
	}
	_, _ = core.UpdateShadow(context.Background(), thing, wire.LedgerShadow, []byte(`{"desired":`+lies[n%len(lies)]+`}`)) // a lie that is refused is none
}

// desire writes the recall shadow and returns what a unit must have seen in the end.
func (c *cloud) desire(thing string, n int) {
	c.mu.Lock()
	core := c.core
	c.mu.Unlock()
	if core == nil {
		return
	}
	_, err := core.UpdateShadow(context.Background(), thing, wire.RecallShadow, fmt.Appendf(nil, `{"desired":{"n":%d}}`, n))
	if err != nil {
		c.t.Errorf("write recall: %v", err)
	}
}

// forgetful stores every record as if it were new: a cloud without a key to tell repetitions by.
type forgetful struct{ store.Pours }

func (f forgetful) Put(ctx context.Context, puts []store.Put) ([]store.Result, error) {
	out, err := f.Pours.Put(ctx, puts)
	for i := range out {
		out[i].Verdict = store.New
	}
	return out, err
}

// stream returns the numbers of one purpose: they do not depend on who else draws when.
func stream(seed uint64, purpose string, n int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", purpose, n)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
