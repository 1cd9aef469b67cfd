//go:build linux && (amd64 || arm64)

package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fountain/internal/atomicfile"
	"fountain/internal/crash"
)

// lifeEnv holds the life (JSON) that this test binary, started again, leads. It gives its promises on descriptor 3, the
// ledger's answers come on 4, and 5 is a page of memory that says what it is doing.
const lifeEnv = "FOUNTAIN_STORE_TEST_LIFE"

// life is one process of a unit that has nothing but a store: people pour, the uplink delivers, the housekeeping retires.
type life struct {
	Dir    string
	Number int // names its intents
	Seed   uint64
	Pours  int // then it delivers everything and ends
	Board  string

	KillAt int      // at the n-th call, before it happens; 0: never
	KillOp crash.Op // counting these; empty: all
	KillIn string   // counting those of this phase; empty: of all
	Trace  string   // keep the calls with the promises in this file
	Alone  bool     // there is no ledger: the receiver has what it was sent
	Keep   bool     // nothing is delivered
	Copies bool     // backs up and restores between pours

	Damaged bool  // the directory was damaged: that is no fault
	Wrong   wrong // what it does wrong: the negative controls
}

// wrong is a planted mistake.
type wrong string

const (
	noFsync      wrong = "no fsync"
	unlinkFirst  wrong = "unlink before the cursor"
	ackReconnect wrong = "acknowledge on reconnect"
	ackAccepted  wrong = "acknowledge on PUBACK"
	noDedup      wrong = "no dedup key at the receiver"
)

// What the child is doing, for the page of memory.
var phases = []string{"start", "open", "intent", "append", "roll", "read", "acknowledge", "retire", "setting", "reject", "release", "rewind", "renew", "backup", "restore", "close"}

const segmentOfLives = 6 // records: it rolls often

func (l *life) options() Options {
	return Options{SegmentCount: segmentOfLives, LockTimeout: 5 * time.Second, Board: l.Board}
}

// teller is what a life says.
type teller struct {
	note    func(string)
	answers *bufio.Scanner
	page    []byte
}

func (t *teller) doing(phase string) {
	for i, p := range phases {
		if p == phase {
			t.page[0] = byte(i)
		}
	}
}

func (t *teller) notef(format string, args ...any) { t.note(fmt.Sprintf(format, args...)) }

