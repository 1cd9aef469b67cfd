// Package postgrestest gives tests a PostgreSQL server of their own, reachable by a socket in its directory only.
//
//	Main (TestMain) ─ runs the tests, then stops the server
//	Database(t) ──► starts it once for the process ──► address of an empty database
//
// It imports the standard library and the driver. It owns the server it started.
package postgrestest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named "pgx"
)

// startLimit is how long a server may take until it answers.
const startLimit = 30 * time.Second

var shared struct {
	sync.Mutex
	srv       *server
	databases int
}

// Main runs the tests and stops the server, if one was started. It returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.srv != nil {
		shared.srv.stop()
	}
	return code
}

// Database returns the address of an empty database. The test is skipped where PostgreSQL is not installed.
func Database(t *testing.T) string {
	t.Helper()
	if binary("initdb") == "" {
		t.Skip("SKIPPED: PostgreSQL is not installed; make test-interop installs it")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.srv == nil {
		srv, err := start()
		if err != nil {
			t.Fatal(err)
		}
		shared.srv = srv
	}
	shared.databases++
	name := "t" + strconv.Itoa(shared.databases)
	if err := shared.srv.exec(t.Context(), `CREATE DATABASE `+name); err != nil {
		t.Fatal(err)
	}
	return shared.srv.address(name)
}

type server struct {
	dir string
	cmd *exec.Cmd
}

func start() (_ *server, err error) {
	dir, err := os.MkdirTemp("", "fountain-postgres-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	setup := exec.Command(binary("initdb"), "-D", filepath.Join(dir, "data"), "-U", "fountain", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	if err := asUser(setup, dir); err != nil {
		return nil, err
	}
	if out, err := setup.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	cmd := exec.Command(binary("postgres"), "-D", filepath.Join(dir, "data"), "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200")
	if err := asUser(cmd, dir); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.cmd = cmd
	for deadline := time.Now().Add(startLimit); ; time.Sleep(50 * time.Millisecond) {
		if err := s.exec(context.Background(), `SELECT 1`); err == nil {
			return s, nil
		} else if time.Now().After(deadline) {
			return nil, err
		}
	}
}

func (s *server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		_ = s.cmd.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

// address of a database; the password is for tests that look for it in what is printed.
func (s *server) address(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword("fountain", Password), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode(),
	}).String()
}

// Password is in every address. The server does not ask for it; it must appear in no output.
const Password = "not-for-logs"

// exec runs a statement in the database that every server has.
func (s *server) exec(ctx context.Context, statement string) error {
	db, err := sql.Open("pgx", s.address("postgres"))
	if err != nil {
		return err
	}
	defer db.Close() // nothing is written by it
	_, err = db.ExecContext(ctx, statement)
	return err
}

// binary finds a program of PostgreSQL; Debian keeps them out of PATH.
func binary(name string) string {
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
