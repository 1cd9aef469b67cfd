//go:build linux && (amd64 || arm64)

package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// childEnv names the directory in which this test binary, started again, is the program under test.
const childEnv = "FOUNTAIN_CRASH_TEST_CHILD"

func TestMain(m *testing.M) {
	Main()
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir, os.Getenv(childEnv+"_DOES")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child replaces a file as one should, watched.
func child(dir, does string) error {
	if does == "disk" {
		return writeForEver(dir)
	}
	files, err := NewFiles(dir)
	if err != nil {
		return err
	}
	var seen []string
	err = Watch(true, func(c Call) Answer {
		files.Add(c)
		if !strings.HasPrefix(c.Path, dir) {
			return Go
		}
		seen = append(seen, fmt.Sprintf("%s %s %s %d %q", c.Op, strings.TrimPrefix(c.Path, dir), strings.TrimPrefix(c.To, dir), c.Off, c.Data))
		switch {
		case does == "kill" && c.Op == Rename:
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case does == "lie" && c.Op == Sync:
			return Pretend
		}
		return Go
	})
	if err != nil {
		return err
	}
	if err := replace(dir); err != nil {
		return err
	}
	runtime.GC() // the world stops and goes on under a filter
	fmt.Println(strings.Join(seen, "\n"))
	return nil
}

func replace(dir string) error {
	f, err := os.Create(filepath.Join(dir, "new"))
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("more than eight"), 3); err != nil {
		return err
	}
	if err := f.Truncate(20); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "file")); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, "file"))
}

func runChild(t *testing.T, does string) (out, dir string, err error) {
	t.Helper()
	if err := CanWatch(); err != nil {
		t.Skip("calls cannot be watched here: ", err)
	}
	dir = t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childEnv+"_DOES="+does)
	b, err := cmd.CombinedOutput()
	return string(b), dir, err
}

func TestWatch(t *testing.T) {
	want := `create /new  0 ""
write /new  3 "more than eight"
truncate /new  20 ""
sync /new  0 ""
rename /new /file 0 ""
sync   0 ""
unlink /file  0 ""`
	for _, does := range []string{"", "lie"} {
		out, _, err := runChild(t, does)
		if err != nil || strings.TrimSpace(out) != want {
			t.Errorf("%q: %v, got\n%s\nwant\n%s", does, err, out, want)
		}
	}
}

// The call at which the process is killed never happens.
func TestWatchKills(t *testing.T) {
	out, dir, err := runChild(t, "kill")
	if err == nil || out != "" {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "new"))
	if err != nil || string(b) != "\x00\x00\x00more than eight\x00\x00" {
		t.Errorf("%q, %v", b, err)
	}
}
