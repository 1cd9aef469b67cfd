//go:build linux && (amd64 || arm64)

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/agent/store"
	"fountain/internal/crash"
)

var backlogFigures = []string{
	"store/append_backlog", "store/append_drained", "store/bytes", "store/bytes_backlog", "store/bytes_drained",
	"store/open_cold", "store/rss_fill", "store/rss_drain", "store/drain_written", "store/space_returned",
}

// measureBacklog fills a store with records nobody acknowledges (1,000,000 with FOUNTAIN_LONG, else 50,000), empties it,
// and compares it at each step with an empty one, in turns. As root it works on an ext4 of its own, on a loop device in
// memory, and counts what is written to that device; else what the kernel says this process wrote, which is more.
func measureBacklog(t *testing.T, emit func(Figure)) {
	job := backlogJob{Dir: t.TempDir(), Records: 50_000, Body: record(t, "fountain-demo-0001", 1), Device: crash.CanDisk() == nil}
	drained := "value<=0.5"
	if long() {
		job.Records, drained = 1_000_000, "value<=8"
	}
	env, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), backlogEnv+"="+string(env))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if job.Device {
		cmd.SysProcAttr = crash.Private()
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var r backlogResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	counted := "to the block device"
	if !job.Device {
		counted = "by /proc/self/io, not the device (needs root)"
	}
	with := fmt.Sprintf("with %d unsent records", job.Records)
	latency := func(name, when string, x turns) {
		emit(Figure{Name: name, Value: x.FullP50, Unit: "ms p50 " + when, Goal: "ratio<=1.1"}.
			Times(fmt.Sprintf("an empty store, in turns: %s ms (p99 %s and %s ms; 4 KiB pwrite and fdatasync %s ms)",
				short(x.EmptyP50), short(x.FullP99), short(x.EmptyP99), short(x.FloorP50)), x.FullP50/x.EmptyP50))
	}
	latency("store/append_backlog", with, r.With)
	latency("store/append_drained", "after draining them", r.After)
	emit(Figure{Name: "store/bytes", Value: r.BytesEmpty, Unit: "B written per pour " + counted, Goal: "ratio<=7.3"}.
		Over("4 KiB pwrite and fdatasync", r.BytesFloor))
	emit(Figure{Name: "store/bytes_backlog", Value: r.BytesWith, Unit: "B " + with, Goal: "ratio<=1.1"}.Over("store/bytes", r.BytesEmpty))
	emit(Figure{Name: "store/bytes_drained", Value: r.BytesAfter, Unit: "B after draining them", Goal: "ratio<=1.1"}.Over("store/bytes", r.BytesEmpty))
	emit(Figure{Name: "store/open_cold", Value: r.OpenMS, Unit: "ms " + with + ", files not in memory", Goal: "value<=20"}.
		Over("an empty store, in turns", r.OpenEmptyMS))
	emit(Figure{Name: "store/rss_fill", Value: r.FillRSS, Unit: "MiB above idle at most, filling", Goal: "value<=16"})
	emit(Figure{Name: "store/rss_drain", Value: r.DrainRSS, Unit: "MiB above idle at most, draining", Goal: "value<=16"})
	emit(Figure{Name: "store/drain_written", Value: r.DrainMiB, Unit: fmt.Sprintf("MiB to drain %s MiB", short(r.SpaceFull)), Goal: drained})
	emit(Figure{Name: "store/space_returned", Value: r.Returned, Unit: "% of the space of the backlog", Goal: "value>=99"})
}

// backlogEnv makes this test binary, started again, the process that is measured: nothing else is in its memory.
const backlogEnv = "FOUNTAIN_BENCH_BACKLOG"

type backlogJob struct {
	Dir     string
	Records int
	Body    []byte
	Device  bool
}

// turns are medians and 99th percentiles of appends to an empty and a full store, and of the floor, in ms.
type turns struct{ EmptyP50, EmptyP99, FullP50, FullP99, FloorP50 float64 }

type backlogResult struct {
	With, After                                   turns
	BytesFloor, BytesEmpty, BytesWith, BytesAfter float64 // per pour
	OpenEmptyMS, OpenMS, FillRSS, DrainRSS        float64
	FillS, DrainS, DrainMiB                       float64
	SpaceFull, Returned                           float64
}

// backlogRun is the process that is measured.
type backlogRun struct {
	backlogJob
	written     func() (float64, error) // bytes so far
	empty, full *store.Store
	floor       *os.File
}

