//go:build linux

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// record is as large as a pour of four ingredients.
var record = []byte(`{"v":1,"id":"01KB2V9Y3M6Q0R8T5W7X1Z4A2C","thing":"fountain-demo-0001","log":"lq2w3e4r5t6y7","seq":123456,` +
	`"boot":"3f1c2b9a-7d58-4e61-9c0f-5a2b8d7e6f10","started":"2026-11-22T20:59:38.123Z","clock":"trusted","duration_ms":5120,` +
	`"beverage":"kolvane.zero","catalogue":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","target_ul":355000,` +
	`"parts":[{"ingredient":"water.sparkling","ul":296000,"how":"metered"},{"ingredient":"kolvane-zero.syrup","cartridge":"C-000417","ul":59000,"how":"strokes"}],` +
	`"counted_ul":355000,"outcome":"completed","source":"touch","sw":"1.0.0","rig":"hw"}`)

// BenchmarkAppend prints the median of a durable append and its ratios to what was done in turns with it in the same run:
// one 4 KiB page written and flushed in a written file (the floor), the pages and flushes of a commit of bbolt without
// bbolt (record, branch, branch, root; flush; meta; flush), and the same record put into a bbolt file with default options.
func BenchmarkAppend(b *testing.B) {
	for _, backlog := range []int{0, 50_000} {
		name := "empty"
		if backlog > 0 {
			name = "after 50k unacknowledged"
		}
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			fill(b, dir, backlog)
			start := time.Now()
			s := open(b, dir, Options{})
			b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "open-ms")
			floor, plain := newFloor(b), newPlain(b)
			turns := []struct {
				name string
				do   func() error
				took []time.Duration
			}{
				{name: "floor", do: func() error { return floor.write(1) }},
				{name: "commit", do: func() error { return errors.Join(floor.write(4), floor.write(1)) }},
				{name: "plain-bbolt", do: plain.put},
				{name: "append", do: func() error {
					_, err := s.Append(context.Background(), "", func(string, uint64) ([]byte, error) { return record, nil })
					return err
				}},
			}
			for b.Loop() {
				for i := range turns {
					began := time.Now()
					if err := turns[i].do(); err != nil {
						b.Fatal(err)
					}
					turns[i].took = append(turns[i].took, time.Since(began))
				}
			}
			for i := range turns {
				slices.Sort(turns[i].took)
			}
			mid := len(turns[0].took) / 2
			appends := turns[len(turns)-1].took
			b.ReportMetric(float64(appends[mid].Microseconds()), "append-p50-µs")
			b.ReportMetric(float64(appends[len(appends)*99/100].Microseconds()), "append-p99-µs")
			for _, x := range turns[:len(turns)-1] {
				b.ReportMetric(float64(appends[mid])/float64(x.took[mid]), "x-"+x.name)
			}
		})
	}
}

// plainBolt is bbolt as it comes: one Update for each record.
type plainBolt struct {
	db  *bbolt.DB
	seq uint64
}

func newPlain(b *testing.B) *plainBolt {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "plain.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return &plainBolt{db: db}
}

func (p *plainBolt) put() error {
	p.seq++
	return p.db.Update(func(tx *bbolt.Tx) error {
		k, err := tx.CreateBucketIfNotExists([]byte(bucketRecords))
		if err != nil {
			return err
		}
		return k.Put(seqKey(p.seq), record)
	})
}

// fill makes a store with n records without waiting for the disk at each.
func fill(b *testing.B, dir string, n int) {
	s := open(b, dir, Options{})
	for range n {
		if n > 0 && len(s.cur.segs) > 0 {
			s.cur.segs[len(s.cur.segs)-1].db.NoSync = true
		}
		if _, err := s.Append(context.Background(), "", func(string, uint64) ([]byte, error) { return record, nil }); err != nil {
			b.Fatal(err)
		}
	}
	closeNow(b, s)
}

type floorFile struct {
	f *os.File
	n int64
}

func newFloor(b *testing.B) *floorFile {
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(make([]byte, 4<<20)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	return &floorFile{f: f}
}

// write writes pages here and there and flushes them.
func (w *floorFile) write(pages int) error {
	var page [4096]byte
	for range pages {
		page[0] = byte(w.n)
		if _, err := w.f.WriteAt(page[:], w.n*7%1024*4096); err != nil {
			return err
		}
		w.n++
	}
	return syscall.Fdatasync(int(w.f.Fd()))
}
