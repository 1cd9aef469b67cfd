package agent

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"fountain/agent/access"
	"fountain/agent/api"
	"fountain/internal/localhttp"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

const testPIN = "482915"

// memory is a store of settings.
type memory struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *memory) Setting(key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[key]
	return slices.Clone(v), ok, nil
}

func (s *memory) PutSetting(key string, v []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string][]byte{}
	}
	s.m[key] = slices.Clone(v)
	return nil
}

// door is sessions without a unit.
type door struct {
	*sessions
	busyNow, work atomic.Bool

	mu    sync.Mutex // of trail: a session ends by itself on another goroutine
	trail []string
}

func (d *door) lines() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.trail)
}

func newDoor(t *testing.T, mem *memory) *door {
	t.Helper()
	d := &door{}
	d.sessions = &sessions{
		pin: access.Open(mem, access.Config{}), busy: func() bool { return d.busyNow.Load() || d.work.Load() }, working: d.work.Load,
		noted: func(person, action, _ string, err error) {
			if err != nil {
				action += ": " + err.Error()
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			d.trail = append(d.trail, person+" "+action)
		}, changed: func() {},
	}
	return d
}

func (d *door) must(t *testing.T) api.Session {
	t.Helper()
	s, err := d.Open(api.OpenSession{PIN: testPIN})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d *door) lives(id string) bool { _, err := d.Session(id); return err == nil }

// TestSessionEnds: by itself without a sign of life, at the latest after its limit, and at once when it is told to; never
// in the middle of service work. Reading is no sign of life.
func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &memory{}
		d := newDoor(t, mem)
		if err := d.pin.Set(testPIN); err != nil {
			t.Fatal(err)
		}
		s := d.must(t)
		if !d.open() || s.Person != api.PersonAtScreen || s.LeftMS != api.SessionIdle.Milliseconds() || len(s.ID) < 20 {
			t.Fatalf("%+v", s)
		}
		time.Sleep(api.SessionIdle - time.Second)
		if _, err := d.Use(s.ID, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if _, err := d.Use(s.ID, true); err == nil || problem.From(err).Status != http.StatusUnauthorized || d.open() {
			t.Errorf("idle, and open: %v", err)
		}
		if lines := d.lines(); lines[len(lines)-1] != "screen session timed out" {
			t.Errorf("the trail says %q", lines)
		}

		s = d.must(t)
		for range 29 { // a busy person
			time.Sleep(time.Minute)
			if _, err := d.Use(s.ID, true); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute + time.Second)
		if d.lives(s.ID) || d.open() {
			t.Error("no end to it")
		}

		s = d.must(t)
		d.work.Store(true)
		time.Sleep(2 * api.SessionLimit)
		if _, err := d.Use(s.ID, true); err != nil {
			t.Errorf("its work was cut: %v", err)
		}
		d.work.Store(false)
		time.Sleep(2 * time.Second)
		if d.lives(s.ID) || d.open() {
			t.Error("the limit is forgotten")
		}

		first := d.must(t)
		second := d.must(t)
		if first.ID == second.ID || d.lives(first.ID) || !d.lives(second.ID) {
			t.Error("two sessions")
		}
		d.work.Store(true)
		if _, err := d.Open(api.OpenSession{PIN: testPIN}); err == nil || problem.From(err).Code != problem.CodeBusy {
			t.Errorf("took over a session whose work is under way: %v", err)
		}
		d.work.Store(false)
		d.Close("nobody")
		if !d.lives(second.ID) {
			t.Error("a wrong id closed it")
		}
		d.Close(second.ID)
		d.Close(second.ID)
		if d.lives(second.ID) || d.keeps() != nil {
			t.Error("closed, and open")
		}
		if _, err := d.Use("", true); err == nil {
			t.Error("no id is an id")
		}
	})
}

