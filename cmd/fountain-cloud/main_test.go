package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	randv2 "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"fountain/cloud/store/postgrestest"
	"fountain/deploy"
	"fountain/internal/lifeline"
	"fountain/sync/wire"
)

// asCommand makes the test binary behave as fountain-cloud, so that a test can kill it.
const asCommand = "FOUNTAIN_CLOUD_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(postgrestest.Main(m))
}

const patience = time.Minute // far beyond what anything here takes: a laden host is no reason to fail

// process is a running fountain-cloud.
type process struct {
	*exec.Cmd
	dir string
	out *bytes.Buffer
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// startCloud starts serve on dir and waits for endpoints.json.
func startCloud(t *testing.T, dir string, more ...string) (*process, Endpoints) {
	t.Helper()
	p := &process{dir: dir, out: &bytes.Buffer{}}
	p.Cmd = command(t, append([]string{"serve", "--dir", dir, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ledger-interval", "50ms"}, more...)...)
	p.Stdout, p.Stderr = p.out, p.out
	if err := os.Remove(filepath.Join(dir, endpointsFile)); err != nil && !errors.Is(err, os.ErrNotExist) { // of a killed one
		t.Fatal(err)
	}
	began := time.Now()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill() // ended already in most tests
		_ = p.Wait()
		if t.Failed() {
			t.Log(p.out)
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(dir, endpointsFile))
		if err != nil {
			continue
		}
		var e Endpoints
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("half an endpoints.json: %v", err)
		}
		t.Logf("ready after %v", time.Since(began))
		return p, e
	}
	t.Fatalf("not ready: %s", p.out)
	return nil, Endpoints{}
}

// TestLoop goes from claim to a line in tail, through the real process.
func TestLoop(t *testing.T) {
	dir := t.TempDir()
	p, e := startCloud(t, dir)
	thing, cert := claim(t, e, "F0100")
	in := make(chan paho.Message, 10)
	cl, err := dial(e, thing, cert, in)
	if err != nil {
		t.Fatal(err)
	}
	delta := wire.Shadow(thing, "ledger").Delta()
	if tok := cl.Subscribe(delta, 1, nil); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	tailed := make(chan int, 1)
	go func() {
		tailed <- run(ctx, []string{"consumption", "tail", "--dir", dir, "--json"}, os.Getenv, w, t.Output())
	}()
	payload := wire.AppendBatch(nil, record(thing, 1), record(thing, 2))
	if tok := cl.Publish(wire.BasicIngest("fountain_consumption", thing), 1, false, payload); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	d, err := wire.DecodeShadowDelta(take(t, in, delta))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := wire.DecodeLedger(d.State); err != nil || l.Ack["a1"].Upto != 2 {
		t.Fatalf("%s %v", d.State, err)
	}
	lines := bufio.NewScanner(r)
	for want := uint64(1); want <= 2; want++ {
		if !lines.Scan() {
			t.Fatal("tail ended")
		}
		if got, err := wire.DecodeRecord(lines.Bytes()); err != nil || got.Seq != want || lines.Text() != string(record(thing, want)) {
			t.Fatalf("tail printed %s", lines.Text())
		}
	}
	res, err := http.Get(e.Console + "/api/units")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(b), `"online":true`) || !strings.Contains(string(b), `"stored":2`) {
		t.Fatalf("%s %v", b, err)
	}
	checkMetrics(t, e, thing, cl)
	stop()
	if code := <-tailed; code != 0 {
		t.Fatalf("tail: exit %d", code)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("serve after SIGTERM: %v", err)
	}
	if got := export(t, dir); len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
}

// TestKill kills the cloud at random moments under load. The unit sends what is not acknowledged in the ledger again;
// what the ledger acknowledged must be there, and nothing twice.
func TestKill(t *testing.T) {
	const rounds, total = 6, 400
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := randv2.New(randv2.NewPCG(seed, 0))
	dir := t.TempDir()
	var thing string
	var cert tls.Certificate
	var mu sync.Mutex
	acked, next := uint64(0), uint64(1)
	for round := 0; ; round++ {
		p, e := startCloud(t, dir, "--fault-drop-every", "7")
		if thing == "" {
			thing, cert = claim(t, e, "F0200")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				unit(ctx, e, thing, cert, &mu, &acked, &next, total)
			}
		}()
		if round < rounds {
			time.Sleep(time.Duration(50+rnd.IntN(250)) * time.Millisecond) // random moment of the kill
		} else {
			for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				mu.Lock()
				all := acked >= total
				mu.Unlock()
				if all {
					break
				}
			}
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // killed
		cancel()
		<-done
		mu.Lock()
		safe := acked
		mu.Unlock()
		have := map[uint64]int{}
		for _, r := range export(t, dir) {
			have[r.Seq]++
		}
		for q := uint64(1); q <= safe; q++ {
			if have[q] != 1 {
				t.Fatalf("round %d: the ledger acknowledged up to %d, record %d is there %d times", round, safe, q, have[q])
			}
		}
		if round >= rounds {
			t.Logf("%d records, all acknowledged and stored once", len(have))
			if safe < total {
				t.Fatalf("only %d of %d were ever acknowledged", safe, total)
			}
			return
		}
	}
}

