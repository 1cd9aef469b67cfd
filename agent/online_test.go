package agent

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"fountain/agent/config"
	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/objects"
	"fountain/cloud/store"
	"fountain/hal/rigfile"
	"fountain/sync/wire"
)

// localCloud is the real cloud/awsiot in the unit's bubble, with the policies of the template it is deployed with.
type localCloud struct {
	*awsiottest.Cloud
	t    *testing.T
	dir  string
	db   *store.SQLite
	core *awsiot.Core
	more map[string]*awsiot.Core // other clouds with the same registry, by address
	dead map[string]bool         // addresses that do not answer

	start func() *virtual // the unit, again
	dials func()          // called before each connection; nil: nothing is

	mu      sync.Mutex
	denied  []string
	offline bool
	conns   []net.Conn
	sunk    int                        // messages of Basic Ingest
	records map[string]map[uint64]bool // log -> seqs that have come

	pipes *pipes
	files *httptest.Server                                  // where objects are read and written
	spoil func(w http.ResponseWriter, r *http.Request) bool // a fault of theirs; true: it has answered
}

func newLocalCloud(t *testing.T, dir string) *localCloud {
	t.Helper()
	local := awsiottest.Open(t, dir)
	c := &localCloud{
		Cloud: local, t: t, dir: dir, db: local.Store,
		records: map[string]map[uint64]bool{}, more: map[string]*awsiot.Core{}, dead: map[string]bool{},
	}
	kept, err := objects.New(objects.Config{
		Dir: filepath.Join(dir, "objects"), Region: "us-east-1", Secret: []byte("of this test"), BaseURL: func() string { return "https://" + storageHost },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.store(kept)
	c.Config.Objects = kept
	c.Config.Deliver = func(_ context.Context, m awsiot.QueueMessage) error { return c.take(m.Body) }
	c.Config.OnDenied = func(id, reason string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.denied = append(c.denied, id+" "+reason)
	}
	t.Cleanup(func() { // when the cores have ended
		if len(c.denied) > 0 {
			t.Errorf("the policy refused: %v", c.denied)
		}
	})
	c.core = c.Start()
	t.Cleanup(func() {
		c.files.Close()
		for _, core := range c.more {
			if err := core.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

// storageHost is a name that httptest's certificate has.
const storageHost = "example.com"

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// store serves the objects that job documents point at, and writes down whom a unit has to trust.
func (c *localCloud) store(kept http.Handler) {
	c.pipes = &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	c.files = &httptest.Server{Listener: c.pipes, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.mu.Lock()
			spoil := c.spoil
			c.mu.Unlock()
			if spoil == nil || !spoil(w, r) {
				kept.ServeHTTP(w, r)
			}
		}), ErrorLog: log.New(io.Discard, "", 0),
	}}
	c.files.StartTLS()
	ca, err := os.ReadFile(filepath.Join(c.dir, authority.FileCA))
	if err == nil {
		ca = append(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.files.Certificate().Raw})...)
		err = os.WriteFile(filepath.Join(c.dir, trustedFile), ca, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// trustedFile holds the roots of the cloud and of its storage.
const trustedFile = "trusted.pem"

// take takes what the rule made of a message of consumption.
func (c *localCloud) take(body []byte) error {
	var m struct {
		Batch []byte `json:"batch"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sunk++
	for _, item := range wire.DecodeBatch(m.Batch) {
		if r := item.Record; r != nil {
			if c.records[r.Log] == nil {
				c.records[r.Log] = map[uint64]bool{}
			}
			c.records[r.Log][r.Seq] = true
		}
	}
	return nil
}

// seqs counts the different records of a log that have come; forget begins anew.
func (c *localCloud) seqs(log string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.records[log])
}

func (c *localCloud) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = map[string]map[uint64]bool{}
}

// dial connects a unit, in memory.
func (c *localCloud) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dials != nil {
		c.dials()
	}
	if c.offline || c.dead[addr] {
		return nil, errors.New("the network is down")
	}
	core := c.core
	if other := c.more[addr]; other != nil {
		core = other
	}
	near, far := net.Pipe()
	c.conns = append(c.conns, near)
	if strings.HasPrefix(addr, storageHost) {
		select {
		case c.pipes.conns <- far:
		case <-c.pipes.closed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return near, nil
	}
	go core.ServeConn(far)
	return near, nil
}

// down cuts the network or mends it.
func (c *localCloud) down(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offline = off
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func (c *localCloud) config(cfg *config.Config) {
	cfg.Cloud = config.Cloud{
		Enabled: true, MQTT: "localhost:8883", CA: filepath.Join(c.dir, trustedFile), Template: awsiottest.Template,
		ClaimCert: c.ClaimCert, ClaimKey: c.ClaimKey,
	}
	cfg.Sync = config.Sync{DrainRate: 80, Linger: 10 * time.Millisecond, Rule: awsiottest.Rule, Window: 20, LedgerInterval: time.Minute}
}

// desire writes the desired state of a unit's shadow, as the cloud does.
func (c *localCloud) desire(thing, name, desired string) {
	c.t.Helper()
	if _, err := c.core.UpdateShadow(c.t.Context(), thing, name, []byte(`{"desired":`+desired+`}`)); err != nil {
		c.t.Fatal(err)
	}
}

// reported reads what a unit has reported.
func (c *localCloud) reported(thing, name string, into any) {
	c.t.Helper()
	raw, err := c.core.ReportedShadow(c.t.Context(), thing, name)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// valid asserts that what a unit has reported is what the schema says.
func (c *localCloud) valid(thing, name string) {
	c.t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "sync", "wire", "schemas", name+".schema.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := c.core.ReportedShadow(c.t.Context(), thing, name)
	if err != nil {
		c.t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"reported":` + string(raw) + `}`))
	if err == nil {
		err = s.Validate(doc)
	}
	if err != nil {
		c.t.Errorf("shadow %s: %s: %v", name, raw, err)
	}
}

// deleteShadow deletes a shadow, as somebody with the console can.
func (c *localCloud) deleteShadow(thing, name string) {
	c.t.Helper()
	if err := c.db.PutShadow(c.t.Context(), thing, name, store.Shadow{}); err != nil {
		c.t.Fatal(err)
	}
}

// onlineUnit runs f with a unit that has reached the cloud.
func onlineUnit(t *testing.T, edit func(*config.Config), f func(v *virtual, c *localCloud)) {
	t.Helper()
	dir, rig := outside(t)
	synctest.Test(t, func(t *testing.T) {
		c := newLocalCloud(t, t.TempDir())
		c.start = func() *virtual { return c.unit(t, dir, rig, edit) }
		f(c.start(), c)
	})
}

// unit starts a unit on this cloud and waits until it is online.
func (c *localCloud) unit(t *testing.T, dir string, rig *rigfile.Rig, edit func(*config.Config)) *virtual {
	t.Helper()
	v := newVirtual(t, dir, rig, func(cfg *config.Config) {
		c.config(cfg)
		if edit != nil {
			edit(cfg)
		}
	}, c.dial)
	v.await("the unit is online", time.Minute, func() bool { return c.offline || v.a.cloud.online() || v.a.cloud.status().State == cloudLeft })
	return v
}

// thing is the unit's name.
func (v *virtual) thing() string { return *v.a.thing.Load() }

// taken counts the messages of consumption that the cloud has taken.
func (c *localCloud) taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sunk
}

// version is how often a shadow was written.
func (c *localCloud) version(thing, name string) int64 {
	c.t.Helper()
	sh, err := c.db.Shadow(c.t.Context(), thing, name)
	if err != nil {
		c.t.Fatal(err)
	}
	return sh.Version
}
