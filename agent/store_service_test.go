package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/store"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// ahead is a ledger that has more of a log than the unit ever made.
type ahead struct {
	silent
	log string
}

func (a ahead) Get(context.Context) (*wire.ShadowDocument, error) {
	desired, err := json.Marshal(wire.Ledger{Ack: map[string]wire.Ack{a.log: {Upto: 900}}})
	var doc wire.ShadowDocument
	doc.State.Desired = desired
	return &doc, err
}

// What the cloud refuses is told until a person releases it; then it goes up, with what it was recorded as.
func TestReleasedPoursGoUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := draining(t, store.Options{})
		desk := storeDesk{c.a}
		c.a.audit = openAudit(c.a.cfg.State, c.a.log)
		defer c.a.audit.close()
		c.a.cloud = c
		c.keep(t, 2, "good")
		c.keep(t, 1, "mended")
		c.keep(t, 1, "late")
		log := c.a.store.Log()
		if err := c.source(log).Quarantine(3, "too large", nil); err != nil {
			t.Fatal(err)
		}
		p := &peer{lost: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		serve := func() { done <- c.serve(ctx, p, reader) }
		go serve()
		time.Sleep(10 * time.Second)
		if !p.has("late") || p.has("mended") {
			t.Error("a refused record went up, or kept the others back")
		}
		if desk.State().Quarantined != 1 {
			t.Errorf("%+v", desk.State())
		}
		var out bytes.Buffer
		var q api.QuarantinedPour
		if err := errors.Join(desk.Quarantine(ctx, &out), json.Unmarshal(out.Bytes(), &q)); err != nil || q.Seq != 3 || q.Reason != "too large" || !bytes.Contains(q.Record, []byte("mended")) {
			t.Errorf("%s, %v", out.String(), err)
		}
		if _, err := desk.Release(api.ReleasePours{Log: log, Seqs: []uint64{4}, Person: "ada"}); err == nil {
			t.Error("released what was not set aside")
		}
		if got, err := desk.Release(api.ReleasePours{Log: log, Person: "ada"}); got.Released != 1 || err != nil {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := <-done; !errors.Is(err, errReleased) {
			t.Errorf("the connection ended with %v", err)
		}
		go serve() // the next one
		time.Sleep(10 * time.Second)
		if !p.has("mended") {
			t.Error("what was released does not go up")
		}
		if trail, err := c.a.audit.List(); err != nil || len(trail) != 2 || trail[0].Action != "release pours" || trail[0].Person != "ada" {
			t.Errorf("%+v, %v", trail, err)
		}
		cancel()
		<-done
	})
}

// A unit whose disk is an old image of itself must not use numbers twice: the cloud knows better, and a new log begins.
func TestLedgerAheadBeginsANewLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := draining(t, store.Options{})
		c.keep(t, 3, "old")
		log := c.a.store.Log()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- c.serve(ctx, &peer{lost: make(chan struct{})}, func() (uplink.Shadow, error) { return ahead{log: log}, nil })
		}()
		time.Sleep(4 * judgeEvery)
		if !c.a.board.Has(alarm.LedgerAhead, "") || c.a.store.Log() == log || len(c.a.store.Logs()) != 2 {
			t.Errorf("logs %+v", c.a.store.Logs())
		}
		cancel()
		<-done
	})
}

// The export is the records as they were stored, one a line, of one log or all.
func TestExportPours(t *testing.T) {
	c := draining(t, store.Options{SegmentCount: 4})
	desk := storeDesk{c.a}
	c.keep(t, 10, "a")
	first := c.a.store.Log()
	if err := c.a.store.Renew(); err != nil {
		t.Fatal(err)
	}
	c.keep(t, 2, "b")
	for _, x := range []struct {
		log  string
		from uint64
		want int
	}{{"", 1, 12}, {first, 1, 10}, {first, 8, 3}, {c.a.store.Log(), 1, 2}, {"", 2, 10}} {
		var out bytes.Buffer
		if err := desk.Pours(t.Context(), x.log, x.from, &out); err != nil {
			t.Fatal(err)
		}
		n := 0
		for d := json.NewDecoder(&out); ; n++ {
			var r struct {
				Log string
				Seq uint64
			}
			if err := d.Decode(&r); errors.Is(err, io.EOF) {
				break
			} else if err != nil || r.Seq < x.from || x.log != "" && r.Log != x.log {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if n != x.want {
			t.Errorf("%q from %d: %d records, want %d", x.log, x.from, n, x.want)
		}
	}
	if err := desk.Pours(t.Context(), "lnone", 1, io.Discard); err == nil {
		t.Error("exported a log that is not there")
	}
}

// A disk that fills up: what may go goes, people are told, and when nothing is left the unit says so before a valve opens.
func TestKeepRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		free := uint64(4 << 30)
		set := func(n uint64) { mu.Lock(); free = n; mu.Unlock() }
		c := draining(t, store.Options{Statfs: func(string) (uint64, uint64, error) {
			mu.Lock()
			defer mu.Unlock()
			return free, 8 << 30, nil
		}})
		a := c.a
		old := filepath.Join(a.cfg.State, "log.1")
		if err := os.WriteFile(old, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		a.deps.Shed = []store.Shedder{{Name: "old log files", At: store.SpaceLow, Shed: func(context.Context) error { return os.RemoveAll(old) }}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.keepRoom(ctx) }()
		for i, x := range []struct {
			free     uint64
			critical bool
			no       bool
		}{{4 << 30, false, false}, {60 << 20, false, false}, {10 << 20, true, false}, {2 << 20, true, false}, {512 << 10, true, true}, {4 << 30, false, false}} {
			set(x.free)
			time.Sleep(roomEvery + time.Second)
			if a.board.Has(alarm.StoreCritical, "") != x.critical || a.board.Has(alarm.StoreNoRoom, "") != x.no {
				t.Errorf("%d MiB free: %+v", x.free>>20, a.board.List())
			}
			if err := a.store.PutIntent("p", []byte("{}")); (err != nil) != x.no {
				t.Errorf("%d MiB free: intent %v", x.free>>20, err)
			}
			if _, err := os.Stat(old); i == 0 && err != nil || i == 1 && err == nil {
				t.Errorf("%d MiB free: the old log file: %v", x.free>>20, err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A damage is told with what it cost.
func TestDamageIsTold(t *testing.T) {
	for want, d := range map[string]store.Damage{
		"log l1 from 5 to 9, 3 rescued, lost: 6, 8 to 9": {Log: "l1", FirstSeq: 5, LastSeq: 9, Rescued: 3, Lost: []store.Gap{{From: 6, To: 6}, {From: 8, To: 9}}},
		"log l1 from 5 to 9, 5 rescued, nothing lost":    {Log: "l1", FirstSeq: 5, LastSeq: 9, Rescued: 5},
		"4 values rescued": {Rescued: 4},
	} {
		c := draining(t, store.Options{})
		d.File, d.Err = "/x/bad/seg.db", errors.New("checksum differs")
		c.a.damaged(d)
		if al, ok := c.a.board.Get(alarm.StoreDamaged, "seg.db"); !ok || !strings.Contains(al.Evidence, want) {
			t.Errorf("%q, want %q", al.Evidence, want)
		}
	}
	if belongs("l1", 5, []byte(`{"log":"l1","seq":6}`)) || belongs("l1", 5, []byte("x")) || !belongs("l1", 5, []byte(`{"log":"l1","seq":5}`)) {
		t.Error("which record belongs where is judged wrongly")
	}
}