func backlogFromEnv(env string) error {
	b := &backlogRun{}
	if err := json.Unmarshal([]byte(env), &b.backlogJob); err != nil {
		return err
	}
	r, err := b.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (b *backlogRun) run() (r backlogResult, err error) {
	if err := b.prepare(); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.empty.Close(), b.full.Close(), b.floor.Close()) }()
	idle, err := b.idle()
	if err != nil {
		return r, err
	}
	space, err := spaceOf(b.path("full"))
	if err != nil {
		return r, err
	}
	if r.BytesFloor, err = b.floorBytes(); err != nil {
		return r, err
	}
	if r.BytesEmpty, err = b.bytes(b.empty); err != nil {
		return r, err
	}
	if r.FillS, r.FillRSS, err = b.peak(idle, b.fill); err != nil {
		return r, err
	}
	full, err := spaceOf(b.path("full"))
	if err != nil {
		return r, err
	}
	r.SpaceFull = full / (1 << 20)
	if r.BytesWith, err = b.bytes(b.full); err != nil {
		return r, err
	}
	if r.With, err = b.turns(); err != nil {
		return r, err
	}
	if r.OpenEmptyMS, r.OpenMS, err = b.openCold(); err != nil {
		return r, err
	}
	before, err := b.written()
	if err != nil {
		return r, err
	}
	if r.DrainS, r.DrainRSS, err = b.peak(idle, b.drain); err != nil {
		return r, err
	}
	after, err := b.written()
	if err != nil {
		return r, err
	}
	r.DrainMiB = (after - before) / (1 << 20)
	left, err := spaceOf(b.path("full"))
	if err != nil {
		return r, err
	}
	r.Returned = 100 * (full - left) / (full - space)
	if r.BytesAfter, err = b.bytes(b.full); err != nil {
		return r, err
	}
	r.After, err = b.turns()
	return r, err
}

func (b *backlogRun) path(name string) string { return filepath.Join(b.Dir, name) }

// prepare mounts the device and opens both stores with a record each.
func (b *backlogRun) prepare() (err error) {
	b.written = processWrites
	if b.Device {
		image, err := crash.Ext4(context.Background(), 256<<20+int64(b.Records)*1200)
		if err != nil {
			return err
		}
		defer image.Close()
		if err := crash.MountImage(int(image.Fd()), b.Dir, "ext4", "data=ordered"); err != nil {
			return err
		}
		b.written = func() (float64, error) { return deviceWrites(b.Dir) }
	}
	if b.empty, err = store.Open(b.path("empty"), store.Options{}); err != nil {
		return err
	}
	if b.full, err = store.Open(b.path("full"), store.Options{}); err != nil {
		return err
	}
	if b.floor, err = os.Create(b.path("floor")); err != nil {
		return err
	}
	if _, err := b.floor.Write(make([]byte, 4<<20)); err != nil {
		return err
	}
	if err := b.floor.Sync(); err != nil {
		return err
	}
	return errors.Join(b.pour(b.empty), b.pour(b.full))
}

func (b *backlogRun) pour(s *store.Store) error {
	_, err := s.Append(context.Background(), "", func(string, uint64) ([]byte, error) { return b.Body, nil })
	return err
}

func (b *backlogRun) page(i int) error {
	var page [4096]byte
	page[0] = byte(i)
	if _, err := b.floor.WriteAt(page[:], int64(i%1024)*4096); err != nil {
		return err
	}
	return unix.Fdatasync(int(b.floor.Fd()))
}

// idle is the resident memory of a process that has poured a little.
func (b *backlogRun) idle() (mib float64, err error) {
	for range 200 {
		if err := errors.Join(b.pour(b.empty), b.pour(b.full)); err != nil {
			return 0, err
		}
	}
	debug.FreeOSMemory()
	return memory("VmRSS")
}

// peak runs fn and returns the seconds it took and the highest resident memory above idle meanwhile.
func (b *backlogRun) peak(idle float64, fn func() error) (s, mib float64, err error) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the highest begins anew
		return 0, 0, err
	}
	began := time.Now()
	if err := fn(); err != nil {
		return 0, 0, err
	}
	s = time.Since(began).Seconds()
	high, err := memory("VmHWM")
	return s, high - idle, err
}

// floorBytes are written per page.
func (b *backlogRun) floorBytes() (float64, error) {
	const pages = 1000
	from, err := b.written()
	if err != nil {
		return 0, err
	}
	for i := range pages {
		if err := b.page(i); err != nil {
			return 0, err
		}
	}
	to, err := b.written()
	return (to - from) / pages, err
}

