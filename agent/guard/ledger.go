package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"fountain/internal/atomicfile"
	"fountain/internal/logkey"
	"fountain/internal/strictjson"
)

// LedgerName is the file of the resets under the state directory.
const LedgerName = "guard.resets"

const (
	maxResets    = 3              // a day (DESIGN 3)
	day          = 24 * time.Hour // of running time
	ledgerEvery  = 10 * time.Minute
	ledgerSchema = 1
	ledgerSize   = 4 << 10 // a good file has 200 bytes
)

// Ledger counts the resets that the guard let the watchdog do because the agent was down, over reboots, so that a bad
// configuration is no reboot loop.
//
// The wall clock may be wrong after every reboot, so a day is 24 hours of running time: the sum of the monotonic clocks of
// all boots, written every ten minutes while there is a reset to forget. What a boot ran after its last entry is lost, and
// time without power does not count: a day is never shorter than a real one. A boot is known by the kernel's boot id, so
// that a guard that starts again in the same boot goes on where it was.
//
// A file that cannot be read, or is none of ours, counts as a full day's resets just done: a damaged disk may be the very
// reason why the agent does not start. It is replaced, so that the unit forgets after a day. A missing file is a new
// unit. Without the count on the disk there is no leave.
type Ledger struct {
	path string
	boot string
	now  func() time.Duration
	log  *slog.Logger
	save func(path string, b []byte, mode os.FileMode) error // atomicfile.Write; tests of days spare the disk

	ask    chan struct{}
	answer chan bool

	up     time.Duration   // running time at the clock's zero of this boot
	resets []time.Duration // running times of the resets, oldest first
}

// ledgerFile is the file's content; times in ms.
type ledgerFile struct {
	Schema int     `json:"schema"`
	Boot   string  `json:"boot"`   // who wrote it
	At     int64   `json:"at_ms"`  // monotonic clock of that boot
	Up     int64   `json:"up_ms"`  // running time then
	Resets []int64 `json:"resets"` // running times
}

// OpenLedger reads the file at path. boot is the kernel's boot id; now is its monotonic clock, as hal.Pacer has it.
func OpenLedger(path, boot string, now func() time.Duration, log *slog.Logger) *Ledger {
	l := &Ledger{
		path: path, boot: boot, now: now, log: log, save: atomicfile.Write,
		ask:    make(chan struct{}, 1), // one question at a time; another one is the same
		answer: make(chan bool, 1),     // the loop does not wait, so Run must not either
	}
	if err := l.read(); err != nil {
		log.Warn("count of resets is damaged: none is left for today", slog.String(logkey.Path, path), slog.Any(logkey.Err, err))
		l.up, l.resets = 0, nil
		for range maxResets {
			l.resets = append(l.resets, l.running())
		}
		if err := l.write(); err != nil {
			log.Warn("count of resets cannot be written", slog.String(logkey.Path, path), slog.Any(logkey.Err, err))
		}
	}
	return l
}

// running is the machine's running time over all boots.
func (l *Ledger) running() time.Duration { return l.up + l.now() }

func (l *Ledger) read() error {
	f, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, ledgerSize)
	n, err := f.Read(b)
	if err != nil {
		return err
	}
	var c ledgerFile
	if err := strictjson.Known(bytes.NewReader(b[:n]), &c); err != nil {
		return err
	}
	if c.Schema != ledgerSchema || c.Boot == "" || c.At < 0 || c.Up < c.At || len(c.Resets) > maxResets {
		return fmt.Errorf("no count of resets: %+v", c)
	}
	last := int64(0)
	for _, r := range c.Resets {
		if r < last || r > c.Up {
			return fmt.Errorf("resets out of order: %+v", c)
		}
		last = r
		l.resets = append(l.resets, time.Duration(r)*time.Millisecond)
	}
	l.up = time.Duration(c.Up) * time.Millisecond
	if c.Boot == l.boot {
		at := time.Duration(c.At) * time.Millisecond
		if at > l.now() {
			return fmt.Errorf("written %v after the present", at-l.now())
		}
		l.up -= at
	}
	return nil
}

func (l *Ledger) write() error {
	now := l.now()
	c := ledgerFile{Schema: ledgerSchema, Boot: l.boot, At: now.Milliseconds(), Up: (l.up + now).Milliseconds(), Resets: []int64{}}
	for _, r := range l.resets {
		c.Resets = append(c.Resets, min(r.Milliseconds(), c.Up))
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return l.save(l.path, append(b, '\n'), 0o644)
}

// forget drops the resets that are more than a day ago.
func (l *Ledger) forget() {
	for len(l.resets) > 0 && l.running()-l.resets[0] >= day {
		l.resets = l.resets[1:]
	}
}

// Ask implements Resets.
func (l *Ledger) Ask() {
	select {
	case <-l.answer: // to a question nobody waits for any more
	default:
	}
	select {
	case l.ask <- struct{}{}:
	default: // the last question is still being answered
	}
}

// Answer implements Resets.
func (l *Ledger) Answer() (granted, done bool) {
	select {
	case g := <-l.answer:
		return g, true
	default:
		return false, false
	}
}

// Run answers until ctx ends. It owns the file; the disk may be slow, so it runs beside the guard's loop.
func (l *Ledger) Run(ctx context.Context) {
	t := time.NewTicker(ledgerEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.ask:
			granted := l.grant()
			select {
			case <-l.answer: // never read
			default:
			}
			l.answer <- granted
		case <-t.C:
			l.age()
		}
	}
}

// age notes how long the machine has run, so that a reset grows old over reboots.
func (l *Ledger) age() {
	if len(l.resets) == 0 {
		return // nothing to forget: spare the flash
	}
	l.forget()
	if err := l.write(); err != nil {
		l.log.Warn("count of resets cannot be written", slog.String(logkey.Path, l.path), slog.Any(logkey.Err, err))
	}
}

// grant counts one more reset, if the day has one left and the count can be written.
func (l *Ledger) grant() bool {
	l.forget()
	if len(l.resets) >= maxResets {
		return false
	}
	l.resets = append(l.resets, l.running())
	if err := l.write(); err != nil {
		l.resets = l.resets[:len(l.resets)-1]
		l.log.Error("count of resets cannot be written: no reset without it", slog.String(logkey.Path, l.path), slog.Any(logkey.Err, err))
		return false
	}
	return true
}