// unit publishes records until ctx ends and sends again what the ledger lacks.
func unit(ctx context.Context, e Endpoints, thing string, cert tls.Certificate, mu *sync.Mutex, acked, next *uint64, total uint64) {
	in := make(chan paho.Message, 1000)
	cl, err := dial(e, thing, cert, in)
	if err != nil {
		time.Sleep(10 * time.Millisecond) // refused, it was killed: do not spin
		return
	}
	defer cl.Disconnect(0)
	p := wire.Shadow(thing, "ledger")
	if tok := cl.SubscribeMultiple(map[string]byte{p.Delta(): 1, p.Accepted("get"): 1}, nil); !tok.WaitTimeout(time.Second) || tok.Error() != nil {
		return
	}
	cl.Publish(p.Request("get"), 1, false, "")
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	var again []uint64
	quiet := 0
	for ctx.Err() == nil && cl.IsConnectionOpen() {
		select {
		case <-ctx.Done():
			return
		case m := <-in:
			var state json.RawMessage
			if m.Topic() == p.Delta() {
				if d, err := wire.DecodeShadowDelta(m.Payload()); err == nil {
					state = d.State
				}
			} else if d, err := wire.DecodeShadowDocument(m.Payload()); err == nil {
				state = d.State.Desired
			}
			if l, err := wire.DecodeLedger(state); err == nil {
				mu.Lock()
				*acked = max(*acked, l.Ack["a1"].Upto)
				again = append(again[:0], l.Ack["a1"].Missing...)
				mu.Unlock()
			}
		case <-tick.C:
			mu.Lock()
			var batch [][]byte
			for _, q := range again {
				batch = append(batch, record(thing, q))
			}
			again = again[:0]
			for range 4 {
				if *next <= total {
					batch = append(batch, record(thing, *next))
					*next++
				}
			}
			if quiet++; len(batch) == 0 && quiet > 20 { // everything was sent: the tail may be lost
				quiet = 0
				for q := *acked + 1; q <= total && len(batch) < 11; q++ {
					batch = append(batch, record(thing, q))
				}
			}
			mu.Unlock()
			if len(batch) > 0 {
				cl.Publish(wire.BasicIngest("fountain_consumption", thing), 1, false, wire.AppendBatch(nil, batch...))
			}
		}
	}
}

func TestProblems(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	typo := filepath.Join(t.TempDir(), "device.yaml")
	if err := os.WriteFile(typo, bytes.Replace(deploy.DeviceTemplate, []byte("Action: iot:Connect"), []byte("Action: iot:Conect"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	shut := t.TempDir() // as for a user without rights, which tests of root cannot take away
	if err := os.Mkdir(filepath.Join(shut, databaseFile), 0o700); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, databaseFile), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held := t.TempDir()
	_, unlock, err := openDir(held)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	serve := func(dir string, more ...string) []string {
		return append([]string{"serve", "--dir", dir, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"}, more...)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"mqtt port in use":     {serve(t.TempDir(), "--mqtt", busy.Addr().String()), 1, []string{"already in use", busy.Addr().String(), "port 0"}},
		"console port in use":  {serve(t.TempDir(), "--http", busy.Addr().String()), 1, []string{"already in use", "--http"}},
		"not a directory":      {serve(file), 1, []string{file, "writable"}},
		"no directory":         {[]string{"serve"}, 2, []string{"--dir"}},
		"typo in the template": {serve(t.TempDir(), "--template", typo), 2, []string{"iot:Conect", typo + ":"}},
		"no template":          {serve(t.TempDir(), "--template", "/nowhere.yaml"), 2, []string{"/nowhere.yaml"}},
		"damaged database":     {serve(garbage), 1, []string{databaseFile, "move the file"}},
		"directory in use":     {serve(held), 1, []string{held, "another fountain-cloud"}},
		"unknown role":         {serve(t.TempDir(), "--role", "ingest"), 2, []string{"--role ingest"}},
		"unknown flag":         {serve(t.TempDir(), "--bogus"), 2, []string{"--bogus", "--help"}},
		"no command":           {[]string{"--bogus"}, 2, []string{"--bogus", "--help"}},
		"unknown command":      {[]string{"pour"}, 2, []string{"pour"}},
		"mistyped command":     {[]string{"things", "lst", "--dir", "x"}, 2, []string{`there is no command "lst": fountain-cloud things:`}},
		"restore of no backup": {[]string{"restore", filepath.Join(garbage, databaseFile), "--dir", t.TempDir()}, 1, []string{"the backup cannot be used: the database cannot be read: file is not a database (26): " + garbage}},
		"a way that is shut":   {[]string{"things", "list", "--dir", shut}, 1, []string{"the database cannot be opened: ", filepath.Join(shut, databaseFile) + ": give this user read and write access"}},
		"tail of nothing":      {[]string{"consumption", "tail", "--dir", t.TempDir()}, 2, []string{"no cloud data"}},
		"extra argument":       {[]string{"consumption", "export", "x"}, 2, []string{"--help"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if code := run(ctx, tc.args, os.Getenv, io.Discard, &out); code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			for _, s := range tc.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%q does not say %q", out.String(), s)
				}
			}
		})
	}
}

// TestParentGone: the cloud does not outlive whoever started it.
func TestParentGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := command(t, "serve", "--dir", dir, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
	c.Env = append(c.Env, lifeline.EnvFD+"=3")
	c.ExtraFiles = []*os.File{r}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, endpointsFile)); err == nil {
			break
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		_ = c.Process.Kill() // the test has failed
		t.Fatal("it lives on")
	}
}
