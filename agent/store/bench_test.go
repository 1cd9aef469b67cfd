//go:build linux

package store

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// record is as large as a pour of four ingredients.
var record = []byte(`{"v":1,"id":"01KB2V9Y3M6Q0R8T5W7X1Z4A2C","thing":"fountain-demo-0001","log":"lq2w3e4r5t6y7","seq":123456,` +
	`"boot":"3f1c2b9a-7d58-4e61-9c0f-5a2b8d7e6f10","started":"2026-11-22T20:59:38.123Z","clock":"trusted","duration_ms":5120,` +
	`"beverage":"kolvane.zero","catalogue":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","target_ul":355000,` +
	`"parts":[{"ingredient":"water.sparkling","ul":296000,"how":"metered"},{"ingredient":"kolvane-zero.syrup","cartridge":"C-000417","ul":59000,"how":"strokes"}],` +
	`"counted_ul":355000,"outcome":"completed","source":"touch","sw":"1.0.0","rig":"hw"}`)

// BenchmarkAppend prints the median of a durable append, and its ratio to the floor: one 4 KiB pwrite and fdatasync on a
// written file, taken in turns in the same run (spec/store.md 1.1: plain bbolt 2.3).
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
			floor := newFloor(b)
			var appends, floors []time.Duration
			for b.Loop() {
				t0 := time.Now()
				floor.write(b)
				t1 := time.Now()
				if _, err := s.Append(context.Background(), "", func(string, uint64) ([]byte, error) { return record, nil }); err != nil {
					b.Fatal(err)
				}
				floors, appends = append(floors, t1.Sub(t0)), append(appends, time.Since(t1))
			}
			slices.Sort(appends)
			slices.Sort(floors)
			mid := len(appends) / 2
			b.ReportMetric(float64(appends[mid].Microseconds()), "append-p50-µs")
			b.ReportMetric(float64(appends[len(appends)*99/100].Microseconds()), "append-p99-µs")
			b.ReportMetric(float64(appends[mid])/float64(floors[mid]), "x-floor")
		})
	}
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

func (w *floorFile) write(b *testing.B) {
	var page [4096]byte
	page[0] = byte(w.n)
	if _, err := w.f.WriteAt(page[:], w.n%1024*4096); err != nil {
		b.Fatal(err)
	}
	w.n++
	if err := syscall.Fdatasync(int(w.f.Fd())); err != nil {
		b.Fatal(err)
	}
}
