package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/cloud/store/postgrestest"
	"fountain/internal/problem"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestPostgres(t *testing.T) {
	testContract(t, func(t *testing.T) Store {
		s, err := OpenPostgres(t.Context(), postgrestest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

// Two processes on one database: records of one log through both, and a reader that follows n misses nothing.
func TestPostgresShared(t *testing.T) {
	address := postgrestest.Database(t)
	var stores []*Postgres
	var opened sync.WaitGroup
	var mu sync.Mutex
	for range 3 { // at once: one makes the schema, the others wait
		opened.Go(func() {
			s, err := OpenPostgres(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			stores = append(stores, s)
		})
	}
	opened.Wait()
	if len(stores) != 3 {
		t.FailNow()
	}
	for _, s := range stores {
		defer s.Close()
	}
	const each = 400
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for q := 1; q <= each; q += 5 {
				var puts []Put
				for k := range 5 {
					puts = append(puts, put("u1", "a", uint64(q+k)), put(fmt.Sprintf("v%d", w), "a", uint64(q+k)))
				}
				if _, err := stores[w].Put(t.Context(), puts); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	var n int64
	var seen int
	for end := false; ; {
		ps, err := stores[2].After(t.Context(), n, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ps {
			n = p.N
		}
		seen += len(ps)
		if end && len(ps) == 0 {
			break
		}
		select {
		case <-done:
			end = true
		default:
		}
	}
	if seen != 3*each {
		t.Errorf("a follower saw %d records of %d", seen, 3*each)
	}
	if c, err := stores[0].Counts(t.Context()); err != nil || c != (Counts{Pours: 3 * each}) {
		t.Errorf("%+v %v", c, err)
	}
	if m, err := stores[1].Marks(t.Context(), "u1", 1); err != nil || m[0].Upto != each || m[0].Last != each {
		t.Errorf("%+v %v", m, err)
	}

	before := stores[1].Revision()
	if err := stores[0].CreateThing(t.Context(), Thing{Name: "new", Created: 1}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * revisionLife); stores[1].Revision() == before; time.Sleep(revisionLife / 10) {
		if time.Now().After(deadline) {
			t.Fatal("another process's change was not noticed")
		}
	}
}

func TestPostgresProblems(t *testing.T) {
	address := postgrestest.Database(t)
	s, err := OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.Exec(`UPDATE meta SET value = '99' WHERE key = 'schema'`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ address, code string }{
		"newer":    {address, problem.CodeNewerSchema},
		"nobody":   {"postgres://fountain:secret@localhost:1/none", problem.CodeUnreachable},
		"no sense": {"postgres://%zz", problem.CodeUnreachable},
		"no such":  {strings.Replace(address, "/t", "/none", 1), problem.CodeUnreachable},
	} {
		_, err := OpenPostgres(t.Context(), tc.address)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != tc.code || p.Remedy == "" || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), postgrestest.Password) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