// bytes are written per pour over the whole life of one segment.
func (b *backlogRun) bytes(s *store.Store) (float64, error) {
	roll := func() (n int, err error) {
		for segments := s.Stats().Segments; s.Stats().Segments == segments && err == nil; n++ {
			err = b.pour(s)
		}
		return n, err
	}
	if _, err := roll(); err != nil {
		return 0, err
	}
	from, err := b.written()
	if err != nil {
		return 0, err
	}
	n, err := roll()
	if err != nil {
		return 0, err
	}
	to, err := b.written()
	return (to - from) / float64(n), err
}

// turns appends to both stores and to the floor, one after the other.
func (b *backlogRun) turns() (turns, error) {
	var floor, empty, full []float64
	for i := range 3000 {
		for _, x := range []struct {
			to *[]float64
			do func() error
		}{
			{&floor, func() error { return b.page(i) }},
			{&empty, func() error { return b.pour(b.empty) }},
			{&full, func() error { return b.pour(b.full) }},
		} {
			began := time.Now()
			if err := x.do(); err != nil {
				return turns{}, err
			}
			*x.to = append(*x.to, time.Since(began).Seconds()*1000)
		}
	}
	return turns{
		Quantile(empty, 0.5), Quantile(empty, 0.99), Quantile(full, 0.5), Quantile(full, 0.99), Quantile(floor, 0.5),
	}, nil
}

func (b *backlogRun) fill() error {
	for st := b.full.Stats(); st.Pending < uint64(b.Records); st.Pending++ {
		if err := b.pour(b.full); err != nil {
			return err
		}
	}
	return nil
}

// openCold closes both stores in turns, has their files leave memory, and opens them again.
func (b *backlogRun) openCold() (empty, full float64, err error) {
	var few, many []float64
	for range 7 {
		for _, x := range []struct {
			store **store.Store
			name  string
			ms    *[]float64
		}{{&b.empty, "empty", &few}, {&b.full, "full", &many}} {
			if err := errors.Join((*x.store).Close(), evict(b.path(x.name))); err != nil {
				return 0, 0, err
			}
			began := time.Now()
			if *x.store, err = store.Open(b.path(x.name), store.Options{}); err != nil {
				return 0, 0, err
			}
			*x.ms = append(*x.ms, time.Since(began).Seconds()*1000)
		}
	}
	if st := b.full.Stats(); st.Pending < uint64(b.Records) {
		return 0, 0, fmt.Errorf("after opening: %+v", st)
	}
	return Quantile(few, 0.5), Quantile(many, 0.5), nil
}

// evict has the files of a directory leave memory.
func evict(dir string) error {
	list, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		return err
	}
	for _, path := range list {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// drain is what uplink and ledger do with a backlog: read it in order, acknowledge in steps, retire what is old.
func (b *backlogRun) drain() error {
	const step = 2000
	later := time.Now().Add(2 * store.DefaultRetain)
	sent := b.full.Acked()
	for {
		list, err := b.full.Read(sent+1, 200, 128<<10)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			sent = list[len(list)-1].Seq
		}
		if sent < b.full.Acked()+step && len(list) > 0 {
			continue
		}
		if err := b.full.SetAcked(sent); err != nil {
			return err
		}
		if _, err := b.full.Retire(context.Background(), later); err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
	}
}

// memory of this process in MiB: VmRSS or VmHWM.
func memory(what string) (float64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, what+": %f kB", &kb); n == 1 {
			return kb / 1024, nil
		}
	}
	return 0, fmt.Errorf("this process has no %s", what)
}

// spaceOf is what a directory takes on the disk, in bytes.
func spaceOf(dir string) (sum float64, err error) {
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &st)
		}
		sum += float64(st.Blocks) * 512
		return err
	})
	return sum, err
}

// deviceWrites are the bytes written so far to the block device of a directory.
func deviceWrites(dir string) (float64, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := errors.Join(unix.Syncfs(fd), unix.Fstat(fd, &st)); err != nil {
		return 0, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	var sectors float64
	if len(fields) > 6 {
		_, err = fmt.Sscan(fields[6], &sectors)
	}
	return sectors * 512, err
}

// processWrites are the bytes this process caused to be written so far, as the kernel says.
func processWrites() (float64, error) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	var n float64
	_, rest, _ := strings.Cut(string(b), "\nwrite_bytes: ")
	_, err = fmt.Sscan(rest, &n)
	return n, err
}