// TestSessionRefuses: a wrong PIN says nothing but how long to wait, the wait holds against a restart, a pour is never
// held up by a hash, and a damaged record opens no first-run wizard.
func TestSessionRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &memory{}
		d := newDoor(t, mem)
		if st := d.State(); !st.Setup || st.PINSet || st.Open {
			t.Errorf("a new unit: %+v", st)
		}
		if _, err := d.Open(api.OpenSession{PIN: testPIN}); err == nil {
			t.Error("no PIN is every PIN")
		}
		if err := d.pin.Set(testPIN); err != nil {
			t.Fatal(err)
		}
		if st := d.State(); st.Setup || !st.PINSet {
			t.Errorf("with a PIN: %+v", st)
		}
		d.busyNow.Store(true)
		if _, err := d.Open(api.OpenSession{PIN: "000000"}); problem.From(err).Code != problem.CodeBusy {
			t.Errorf("during a pour: %v", err)
		}
		d.busyNow.Store(false)
		says := map[string]bool{}
		for _, pin := range []string{"482914", "999999", "1"} {
			_, err := d.Open(api.OpenSession{PIN: pin})
			p := problem.From(err)
			if err == nil || p.Code != problem.CodeForbidden {
				t.Fatalf("%s: %v", pin, err)
			}
			says[p.What] = true
		}
		if len(says) != 1 {
			t.Errorf("what is wrong is told apart: %v", says)
		}
		if st := d.State(); st.WaitMS != 5000 {
			t.Errorf("%+v", st)
		}
		if _, err := d.Open(api.OpenSession{PIN: testPIN}); problem.From(err).Code != problem.CodeBusy {
			t.Errorf("too early: %v", err)
		}
		d = newDoor(t, mem) // pulled and plugged
		if st := d.State(); st.WaitMS != 5000 || st.Setup {
			t.Errorf("after a restart: %+v", st)
		}
		for !d.State().Locked {
			time.Sleep(time.Duration(d.State().WaitMS) * time.Millisecond)
			if _, err := d.Open(api.OpenSession{PIN: "999999"}); err == nil {
				t.Fatal("wrong and in")
			}
		}
		if st := d.State(); st.WaitMS != time.Hour.Milliseconds() {
			t.Errorf("locked out: %+v", st)
		}
		d = newDoor(t, mem)
		if st := d.State(); !st.Locked || st.WaitMS != time.Hour.Milliseconds() {
			t.Errorf("a restart ends the lock-out: %+v", st)
		}
		for _, line := range d.lines() {
			if strings.Contains(line, testPIN) || strings.Contains(line, "9999") {
				t.Errorf("a PIN is on record: %s", line)
			}
		}
		_ = mem.PutSetting("access.pin", []byte("{"))
		if st := newDoor(t, mem).State(); st.Setup || st.PINSet {
			t.Errorf("a damaged record: %+v", st)
		}
	})
}

