//go:build linux

package evdev

import (
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"
)

// The ioctl numbers are those of the kernel's headers, for both widths of a long.
func TestNumbers(t *testing.T) {
	for name, c := range map[string]struct{ got, want uint }{
		"EVIOCSCLOCKID":     {ioClock, 0x400445a0},
		"EVIOCGRAB":         {ioGrab, 0x40044590},
		"EVIOCGNAME(128)":   {evIoctl(ioRead, 0x06, 128), 0x80804506},
		"EVIOCGABS(ABS_X)":  {evIoctl(ioRead, 0x40, unsafe.Sizeof(absInfo{})), 0x80184540},
		"EVIOCGMTSLOTS(44)": {evIoctl(ioRead, 0x0a, 44), 0x802c450a},
	} {
		if c.got != c.want {
			t.Errorf("%s is %#x, want %#x", name, c.got, c.want)
		}
	}
	if want := map[uintptr]int{8: 24, 4: 16}[unsafe.Sizeof(uintptr(0))]; recordSize != want {
		t.Errorf("a record has %d bytes, want %d", recordSize, want)
	}
}

// A folder that is not there yet, files that are no devices: no error, nothing to read, and Close ends it.
func TestNoDevice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "input")
	s, err := Open(Config{Dir: dir, Width: 100, Height: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "event0"), []byte("no device"), 0o644); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("does not close")
	}
	if e, ok := <-s.Events(); ok {
		t.Errorf("%+v of a file", e)
	}
	if k, ok := <-s.Keys(); ok {
		t.Errorf("%+v of a file", k)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
