package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/internal/problem"
)

const good = "482915"

// memory is a store's settings; what is put survives the PIN that put it.
type memory struct {
	m    map[string][]byte
	fail error
	puts int
}

func (s *memory) Setting(k string) ([]byte, bool, error) { b, ok := s.m[k]; return b, ok, nil }

func (s *memory) PutSetting(k string, v []byte) error {
	if s.fail != nil {
		return s.fail
	}
	s.puts++
	s.m[k] = bytes.Clone(v)
	return nil
}

func newMemory() *memory { return &memory{m: map[string][]byte{}} }

func code(err error) string {
	if err == nil {
		return ""
	}
	return problem.From(err).Code
}

// TestNoDefaultPIN: no secret is built in. Peers: reef-pi ships a user, a password and a cookie key.
func TestNoDefaultPIN(t *testing.T) {
	p := Open(newMemory(), Config{})
	if p.State().Set {
		t.Error("a new unit has a PIN")
	}
	for _, guess := range []string{"", "0000", "1234", "000000", "123456"} {
		if got := code(p.Verify(guess)); got != problem.CodeNotFound {
			t.Errorf("%q: %s", guess, got)
		}
	}
}

func TestVerifyAndRestart(t *testing.T) {
	store := newMemory()
	p := Open(store, Config{})
	if err := p.Set(good); err != nil {
		t.Fatal(err)
	}
	if raw := store.m[settingPIN]; bytes.Contains(raw, []byte(good)) {
		t.Fatalf("the PIN itself is stored: %s", raw)
	}
	for _, p := range []*PIN{p, Open(store, Config{})} {
		if err := p.Verify(good); err != nil {
			t.Error(err)
		}
		if got := code(p.Verify("482916")); got != problem.CodeForbidden {
			t.Errorf("a wrong one: %s", got)
		}
		if err := p.Verify(good); err != nil {
			t.Error(err)
		}
		if st := p.State(); !st.Set || st.Failures != 0 || st.Wait != 0 {
			t.Errorf("state %+v", st)
		}
	}
	if err := p.Set("739164"); err != nil {
		t.Fatal(err)
	}
	if got := code(p.Verify(good)); got != problem.CodeForbidden {
		t.Errorf("the old PIN: %s", got)
	}
}

// Two units with the same PIN store different hashes, at the cost OWASP names.
func TestSaltAndCost(t *testing.T) {
	var hashes [][]byte
	for range 2 {
		store := newMemory()
		if err := Open(store, Config{}).Set(good); err != nil {
			t.Fatal(err)
		}
		r, err := decode(store.m[settingPIN])
		if err != nil {
			t.Fatal(err)
		}
		if r.Memory != 19456 || r.Passes != 2 || r.Lanes != 1 || len(r.Salt) != 16 || len(r.Hash) != 32 {
			t.Errorf("cost %d KiB, %d passes, %d lanes, salt %d, hash %d", r.Memory, r.Passes, r.Lanes, len(r.Salt), len(r.Hash))
		}
		hashes = append(hashes, r.Hash)
	}
	if bytes.Equal(hashes[0], hashes[1]) {
		t.Error("the same PIN has the same hash: no salt")
	}
}

// The ladder: two slips are free, then each wrong PIN waits longer; a restart begins the wait anew and forgets nothing.
func TestLadderOverRestarts(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory()
			p := Open(store, Config{})
			if err := p.Set(good); err != nil {
				t.Fatal(err)
			}
			want := []time.Duration{0, 0}
			want = append(want, waits[:]...)
			want = append(want, time.Hour, time.Hour)
			for i, wait := range want {
				if got := code(p.Verify("000001")); got != problem.CodeForbidden {
					t.Fatalf("wrong PIN %d: %s", i+1, got)
				}
				if restart {
					time.Sleep(wait / 2) // and the plug is pulled half way
					p = Open(store, Config{})
				}
				st := p.State()
				if st.Failures != i+1 || st.Wait != wait || st.Locked != (i+1 >= LockedAfter) {
					t.Fatalf("after %d wrong PINs: %+v, want a wait of %s", i+1, st, wait)
				}
				if wait == 0 {
					continue
				}
				time.Sleep(wait - time.Nanosecond)
				puts := store.puts
				if got := code(p.Verify(good)); got != problem.CodeBusy {
					t.Fatalf("the right PIN a moment too early: %q", got)
				}
				if store.puts != puts {
					t.Error("a try that was too early counts")
				}
				time.Sleep(time.Nanosecond)
			}
			if err := p.Verify(good); err != nil {
				t.Errorf("the right PIN after the wait: %v", err)
			}
			if st := p.State(); st.Failures != 0 || st.Locked {
				t.Errorf("after the right PIN: %+v", st)
			}
		})
	}
}

