package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/lifeline"
)

// Before a file is mapped it is verified twice: by walk, which never maps it and always ends, and, where Options.Check is
// set, by bbolt itself in another process. bbolt trusts what it maps: a page that is not what it says, a sector that
// cannot be read or a loop of pages can end that process or keep it busy for ever, but not this one.
//
//	Open ──Check──► child: walk, bbolt opens, checks and reads everything ──exit code, one JSON line──► sound | damaged
//	                  └── killed after CheckLimit ──────────────────────────────────────────────────► damaged
//
// Only state.db and the newest segment are ever mapped, so a start costs two children at most, whatever the backlog.

// CheckLimit is how long a child may look at one file.
const CheckLimit = 2 * time.Second

// startLimit is how long a child may take to begin: a machine that is starting up is busy.
const startLimit = 10 * time.Second

// verdict is what a child says of a file.
type verdict struct {
	Damage string `json:"damage,omitempty"`
}

// began is the child's first line.
const began = "verifying"

// CheckFile verifies one file as the child of a Checker, and returns the process's exit code: 0 sound, or nothing that a
// child could judge; 1 damaged.
func CheckFile(path string, stdout io.Writer) int {
	if ctx, err := lifeline.Watch(context.Background(), os.Getenv); err == nil {
		context.AfterFunc(ctx, func() { os.Exit(1) }) // nobody is left to end one that loops
	}
	if _, err := fmt.Fprintln(stdout, began); err != nil {
		return 0 // nobody asks any more
	}
	err := readThrough(path)
	if err == nil || isNewer(err) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	_ = json.NewEncoder(stdout).Encode(verdict{Damage: err.Error()}) // the exit code says as much
	return 1
}

// readThrough walks a file and has bbolt read all of it.
func readThrough(path string) error {
	name := filepath.Base(path)
	if m := segmentName.FindStringSubmatch(name); m != nil {
		first, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			return err
		}
		g := &segment{log: m[1], first: first, path: path}
		if _, err := g.scan(func(frame) {}); err != nil {
			return err
		}
	} else if err := checkState(path); err != nil {
		return err
	}
	o := boltOptions(0)
	o.ReadOnly, o.PreLoadFreelist = true, true
	db, err := bbolt.Open(path, 0o600, o)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(_, v []byte) error {
				_, err := decodeFrame(v)
				return err
			})
		})
	})
	return errors.Join(err, db.Close())
}

// Checker makes an Options.Check that runs argv with the path of the file behind it; that process calls CheckFile. It
// may look at the file for limit. A process that cannot be started judges nothing: note is told, and the walk of this
// process has to do.
func Checker(limit time.Duration, note func(error), argv ...string) func(path string) error {
	return func(path string) error {
		c, err := startChild(append(append([]string(nil), argv...), path))
		if err != nil {
			note(fmt.Errorf("verify %s in a process of its own: %w", path, err))
			return nil
		}
		return c.judge(limit)
	}
}

// child is a process that looks at a file.
type child struct {
	cmd    *exec.Cmd
	life   *os.File      // it ends when this is closed, at the latest with this process
	begins chan struct{} // closed by its first line
	ended  chan error    // one result of its Wait
	said   []byte        // on its standard output, behind the first line; read after ended
}

func startChild(argv []string) (*child, error) {
	end, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer end.Close() // the child has it
	c := &child{cmd: exec.Command(argv[0], argv[1:]...), life: life, begins: make(chan struct{}), ended: make(chan error, 1)}
	c.cmd.Env = append(os.Environ(), "GOTRACEBACK=none", lifeline.EnvFD+"=3")
	c.cmd.ExtraFiles = []*os.File{end}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, life.Close())
	}
	go func() { // ends with the child; nobody waits for one that hangs in the kernel
		r := bufio.NewReader(out)
		if line, err := r.ReadString('\n'); err == nil && line == began+"\n" {
			close(c.begins)
		}
		c.said, _ = io.ReadAll(io.LimitReader(r, 4<<10)) // the exit code counts
		_, _ = io.Copy(io.Discard, r)
		err := c.cmd.Wait()
		_ = c.life.Close() // nothing was written
		c.ended <- err
	}()
	return c, nil
}

// judge waits for the child's verdict: nil is sound.
func (c *child) judge(limit time.Duration) error {
	patience := time.NewTimer(startLimit)
	defer patience.Stop()
	begins := c.begins
	for {
		select {
		case <-begins:
			begins = nil
			patience.Reset(limit)
		case err := <-c.ended:
			var exit *exec.ExitError
			if err == nil {
				return nil
			}
			var v verdict
			if errors.As(err, &exit) && exit.ExitCode() == 1 && json.Unmarshal(c.said, &v) == nil && v.Damage != "" {
				return structural("%s", v.Damage)
			}
			return structural("reading it ended the process that verified it: %v", err)
		case <-patience.C:
			_ = c.cmd.Process.Kill() // it may have ended just now
			return structural("verifying it took more than %s", limit)
		}
	}
}

// checked runs scan after another process, if there is one to ask, has found the file sound.
func (s *Store) checked(path string, scan func() (uint64, error)) (uint64, error) {
	if s.o.Check != nil {
		if err := s.o.Check(path); err != nil {
			return 0, err
		}
	}
	return scan()
}
