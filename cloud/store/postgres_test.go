package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fountain/internal/problem"
)

// server is a PostgreSQL of the test's own, reachable by a socket in its directory only.
type server struct {
	dir string
	cmd *exec.Cmd
}

var postgresOnce struct {
	sync.Mutex
	srv *server
	n   int
}

func TestMain(m *testing.M) {
	code := m.Run()
	if s := postgresOnce.srv; s != nil {
		s.stop()
	}
	os.Exit(code)
}

func postgresBin(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is constant
	if len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// asUser makes a command run as somebody else when we are root: PostgreSQL refuses root.
func asUser(cmd *exec.Cmd, dir string) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(dir, uid, gid)
}

func startPostgres() (*server, error) {
	dir, err := os.MkdirTemp("", "fountain-postgres-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	setup := exec.Command(postgresBin("initdb"), "-D", filepath.Join(dir, "data"), "-U", "fountain", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	if err := asUser(setup, dir); err != nil {
		return nil, err
	}
	if out, err := setup.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	s.cmd = exec.Command(postgresBin("postgres"), "-D", filepath.Join(dir, "data"), "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200")
	if err := asUser(s.cmd, dir); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		db, err := OpenPostgres(context.Background(), s.address("postgres"))
		if err == nil {
			return s, db.Close()
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, err
		}
	}
}

func (s *server) address(database string) string {
	return (&url.URL{Scheme: "postgres", User: url.User("fountain"), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}).String()
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// newPostgres is the address of an empty database.
func newPostgres(t *testing.T) string {
	t.Helper()
	if postgresBin("initdb") == "" {
		t.Skip("SKIPPED: PostgreSQL is not installed; make test-deps installs it")
	}
	postgresOnce.Lock()
	defer postgresOnce.Unlock()
	if postgresOnce.srv == nil {
		srv, err := startPostgres()
		if err != nil {
			t.Fatal(err)
		}
		postgresOnce.srv = srv
	}
	postgresOnce.n++
	name := "t" + strconv.Itoa(postgresOnce.n)
	admin, err := OpenPostgres(t.Context(), postgresOnce.srv.address("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.w.Exec(`CREATE DATABASE ` + name); err != nil {
		t.Fatal(err)
	}
	return postgresOnce.srv.address(name)
}

func TestPostgres(t *testing.T) {
	testContract(t, func(t *testing.T) Store {
		s, err := OpenPostgres(t.Context(), newPostgres(t))
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
	address := newPostgres(t)
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
	address := newPostgres(t)
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
		if !errors.As(err, &p) || p.Code != tc.code || p.Remedy == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
