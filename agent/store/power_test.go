//go:build linux && (amd64 || arm64)

package store

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fountain/internal/crash"
)

// powerCuts is how many cuts a test makes, over all scenes.
func powerCuts() int {
	switch {
	case long():
		return 1500
	case testing.Short():
		return len(scenes)
	}
	return 5 * len(scenes)
}

// fileCuts is what a traced life did to its files, after a history that is on the disk for good.
type fileCuts struct {
	*crash.Files
	history []string
}

func (c fileCuts) Notes(n int) []string {
	return append(c.history[:len(c.history):len(c.history)], c.Files.Notes(n)...)
}

func (c fileCuts) After(string) int { return 0 }

// cutFiles plays a scene and cuts its power n times, by the calls it made.
func cutFiles(t *testing.T, n int, sc scene, rnd *rand.Rand) *faults {
	t.Helper()
	dir := t.TempDir()
	notes, err := os.Create(filepath.Join(dir, "notes"))
	if err != nil {
		t.Fatal(err)
	}
	defer notes.Close()
	s := &stage{t: t, dir: filepath.Join(dir, "store"), seed: rnd.Uint64(), notes: notes, spared: map[place]bool{}}
	if err := os.MkdirAll(filepath.Join(s.dir, badDir), 0o700); err != nil {
		t.Fatal(err)
	}
	l := s.begin(sc)
	said, err := os.ReadFile(notes.Name())
	if err != nil {
		t.Fatal(err)
	}
	l.Trace = filepath.Join(dir, "trace")
	s.live(l)
	files, err := crash.LoadFiles(l.Trace)
	if err != nil {
		t.Fatal(err)
	}
	// The store knows state.db by its inode: what a cut leaves of it goes into the very file.
	state := filepath.Join(dir, "state")
	if err := os.Link(filepath.Join(s.dir, stateFile), state); err != nil {
		t.Fatal(err)
	}
	c := fileCuts{files, strings.Split(strings.TrimSpace(string(said)), "\n")}
	image := filepath.Join(dir, "image")
	return s.cutPower(n, c, sc, rnd, func(at int) (string, func()) {
		if err := layFiles(image, state, files.Cut(at, rnd)); err != nil {
			t.Fatal(err)
		}
		return image, func() {
			if err := os.RemoveAll(image); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// layFiles makes a directory of what a cut left.
func layFiles(dir, state string, left []crash.Left) error {
	if err := os.MkdirAll(filepath.Join(dir, badDir), 0o700); err != nil {
		return err
	}
	for _, x := range left {
		first := filepath.Join(dir, x.Names[0])
		if x.Names[0] == stateFile {
			if err := errors.Join(os.WriteFile(state, x.Data, 0o600), os.Link(state, first)); err != nil {
				return err
			}
		} else if err := os.WriteFile(first, x.Data, 0o600); err != nil {
			return err
		}
		for _, name := range x.Names[1:] {
			if err := os.Link(first, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestPowerLossFiles cuts the power of a store at every kind of moment, by the calls it makes: what was not flushed may be
// there, torn at 512 bytes, or missing. Nothing durable is lost, the store opens within 2 s, tells no damage, and goes on.
// 5 cuts a scene, 1,500 in all with FOUNTAIN_LONG.
func TestPowerLossFiles(t *testing.T) {
	inPlace := slices.DeleteFunc(slices.Clone(scenes), func(sc scene) bool { return sc.copies }) // Files knows one directory
	cutScenes(t, powerCuts(), inPlace, cutFiles)
}

// cutScenes plays the scenes and fails for every fault.
func cutScenes(t *testing.T, n int, list []scene, cut func(*testing.T, int, scene, *rand.Rand) *faults) {
	lives(t)
	first := seed(t)
	t.Logf("FOUNTAIN_SEED=%d", first)
	var all faults
	for i, sc := range list {
		all.merge(cut(t, n/len(list), sc, rand.New(rand.NewPCG(first, uint64(i)))))
	}
	t.Logf("%d cuts: %v", n/len(list)*len(list), &all)
	if len(all.count) > 0 {
		t.Error(&all)
	}
}

// mistakes are what cuts of the power must find.
var mistakes = []scene{
	{name: "no fsync", wrong: noFsync, caught: []string{isLost}},
	{name: "unlink before the cursor", wrong: unlinkFirst, caught: []string{isDamaged, isMoved}},
}

func catchMistakes(t *testing.T, cut func(*testing.T, int, scene, *rand.Rand) *faults) {
	lives(t)
	first := seed(t)
	for i, sc := range mistakes {
		f := cut(t, 300, sc, rand.New(rand.NewPCG(first, uint64(i))))
		if !slices.ContainsFunc(sc.caught, func(kind string) bool { return f.count[kind] > 0 }) {
			t.Errorf("%s: not caught: %v", sc.name, f)
			continue
		}
		t.Logf("%s: caught: %v", sc.name, f)
	}
}

// TestPowerLossFilesCatchesMistakes plants the mistakes that only a cut of the power finds.
func TestPowerLossFilesCatchesMistakes(t *testing.T) { catchMistakes(t, cutFiles) }

// aloneEnv is set in the process that has a mount namespace of its own.
const aloneEnv = "FOUNTAIN_STORE_TEST_ALONE"

// alone runs the test in a process with a mount namespace of its own, and returns true there. Everything mounted goes
// with it.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) != "" {
		return true
	}
	lives(t)
	if err := crash.CanDisk(); err != nil {
		t.Skip("a disk whose power is cut needs root, /dev/fuse and loop devices (TestPowerLossFiles needs none): ", err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=50m")
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	cmd.SysProcAttr = crash.Private()
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

const diskSize = 16 << 20

// cutDisk plays a scene on ext4 and cuts its power n times, by what reached the disk.
func cutDisk(t *testing.T, n int, sc scene, rnd *rand.Rand) *faults {
	t.Helper()
	dir := t.TempDir()
	empty, err := crash.Ext4(t.Context(), diskSize)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	options := []string{"data=ordered", "data=writeback"}[rnd.IntN(2)]
	d, err := crash.NewDisk(dir, "ext4", options, empty)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: filepath.Join(d.Mount, "store"), seed: rnd.Uint64(), notes: d.Notes, spared: map[place]bool{}}
	l := s.begin(sc)
	lerr := s.lead(l)
	happened, err := d.Close()
	if err := errors.Join(lerr, err); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("image", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	writes, flushes := happened.Counts()
	t.Logf("%s (%s): %d writes, %d flushes", sc.name, options, writes, flushes)
	return s.cutPower(n, happened, sc, rnd, func(at int) (string, func()) {
		if _, err := unix.Pwrite(fd, happened.Cut(at, rnd), 0); err != nil {
			t.Fatal(err)
		}
		if err := crash.MountImage(fd, d.Mount, "ext4", options); err != nil {
			t.Fatalf("%s, cut after step %d: %v", sc.name, at, err)
		}
		return s.dir, func() {
			if err := unix.Unmount(d.Mount, 0); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestPowerLossDisk is TestPowerLossFiles on a real ext4, whose journal is replayed on what a cut left of the disk.
func TestPowerLossDisk(t *testing.T) {
	if alone(t) {
		cutScenes(t, powerCuts(), scenes, cutDisk)
	}
}

// TestPowerLossDiskCatchesMistakes plants the mistakes there.
func TestPowerLossDiskCatchesMistakes(t *testing.T) {
	if alone(t) {
		catchMistakes(t, cutDisk)
	}
}