// Setting the wall clock does not shorten a wait: State and Verify know durations only. (synctest has one clock; that the
// record holds no time is what this shows.)
func TestRecordHoldsNoTime(t *testing.T) {
	store := newMemory()
	p := Open(store, Config{})
	if err := p.Set(good); err != nil {
		t.Fatal(err)
	}
	_ = p.Verify("000001")
	var fields map[string]any
	if err := json.Unmarshal(store.m[settingPIN], &fields); err != nil {
		t.Fatal(err)
	}
	for k := range maps.Keys(fields) {
		if !strings.Contains("v memory_kib passes lanes salt hash failures", k) {
			t.Errorf("the record holds %s", k)
		}
	}
}

func TestSetEndsALockOut(t *testing.T) {
	store := newMemory()
	p := Open(store, Config{})
	if err := p.Set(good); err != nil {
		t.Fatal(err)
	}
	r, _ := decode(store.m[settingPIN])
	r.Failures = LockedAfter
	store.m[settingPIN], _ = r.encode()
	p = Open(store, Config{})
	if st := p.State(); !st.Locked || st.Wait <= 0 {
		t.Fatalf("state %+v", st)
	}
	if err := p.Set("739164"); err != nil {
		t.Fatal(err)
	}
	if err := p.Verify("739164"); err != nil {
		t.Error(err)
	}
}

// A try is counted before it is judged: a store that takes nothing gives no try, and a power cut none for free.
func TestTriesAreCountedFirst(t *testing.T) {
	store := newMemory()
	p := Open(store, Config{})
	if err := p.Set(good); err != nil {
		t.Fatal(err)
	}
	store.fail = errors.New("disk is full")
	if err := p.Verify(good); err == nil || Refused(err) {
		t.Errorf("with a store that takes nothing: %v", err)
	}
	store.fail = nil
	before := store.puts
	_ = p.Verify("000001")
	if store.puts != before+1 {
		t.Errorf("%d writes for a wrong PIN, want the count before the hash", store.puts-before)
	}
	if r, _ := decode(store.m[settingPIN]); r.Failures != 1 {
		t.Errorf("%d failures are stored", r.Failures)
	}
}

func TestNeverDuringAPour(t *testing.T) {
	busy := false
	store := newMemory()
	p := Open(store, Config{Busy: func() bool { return busy }})
	if err := p.Set(good); err != nil {
		t.Fatal(err)
	}
	busy = true
	puts := store.puts
	if code(p.Verify(good)) != problem.CodeBusy || code(p.Verify("1")) != problem.CodeBusy || code(p.Set("739164")) != problem.CodeBusy {
		t.Error("a PIN is hashed while a pour is active")
	}
	if store.puts != puts {
		t.Error("something was stored while a pour is active")
	}
	busy = false
	if err := p.Verify(good); err != nil {
		t.Error(err)
	}
}

func TestDamagedRecord(t *testing.T) {
	store := newMemory()
	store.m[settingPIN] = []byte(`{"v":1,"memory_kib":19456`)
	p := Open(store, Config{})
	if got := code(p.Verify("")); got != problem.CodeDamaged || p.State().Set {
		t.Errorf("%s, %+v", got, p.State())
	}
	if err := p.Set(good); err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(good); err != nil {
		t.Error(err)
	}
}

func TestWeak(t *testing.T) {
	const serial = "FN-2026-000417"
	for _, pin := range []string{
		"", "1234", "0000", "48291", "4829155829155", "12a456", "48291٣", "111111", "000000", "123456", "654321", "234567", "890123", "098765",
		"135791", "121212", "123123", "112233", "998877", "123321", "12344321", "101010", "110011", "26000417", "2026000417", "000417",
		"20000417", "31121999", "12311999", "19991231", "147258", "159753", "1112222", "789456",
	} {
		if Weak(pin, serial) == "" {
			t.Errorf("%q is taken", pin)
		}
	}
	for _, pin := range []string{good, "739164", "000417", "80274951", "602184"} {
		if why := Weak(pin, "demo-0001"); why != "" {
			t.Errorf("%q: %s", pin, why)
		}
	}
	if err := Open(newMemory(), Config{Serial: serial}).Set("000417"); code(err) != problem.CodeBadRequest {
		t.Errorf("digits of the name plate: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	store := newMemory()
	if err := Open(store, Config{}).Set(good); err != nil {
		f.Fatal(err)
	}
	f.Add(store.m[settingPIN])
	f.Add([]byte(`{"v":1,"memory_kib":4294967295,"passes":4294967295,"lanes":255,"salt":"","hash":"","failures":-1}`))
	f.Add([]byte(`{}{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			return
		}
		if r.Memory > 64<<10 || r.Passes > 16 || !r.set() {
			t.Fatalf("accepted %+v", r)
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		if s, err := decode(again); err != nil || !bytes.Equal(s.Hash, r.Hash) || s.Failures != r.Failures {
			t.Fatalf("%s decodes to %+v, %v", again, s, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	p := Open(newMemory(), Config{})
	if err := p.Set(good); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := p.Verify(good); err != nil {
			b.Fatal(err)
		}
	}
}
