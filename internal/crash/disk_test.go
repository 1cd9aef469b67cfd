//go:build linux && (amd64 || arm64)

package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// alone runs a test in a process with a mount namespace of its own; it returns true there.
func alone(t *testing.T) bool {
	t.Helper()
	const env = "FOUNTAIN_CRASH_TEST_ALONE"
	if os.Getenv(env) != "" {
		return true
	}
	if err := CanDisk(); err != nil {
		t.Skip("the disk whose power is cut needs root, /dev/fuse and loop devices: ", err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env+"=1")
	cmd.SysProcAttr = Private()
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// Nothing is left of a disk whose process is killed while it is written to.
func TestDiskDiesWithItsProcess(t *testing.T) {
	if err := CanDisk(); err != nil {
		t.Skip("the disk whose power is cut needs root, /dev/fuse and loop devices: ", err)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childEnv+"_DOES=disk")
	cmd.SysProcAttr = Private()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	loop := ""
	all, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), dir) {
			loop = path
		}
	}
	if loop == "" {
		t.Fatalf("no loop device among %v", all)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(loop) // gone, or another's by now
		if err != nil || !strings.Contains(string(b), imageName) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %s: %s", loop, b)
		}
	}
}

// writeForEver makes a disk and keeps it busy.
func writeForEver(dir string) error {
	image, err := Ext4(context.Background(), 16<<20)
	if err != nil {
		return err
	}
	d, err := NewDisk(dir, "ext4", "", image)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(d.Mount, "file"))
	if err != nil {
		return err
	}
	for n := int64(0); ; n++ {
		if _, err := f.WriteAt(make([]byte, 64<<10), n%8*64<<10); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if _, err := d.Notes.WriteString("synced"); err != nil {
			return err
		}
		if n == 3 {
			fmt.Println("busy")
		}
	}
}

// What was flushed is on the disk after the cut, what was not may be; a disk whose flushes are ignored loses it.
func TestDisk(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	image, err := Ext4(t.Context(), 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	d, err := NewDisk(dir, "ext4", "data=ordered", image)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("synced. "), 1000)
	f, err := os.Create(filepath.Join(d.Mount, "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Notes.WriteString("synced"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("x"), 5000), 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := d.Close()
	if err != nil {
		t.Fatal(err)
	}
	w, fl := b.Counts()
	t.Logf("%d steps, %d writes, %d flushes, notes %v", b.Len(), w, fl, b.Notes(b.Len()))
	rnd := rand.New(rand.NewPCG(1, 1))
	began := time.Now()
	const cuts = 40
	for range cuts {
		n := rnd.IntN(b.Len() + 1)
		fd, err := unix.MemfdCreate("image", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, b.Cut(n, rnd)); err != nil {
			t.Fatal(err)
		}
		if err := MountImage(fd, d.Mount, "ext4", ""); err != nil {
			t.Fatalf("after %d steps: %v", n, err)
		}
		got, err := os.ReadFile(filepath.Join(d.Mount, "file"))
		if promised := len(b.Notes(n)) > 0; promised && (err != nil || len(got) != len(want)) {
			t.Errorf("after %d steps: %d bytes, %v", n, len(got), err)
		}
		if err := unix.Unmount(d.Mount, 0); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
	}
	t.Logf("%v an image", time.Since(began)/cuts)
}