// liveFromEnv is main of the child.
func liveFromEnv(env string) error {
	var l life
	if err := json.Unmarshal([]byte(env), &l); err != nil {
		return err
	}
	t := &teller{note: func(what string) {
		if _, err := syscall.Write(3, []byte(what+"\n")); err != nil {
			panic(err)
		}
	}}
	t.page = make([]byte, os.Getpagesize())
	if !l.Alone {
		t.answers = bufio.NewScanner(os.NewFile(4, "answers"))
		var err error
		if t.page, err = syscall.Mmap(5, 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err != nil {
			return err
		}
	}
	files, err := l.watch(t)
	if err != nil {
		return err
	}
	if err := l.live(t); err != nil {
		return err
	}
	if files != nil {
		return files.Save(l.Trace)
	}
	return nil
}

// watch kills, traces or lies at calls, as the life wants.
func (l *life) watch(t *teller) (files *crash.Files, err error) {
	if l.KillAt == 0 && l.Trace == "" && l.Wrong != noFsync {
		return nil, nil
	}
	if l.Trace != "" {
		if files, err = crash.NewFiles(l.Dir); err != nil {
			return nil, err
		}
		t.note = files.Note
	}
	left := l.KillAt
	return files, crash.Watch(files != nil, func(c crash.Call) crash.Answer {
		if !strings.HasPrefix(c.Path, l.Dir) {
			return crash.Go
		}
		lie := l.Wrong == noFsync && c.Op == crash.Sync
		if files != nil && !lie {
			files.Add(c)
		}
		if l.KillAt > 0 && (l.KillOp == "" || l.KillOp == c.Op) && (l.KillIn == "" || l.KillIn == phases[t.page[0]]) {
			if left--; left == 0 {
				t.page[1] = 1
				copy(t.page[2:], c.Op)
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {} // it never happens
			}
		}
		if lie || !l.Alone && c.Op == crash.Sync { // a killed process leaves its writes in the kernel, flushed or not
			return crash.Pretend
		}
		return crash.Go
	})
}

// living is a life with its store open.
type living struct {
	*life
	*teller
	s   *Store
	rnd *rand.Rand
}

func (l *life) live(t *teller) error {
	t.doing("open")
	s, err := Open(l.Dir, l.options())
	if err != nil {
		return err
	}
	if d := s.Damages(); len(d) > 0 && !l.Damaged && l.Wrong == "" {
		return fmt.Errorf("damages: %+v", d)
	}
	t.notef("opened %s %d %d %d", s.Log(), s.Last(), s.Acked(), len(s.Damages()))
	held, err := rejectedPlaces(s)
	if err != nil {
		return err
	}
	t.notef("held %s", strings.Join(held, ","))
	v := &living{l, t, s, rand.New(rand.NewPCG(l.Seed, uint64(l.Number)))}
	if err := v.run(); err != nil {
		return err
	}
	t.doing("close")
	return v.s.Close()
}

func (v *living) run() error {
	if err := v.deliver(); err != nil { // the link may be up before anybody pours
		return err
	}
	open, err := v.s.OpenIntents()
	if err != nil {
		return err
	}
	for _, in := range open { // what the last one left becomes a record, once
		if err := v.pour(in.ID); err != nil {
			return err
		}
	}
	if v.Wrong == ackReconnect {
		if err := v.s.SetAcked(v.s.Last()); err != nil {
			return err
		}
	}
	for n := range v.Pours {
		id := fmt.Sprintf("p%d-%d", v.Number, n)
		v.notef("begin %s", id)
		v.doing("intent")
		if err := v.s.PutIntent(id, []byte(id)); err != nil {
			return err
		}
		v.notef("intent %s", id)
		if v.rnd.IntN(12) == 0 {
			v.notef("drop %s", id)
			if err := v.s.DropIntent(id); err != nil {
				return err
			}
			v.notef("dropped %s", id)
			continue
		}
		if err := v.pour(id); err != nil {
			return err
		}
		if err := v.chores(n); err != nil {
			return err
		}
	}
	for range 100 {
		if err := v.deliver(); err != nil {
			return err
		}
		if v.s.Stats().Pending == 0 || v.Keep {
			return v.retire()
		}
	}
	return fmt.Errorf("undeliverable: %+v", v.s.Logs())
}

// chores are what happens between pours.
func (v *living) chores(n int) (err error) {
	if v.rnd.IntN(4) == 0 {
		err = v.deliver()
	}
	if v.rnd.IntN(5) == 0 && err == nil {
		err = v.retire()
	}
	if v.rnd.IntN(8) == 0 && err == nil {
		v.doing("setting")
		value := fmt.Sprintf("%d.%d", v.Number, n)
		v.notef("setting %s", value)
		if err = v.s.PutSetting("torture", []byte(value)); err == nil {
			v.notef("set %s", value)
		}
	}
	if v.rnd.IntN(8) == 0 && err == nil {
		err = v.reject(place{v.s.Log(), v.s.Last()})
	}
	if v.rnd.IntN(16) == 0 && err == nil {
		err = v.release()
	}
	if v.rnd.IntN(16) == 0 && err == nil {
		err = v.rewind()
	}
	if v.rnd.IntN(60) == 0 && err == nil {
		v.doing("renew")
		v.notef("renew %s", v.s.Log())
		if err = v.s.Renew(); err == nil {
			v.notef("renewed %s", v.s.Log())
		}
	}
	if v.Copies && v.rnd.IntN(12) == 0 && err == nil {
		if err = v.backUp(); err == nil && v.rnd.IntN(2) == 0 {
			err = v.restore()
		}
	}
	return err
}

// reject keeps a record that the receiver is said to refuse. It is delivered all the same: that is the uplink's business.
func (v *living) reject(at place) error {
	if at.Seq == 0 {
		return nil
	}
	v.doing("reject")
	v.notef("reject %v", at)
	err := v.s.Reject(Rejected{Log: at.Log, Seq: at.Seq, Reason: "torture"})
	v.notef("rejected %v", at)
	return err
}

// release gives one rejected record back, with which the mark of its log goes back too.
func (v *living) release() error {
	list := v.s.Rejects()
	if len(list) == 0 {
		return nil
	}
	r := list[v.rnd.IntN(len(list))]
	at := place{r.Log, r.Seq}
	v.doing("release")
	v.notef("release %v", at)
	_, err := v.s.Release(r.Log, r.Seq)
	v.notef("released %v", at)
	return err
}

// rewind makes acknowledged records pending again, as for a receiver that went back to a backup: all that are still here.
func (v *living) rewind() error {
	l := v.s.Logs()[v.rnd.IntN(len(v.s.Logs()))]
	upto := uint64(0)
	if l.Acked > 0 {
		upto = v.rnd.Uint64N(l.Acked)
	}
	v.doing("rewind")
	v.notef("rewind %v", place{l.Log, upto})
	return v.s.Rewind(l.Log, upto, uint64(v.Number))
}

// rejectedPlaces lists what is in quarantine, and fails when a body is not what was poured.
func rejectedPlaces(s *Store) (out []string, err error) {
	err = s.Rejected(func(r Rejected) error {
		if !bytes.Equal(r.Body, bodyOf(r.Log, r.Seq, r.Intent)) {
			return fmt.Errorf("rejected %s %d holds %q", r.Log, r.Seq, r.Body)
		}
		out = append(out, place{r.Log, r.Seq}.String())
		return nil
	})
	return out, err
}

func (v *living) backUp() (err error) {
	v.doing("backup")
	f, err := os.Create(v.Dir + ".backup.new")
	if err != nil {
		return err
	}
	if err := errors.Join(v.s.Backup(context.Background(), f, nil), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(v.Dir+".backup.new", v.Dir+".backup")
}

// restore puts the backup, which has everything, in the place of the store. A new log begins.
func (v *living) restore() error {
	v.doing("restore")
	v.notef("renew %s", v.s.Log())
	if err := v.s.Close(); err != nil {
		return err
	}
	f, err := os.Open(v.Dir + ".backup")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := Restore(v.Dir, f, false); err != nil {
		return err
	}
	if v.s, err = Open(v.Dir, v.options()); err != nil {
		return err
	}
	v.notef("renewed %s", v.s.Log())
	return removeReplaced(v.Dir)
}

// removeReplaced makes room: lives restore often.
func removeReplaced(dir string) error {
	list, err := filepath.Glob(dir + ".re*-*")
	for _, path := range list {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// bodyOf is the record of a place. Its length differs, so that pages fill differently.
func bodyOf(log string, seq uint64, id string) []byte {
	pad := 40 + (seq*7919+uint64(len(log)))%600
	return fmt.Appendf(nil, `{"log":%q,"seq":%d,"id":%q,"pad":%q}`, log, seq, id, strings.Repeat("x", int(pad)))
}

func (v *living) pour(id string) error {
	v.doing("append")
	if v.s.writer == nil || v.s.writer.full(v.s.o) {
		v.doing("roll")
	}
	log := ""
	seq, err := v.s.Append(context.Background(), id, func(l string, q uint64) ([]byte, error) {
		log = l
		v.notef("append %s %d %s", l, q, id)
		return bodyOf(l, q, id), nil
	})
	if err != nil {
		return err
	}
	if log == "" {
		return fmt.Errorf("%s has its record already", id)
	}
	v.notef("poured %s %d %s", log, seq, id)
	return nil
}

// deliver sends what is not acknowledged and takes the ledger's word.
func (v *living) deliver() error {
	for _, st := range v.s.Logs() {
		if st.Acked >= st.Last || v.Keep {
			continue
		}
		v.doing("read")
		list, err := v.s.ReadLog(st.Log, st.Acked+1, 16, 1<<20)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		for _, e := range list {
			v.notef("sent %s %d %s", e.Log, e.Seq, e.Body)
		}
		upto := list[len(list)-1].Seq
		if v.answers != nil {
			v.notef("ask %s", st.Log)
			if !v.answers.Scan() {
				return errors.New("the ledger is gone")
			}
			if _, err := fmt.Sscan(v.answers.Text(), &upto); err != nil {
				return err
			}
		}
		upto = min(upto, st.Last) // a forgotten log comes back with a released record
		v.notef("ledger %s %d", st.Log, upto)
		v.doing("acknowledge")
		if v.Wrong == unlinkFirst {
			if err := v.unlinkUpTo(st.Log, upto); err != nil {
				return err
			}
		}
		if err := v.s.SetAckedLog(st.Log, upto); err != nil {
			return err
		}
		v.notef("mark %s %d", st.Log, upto)
	}
	return nil
}

// unlinkUpTo is the mistake of retiring first and remembering afterwards.
func (v *living) unlinkUpTo(log string, upto uint64) error {
	l := v.s.find(log)
	for len(l.segs) > 1 && l.end(0) <= upto {
		if err := errors.Join(v.s.unlink(l, l.segs[0]), atomicfile.SyncDir(v.Dir)); err != nil {
			return err
		}
	}
	return nil
}

func (v *living) retire() error {
	v.doing("retire")
	_, err := v.s.Retire(context.Background(), time.Now().Add(2*DefaultRetain))
	return err
}
