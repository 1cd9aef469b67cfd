package sim

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"time"

	"fountain/internal/problem"
)

// The state file outlives kill -9 of the plant: two places of 64 KiB, written in turn with one pwrite each, so that a
// write cut short spoils only the newer one. Each place: magic, length, sequence number, CRC32C of the rest, JSON.
const (
	stateMagic = 0x31545346 // "FST1"
	statePlace = 64 << 10
	stateHead  = 24
	stateEvery = 4 * time.Millisecond  // while something changes
	stateIdle  = 10 * time.Millisecond // how soon a first change is seen; a valve needs longer to open
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// StateWriter keeps a file up to date with a plant.
type StateWriter struct {
	p    *Plant
	f    *os.File
	seq  uint64
	seen uint64
	buf  []byte
}

// NewStateWriter creates the file at path, replacing what is there, and writes the first state.
func NewStateWriter(p *Plant, path string) (*StateWriter, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeNotWritable, Where: path, What: "the state file cannot be written: " + err.Error(), Remedy: "choose a --state path in a directory that exists and is writable"}
	}
	w := &StateWriter{p: p, f: f}
	if err := w.write(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// Run writes every change within about 4 ms (the first after a rest within 10 ms) until ctx ends, then the last state, and closes the file.
func (w *StateWriter) Run(ctx context.Context) error {
	timer := time.NewTimer(stateIdle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.Join(w.write(), w.f.Close())
		case <-timer.C:
			if w.p.Changes() == w.seen {
				timer.Reset(stateIdle)
				continue
			}
			timer.Reset(stateEvery)
			if err := w.write(); err != nil {
				return errors.Join(err, w.f.Close())
			}
		}
	}
}

func (w *StateWriter) write() error {
	w.p.mu.Lock()
	now := w.p.now()
	w.p.advance(now)
	w.seen = w.p.changes
	s := w.p.state(now)
	w.p.mu.Unlock()
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if len(body) > statePlace-stateHead {
		return fmt.Errorf("write state: %d bytes do not fit", len(body))
	}
	w.seq++
	le := binary.LittleEndian
	b := le.AppendUint32(w.buf[:0], stateMagic)
	b = le.AppendUint32(b, uint32(len(body)))
	b = le.AppendUint64(b, w.seq)
	b = le.AppendUint32(b, crc32.Checksum(body, castagnoli))
	b = le.AppendUint32(b, 0)
	w.buf = append(b, body...)
	if _, err := w.f.WriteAt(w.buf, int64(w.seq%2)*statePlace); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// ReadState returns the newest whole state in the file at path, also while a plant writes it or after it was killed.
func ReadState(path string) (State, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return State{}, &problem.Problem{Code: problem.CodeNotFound, Where: path, What: "no plant state file", Remedy: "start fountain-plant with --state " + path}
		}
		return State{}, fmt.Errorf("read plant state: %w", err)
	}
	var newest []byte
	var seq uint64
	for at := 0; at+stateHead <= len(b); at += statePlace {
		h := b[at:]
		n := int(binary.LittleEndian.Uint32(h[4:]))
		if binary.LittleEndian.Uint32(h) != stateMagic || n > len(h)-stateHead || n > statePlace-stateHead {
			continue
		}
		body := h[stateHead : stateHead+n]
		if s := binary.LittleEndian.Uint64(h[8:]); s > seq && crc32.Checksum(body, castagnoli) == binary.LittleEndian.Uint32(h[16:]) {
			newest, seq = body, s
		}
	}
	if newest == nil {
		return State{}, &problem.Problem{Code: problem.CodeDamaged, Where: path, What: "no whole state in the file", Remedy: "give the file a plant wrote by --state"}
	}
	var s State
	if err := json.Unmarshal(newest, &s); err != nil {
		return State{}, fmt.Errorf("read plant state %s: %w", path, err)
	}
	return s, nil
}