// TestSessionNeverOutlivesItsLimits: whatever a screen calls in whatever order, a session lives at most SessionLimit, and
// at most SessionIdle after the last sign of life.
func TestSessionNeverOutlivesItsLimits(t *testing.T) {
	type step struct {
		wait time.Duration
		do   int
	}
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{time.Duration(rapid.Int64Range(0, int64(7*time.Minute)).Draw(rt, "wait")), rapid.IntRange(0, 2).Draw(rt, "do")}
		}), 1, 20).Draw(rt, "steps")
		var wrong string
		synctest.Test(t, func(t *testing.T) {
			d := newDoor(t, &memory{})
			now := time.Now()
			d.sessions.mu.Lock() // opened: the hash is another test's matter
			d.id, d.by, d.since, d.until = "X", "ada", now, now.Add(api.SessionIdle)
			d.timer = time.AfterFunc(api.SessionIdle, d.expire)
			d.sessions.mu.Unlock()
			opened, sign := now, now
			for _, s := range steps {
				time.Sleep(s.wait)
				want := time.Since(opened) < api.SessionLimit && time.Since(sign) < api.SessionIdle
				synctest.Wait()
				if d.lives("X") != want || d.open() != want {
					wrong = "it lives"
					if want {
						wrong = "it is dead"
					}
					break
				}
				if _, err := d.Use("X", s.do == 0); (err == nil) != want {
					wrong = "Use says otherwise"
				}
				if s.do == 0 && want {
					sign = time.Now()
				}
				if !want {
					break
				}
			}
			d.quit()
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// screen talks to the consumer's socket of a unit in virtual time.
type screen struct {
	v       *virtual
	h       http.Handler
	session string
}

func (s *screen) call(method, path, body string) (int, string) {
	s.v.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(context.Background())
	r.Host = localhttp.UnixHost
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if s.session != "" {
		r.Header.Set(api.SessionHeader, s.session)
	}
	rec := httptest.NewRecorder()
	s.h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

func (s *screen) want(status int, method, path, body string) string {
	s.v.t.Helper()
	code, got := s.call(method, path, body)
	if code != status {
		s.v.t.Errorf("%s %s: %d %s, want %d", method, path, code, got, status)
	}
	return got
}

// TestScreenSession: from the first-run wizard to a test pour, over the consumer's socket.
func TestScreenSession(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		s := &screen{v: v, h: v.a.server.Handler(false)}
		bev := v.some("water.still", "", "")
		order := func(source string) string {
			b, _ := json.Marshal(api.StartPour{Beverage: bev, TargetUL: 100_000, Mode: api.ModePortion, Source: source})
			return string(b)
		}
		if got := s.want(200, "GET", "/v1/session", ""); got != `{"pin_set":false,"setup":true,"open":false}`+"\n" {
			t.Error(got)
		}
		for _, path := range []string{"/v1/service/lines", "/v1/service/cartridges", "/v1/service/alarms", "/v1/service/audit", "/v1/service/overview", "/v1/service/logs", "/v1/service/config", "/v1/service/diag", "/v1/service/setups"} {
			s.want(401, "GET", path, "")
		}
		s.want(401, "POST", "/v1/service/ops", `{"kind":"rinse"}`)
		s.want(200, "GET", "/v1/service/setup", "")
		body, late := io.Pipe() // of a request that was let through before there was a PIN
		slow := make(chan int)
		go func() {
			r := httptest.NewRequest("POST", "/v1/service/setup/pin", body)
			r.Host = localhttp.UnixHost
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.h.ServeHTTP(w, r)
			slow <- w.Code
		}()
		synctest.Wait()
		s.want(400, "POST", "/v1/service/setup/pin", `{"value":"123456"}`)
		s.want(200, "POST", "/v1/service/setup/pin", `{"value":"`+testPIN+`"}`)
		s.want(401, "GET", "/v1/service/setup", "") // the wizard ran once
		_, _ = io.WriteString(late, `{"value":"739215"}`)
		_ = late.Close()
		if code := <-slow; code != 401 {
			t.Errorf("a wizard that was overtaken sets the PIN: %d", code)
		}
		s.want(401, "POST", "/v1/service/setup/pin", `{"value":"739215"}`)
		s.want(403, "POST", "/v1/session", `{"pin":"739215"}`)

		p, err := v.start(bev, 240_000)
		if err != nil {
			t.Fatal(err)
		}
		v.await("flowing", 10*time.Second, func() bool { return v.a.machine.State().PouredUL > 0 })
		s.want(409, "POST", "/v1/session", `{"pin":"`+testPIN+`"}`) // never during a pour
		v.ended(p.ID)

		var opened api.Session
		if err := json.Unmarshal([]byte(s.want(201, "POST", "/v1/session", `{"pin":"`+testPIN+`","person":"ada"}`)), &opened); err != nil {
			t.Fatal(err)
		}
		if snap := v.a.view.Snapshot(); snap.Unit != api.UnitOutOfOrder || snap.Reason != reasonService {
			t.Errorf("consumers see %s %s", snap.Unit, snap.Reason)
		}
		s.want(401, "GET", "/v1/service/lines", "")
		s.want(409, "POST", "/v1/pours", order(wire.SourceTouch))
		if got := s.want(409, "POST", "/v1/rinse", ""); !strings.Contains(got, "crew") { // hands may be at the nozzle
			t.Error(got)
		}
		s.want(403, "POST", "/v1/pours", order(wire.SourceService))
		s.session = "wrong"
		s.want(401, "GET", "/v1/service/lines", "")
		s.want(403, "POST", "/v1/pours", order(wire.SourceService))
		s.session = opened.ID
		s.want(200, "GET", "/v1/service/lines", "")
		s.want(200, "POST", "/v1/session/"+opened.ID+"/touch", "")
		s.want(409, "POST", "/v1/pours", order(wire.SourceTouch))
		v.plant.NewCup()
		time.Sleep(50 * time.Millisecond)
		var test api.Pour
		if err := json.Unmarshal([]byte(s.want(201, "POST", "/v1/pours", order(wire.SourceService))), &test); err != nil {
			t.Fatal(err)
		}
		for v.a.machine.Beat(test.ID) == nil {
			time.Sleep(api.BeatEvery)
		}
		if test = v.ended(test.ID); test.Source != wire.SourceService || test.Outcome != string(wire.Completed) {
			t.Errorf("test pour: %+v", test)
		}
		s.want(200, "POST", "/v1/service/setup/language", `{"value":"de"}`)
		s.want(204, "DELETE", "/v1/session/"+opened.ID, "")
		s.want(401, "GET", "/v1/service/lines", "")
		s.want(404, "GET", "/v1/session/"+opened.ID, "")
		if snap := v.a.view.Snapshot(); snap.Unit != api.UnitReady {
			t.Errorf("after the session: %s %s", snap.Unit, snap.Reason)
		}
		v.pour(bev, 100_000)
		trail, err := v.a.audit.List()
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		for _, e := range slices.Backward(trail) {
			seen = append(seen, e.Person+": "+e.Action+": "+strings.SplitN(e.Result, ":", 2)[0])
		}
		want := []string{"screen: setup pin: refused", "screen: setup pin: done", "screen: setup pin: refused", "screen: open session: refused", "ada: open session: done", "ada: setup language: done", "ada: end session: done"}
		if !slices.Equal(seen, want) {
			t.Errorf("the trail: %q, want %q", seen, want)
		}
	})
}
