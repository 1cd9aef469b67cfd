//go:build linux && (amd64 || arm64)

package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fountain/internal/crash"
)

// openEnv names the directory that this test binary, started again, opens after a power cut; it tells what it found.
const openEnv = "FOUNTAIN_STORE_TEST_OPEN"

// openLimit is how long opening, reading and a pour may take after a power cut.
const openLimit = 2 * time.Second

// openFromEnv is main of the child that opens.
func openFromEnv(dir string) error {
	err := crash.Watch(false, func(c crash.Call) crash.Answer {
		if c.Op == crash.Sync {
			return crash.Pretend // nobody cuts the power again, and flushing is what takes the time
		}
		return crash.Go
	})
	if err != nil {
		return err
	}
	var x found
	if err := x.look(dir); err != nil {
		x.Err = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(x)
}

// look opens the store, reads everything, pours once and does so again.
func (x *found) look(dir string) error {
	began := time.Now()
	s, err := Open(dir, (&life{}).options())
	if err != nil {
		return err
	}
	x.OpenedMS = time.Since(began).Seconds() * 1000
	if err := s.Verify(context.Background()); err != nil {
		return err
	}
	if x.Records, err = everything(s); err != nil {
		return err
	}
	if x.Held, err = rejectedPlaces(s); err != nil {
		return err
	}
	open, err := s.OpenIntents()
	if err != nil {
		return err
	}
	for _, in := range open {
		x.Intents = append(x.Intents, in.ID)
	}
	setting, _, err := s.Setting("torture")
	if err != nil {
		return err
	}
	x.Setting, x.Logs = string(setting), s.Logs()
	for _, d := range s.Damages() {
		x.Damages = append(x.Damages, fmt.Sprintf("%s %d-%d: %v", filepath.Base(d.File), d.FirstSeq, d.LastSeq, d.Err))
	}
	_, err = s.Append(context.Background(), "", func(log string, seq uint64) ([]byte, error) {
		x.Next = place{log, seq}
		return bodyOf(log, seq, "after"), nil
	})
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if s, err = Open(dir, (&life{}).options()); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	again, err := everything(s)
	if err != nil {
		return fmt.Errorf("again: %w", err)
	}
	want := maps.Clone(x.Records)
	want[x.Next.String()] = string(bodyOf(x.Next.Log, x.Next.Seq, "after"))
	if !maps.Equal(again, want) || len(s.Damages()) > 0 {
		x.Again = fmt.Sprintf("%d records, want %d, damages %v", len(again), len(want), s.Damages())
	}
	return s.Close()
}

// everything reads all logs.
func everything(s *Store) (map[string]string, error) {
	out := map[string]string{}
	for _, l := range s.Logs() {
		for from := uint64(1); ; {
			list, err := s.ReadLog(l.Log, from, 100, 1<<20)
			if err != nil {
				return nil, err
			}
			if len(list) == 0 {
				break
			}
			for _, e := range list {
				out[place{e.Log, e.Seq}.String()] = string(e.Body)
				from = e.Seq + 1
			}
		}
	}
	return out, nil
}

// openAfterCut opens the directory in a process of its own, which a hang cannot take along.
func openAfterCut(ctx context.Context, dir string, limit time.Duration) (x found, hung bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), openEnv+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return x, true, nil
	case err != nil:
		x.Err = fmt.Sprintf("the process ended: %v: %s", err, tail(stderr.Bytes(), 2000))
		return x, false, nil
	}
	return x, false, json.Unmarshal(stdout.Bytes(), &x)
}

// cuts is what happened on a disk or to files, and can be cut anywhere.
type cuts interface {
	Len() int
	After(note string) int
	Notes(n int) []string
}

// scene is a life whose power is cut, after some history.
type scene struct {
	name    string
	history func(*stage)
	copies  bool     // the life backs up and restores
	damaged bool     // the history damaged a file
	wrong   wrong    // planted in the life whose power is cut
	caught  []string // by these: enough cuts were made
}

var scenes = []scene{
	{name: "from its creation"},
	{name: "opened again", history: func(s *stage) { s.live(life{Pours: 20}) }},
	{name: "after a kill", history: func(s *stage) {
		for _, kill := range []life{{Pours: 12}, {KillIn: "roll", KillAt: 21}, {KillIn: "append", KillAt: 8}, {KillIn: "intent", KillAt: 2}} {
			kill.Pours = 20
			s.live(kill)
		}
	}},
	{name: "after a kill in a commit", history: func(s *stage) {
		s.live(life{Pours: 20, KillIn: "append", KillOp: crash.Sync, KillAt: 20})
	}},
	{name: "salvaging the newest segment", damaged: true, history: func(s *stage) {
		s.live(life{Pours: 22, KillIn: "append", KillAt: 90, Keep: true})
		s.spoilSegment(-1)
	}},
	{name: "salvaging an older segment", damaged: true, history: func(s *stage) {
		s.live(life{Pours: 30, KillIn: "append", KillAt: 120, Keep: true})
		s.spoilSegment(1)
	}},
	{name: "salvaging state.db", damaged: true, history: func(s *stage) {
		s.live(life{Pours: 20, KillIn: "append", KillAt: 80})
		s.spoil(filepath.Join(s.dir, stateFile))
	}},
	{name: "backing up and restoring", copies: true},
	{name: "on another board", history: func(s *stage) { s.live(life{Pours: 15, Board: "old"}) }},
}

