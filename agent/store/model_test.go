package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what a store should hold, in the simplest form.
type model struct {
	records []string // record of seq i+1: the intent it closed
	acked   uint64
	applied uint64
	open    map[string]bool
	setting string
	kept    uint64 // records below this one may have been retired
}

// The store agrees with the model after any sequence of intents, appends, acknowledgements, retirements and reopenings.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "store-model-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		o := Options{SegmentCount: rapid.IntRange(1, 5).Draw(t, "segment"), Now: func() time.Time { return now }}
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		log := s.Log()
		m := model{open: map[string]bool{}, kept: 1}
		last := func() uint64 { return uint64(len(m.records)) }
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				id := ""
				if ids := sorted(m.open); len(ids) > 0 && rapid.Bool().Draw(t, "close") {
					id = rapid.SampledFrom(ids).Draw(t, "intent")
				}
				seq, err := s.Append(t.Context(), id, func(l string, q uint64) ([]byte, error) { return body(l, q), nil })
				if err != nil || seq != last()+1 {
					t.Fatalf("seq %d, %v, want %d", seq, err, last()+1)
				}
				m.records = append(m.records, id)
				delete(m.open, id)
			},
			"intent": func(t *rapid.T) {
				id := fmt.Sprintf("i%03d", next)
				next++
				if err := s.PutIntent(id, []byte(id)); err != nil {
					t.Fatal(err)
				}
				m.open[id] = true
			},
			"drop": func(t *rapid.T) {
				if ids := sorted(m.open); len(ids) > 0 {
					id := rapid.SampledFrom(ids).Draw(t, "intent")
					if err := s.DropIntent(id); err != nil {
						t.Fatal(err)
					}
					delete(m.open, id)
				}
			},
			"ack": func(t *rapid.T) {
				upto := rapid.Uint64Range(0, last()+1).Draw(t, "upto")
				err := s.SetAcked(upto)
				if (upto > last()) != errors.Is(err, ErrAckAhead) || err != nil && upto <= last() {
					t.Fatalf("SetAcked(%d) of %d: %v", upto, last(), err)
				}
				if err == nil {
					m.acked = max(m.acked, upto)
				}
			},
			"apply": func(t *rapid.T) {
				upto := rapid.Uint64Range(0, last()).Draw(t, "upto")
				m.setting = fmt.Sprint("state of ", upto)
				if err := s.MarkApplied(log, upto, "book", []byte(m.setting)); err != nil {
					t.Fatal(err)
				}
				m.applied = max(m.applied, upto)
			},
			"wait": func(*rapid.T) { now = now.Add(20 * 24 * time.Hour) },
			"retire": func(t *rapid.T) {
				n, err := s.Retire(t.Context(), now)
				if err != nil {
					t.Fatal(err)
				}
				if m.kept += uint64(n * o.SegmentCount); m.kept > m.acked+1 {
					t.Fatalf("records from %d are left, %d are acknowledged", m.kept, m.acked)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(dir, o); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				st := s.Stats()
				if st.Log != log || st.Last != last() || st.Acked != m.acked || st.Pending != last()-m.acked || st.Damaged != 0 {
					t.Fatalf("stats %+v, model %+v", st, m)
				}
				list, err := s.Read(1, 1000, 1<<20)
				if err != nil || uint64(len(list)) != last()+1-m.kept {
					t.Fatalf("read %d records, %v, want %d to %d", len(list), err, m.kept, last())
				}
				for i, e := range list {
					if e.Seq != m.kept+uint64(i) || e.Intent != m.records[e.Seq-1] || string(e.Body) != string(body(log, e.Seq)) {
						t.Fatalf("record %d is %+v", m.kept+uint64(i), e)
					}
				}
				intents, err := s.OpenIntents()
				if err != nil {
					t.Fatal(err)
				}
				var ids []string
				for _, in := range intents {
					ids = append(ids, in.ID)
				}
				if !slices.Equal(ids, sorted(m.open)) {
					t.Fatalf("open intents %v, want %v", ids, sorted(m.open))
				}
				folded := max(m.applied, m.kept-1)
				err = s.Fold(func(e Entry) error {
					if folded++; e.Seq != folded {
						return fmt.Errorf("folded %d, want %d", e.Seq, folded)
					}
					return nil
				})
				if err != nil || folded != max(last(), m.applied) {
					t.Fatalf("folded up to %d, %v", folded, err)
				}
				if v, _, err := s.Setting("book"); err != nil || string(v) != m.setting {
					t.Fatalf("setting %q, %v, want %q", v, err, m.setting)
				}
			},
		})
	})
}

func sorted(set map[string]bool) []string {
	var out []string
	for id := range set {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