// stage is where a scene is played.
type stage struct {
	t      testing.TB
	dir    string // of the store
	seed   uint64
	lives  int
	notes  *os.File
	spared map[place]bool
	wrong  wrong
}

// live leads one life to its end, or to its kill.
func (s *stage) live(l life) {
	s.t.Helper()
	if err := s.lead(l); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) lead(l life) error {
	l.Dir, l.Number, l.Seed, l.Alone = s.dir, s.lives, s.seed, true
	s.lives++
	env, err := json.Marshal(l)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), lifeEnv+"="+string(env))
	cmd.ExtraFiles = []*os.File{s.notes}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signal() == syscall.SIGKILL && l.KillAt > 0 && ctx.Err() == nil {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("life %d: %w: %s", l.Number, err, tail(out, 4000))
	}
	return nil
}

// spoil damages a file where it matters.
func (s *stage) spoil(path string) {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte(`{"log":`)) // the body of a record
	if at < 0 {
		at = pageHead + 4
	}
	b[at+3] ^= 0x40
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := f.WriteAt(b[at:at+8], int64(at)); err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// spoilSegment damages one of the segments; -1 is the newest. What it held may be lost from now on.
func (s *stage) spoilSegment(i int) {
	s.t.Helper()
	all := files(s.t, s.dir, "seg-*")
	if len(all) < 3 {
		s.t.Fatalf("only the segments %v", all)
	}
	path := all[(i+len(all))%len(all)]
	m := segmentName.FindStringSubmatch(filepath.Base(path))
	var first uint64
	if _, err := fmt.Sscan(strings.TrimLeft(m[2], "0"), &first); err != nil {
		s.t.Fatal(err)
	}
	for seq := first; seq < first+segmentOfLives; seq++ {
		s.spared[place{m[1], seq}] = true
	}
	s.spoil(path)
}

// begin plays the history up to the life whose power is cut, which it returns.
func (s *stage) begin(sc scene) life {
	s.t.Helper()
	s.wrong = sc.wrong
	if sc.history != nil {
		sc.history(s)
	}
	if _, err := s.notes.WriteString("power on"); err != nil {
		s.t.Fatal(err)
	}
	return life{Pours: 25, Copies: sc.copies, Damaged: sc.damaged, Wrong: sc.wrong, Board: "board"}
}

// noteSteps lists the steps after which there was a promise, by kinds of promises.
func noteSteps(c cuts, from int) (out [][]int) {
	kinds := map[string][]int{}
	for i, had := from, len(c.Notes(from)); i <= c.Len(); i++ {
		if notes := c.Notes(i); len(notes) > had {
			had = len(notes)
			word, _, _ := strings.Cut(notes[had-1], " ")
			kinds[word] = append(kinds[word], i)
		}
	}
	for _, word := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, kinds[word])
	}
	return out
}

// cutPower cuts n times at random moments after the history, and judges what lay leaves in a directory each time.
func (s *stage) cutPower(n int, c cuts, sc scene, rnd *rand.Rand, lay func(n int) (dir string, clean func())) *faults {
	s.t.Helper()
	all := &faults{}
	from := c.After("power on")
	slowest, made := 0.0, 0
	anchors := noteSteps(c, from)
	for range n {
		at := 0
		switch rnd.IntN(4) {
		case 0:
			at = from + rnd.IntN(c.Len()-from+1)
		case 1: // while it opens what the history left
			at = min(c.Len(), from+rnd.IntN(40))
		default: // soon after a promise of a kind: rare things are hit as often as frequent ones
			steps := anchors[rnd.IntN(len(anchors))]
			at = min(c.Len(), steps[rnd.IntN(len(steps))]+rnd.IntN(16))
		}
		p := newPromises()
		for _, note := range c.Notes(at) {
			p.hear(strings.TrimSpace(note))
		}
		look := func(limit time.Duration) (found, bool) {
			dir, clean := lay(at)
			defer clean()
			x, hung, err := openAfterCut(s.t.Context(), dir, limit)
			if err != nil {
				s.t.Fatal(err)
			}
			return x, hung
		}
		x, hung := look(openLimit)
		if hung {
			s.t.Logf("%s, cut after step %d of %d: not open after %v; once more, the host may have stalled", sc.name, at, c.Len(), openLimit)
			x, hung = look(openLimit)
		}
		if hung {
			all.add(isHung, "%s, cut after step %d of %d", sc.name, at, c.Len())
			continue
		}
		slowest = max(slowest, x.OpenedMS)
		f := p.check(&x, sc.damaged, s.spared)
		for kind := range f.count {
			f.first[kind] = fmt.Sprintf("%s, cut after step %d of %d: %s", sc.name, at, c.Len(), f.first[kind])
		}
		all.merge(f)
		if made++; slices.ContainsFunc(sc.caught, func(kind string) bool { return all.count[kind] > 0 }) {
			break
		}
	}
	s.t.Logf("%s: %d cuts in %d steps, slowest open %.1f ms: %v", sc.name, made, c.Len()-from, slowest, all)
	return all
}
