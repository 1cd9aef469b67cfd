package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// What decodes encodes to the same bytes, and no bytes make it panic.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add(frame{}.encode())
	f.Add(frame{seq: 7, stored: 1767225600000, id: "01J", body: []byte(`{"v":1}`)}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := decodeFrame(b)
		if err != nil {
			if !errors.Is(err, errFrame) {
				t.Errorf("error %v is not errFrame", err)
			}
			return
		}
		if again := fr.encode(); !bytes.Equal(again, b) {
			t.Errorf("%x decodes, but encodes to %x", b, again)
		}
	})
}

func TestFrameNoticesEveryBit(t *testing.T) {
	b := frame{seq: 7, stored: 1767225600000, id: "01J", body: []byte(`{"v":1}`)}.encode()
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		if _, err := decodeFrame(b); err == nil {
			t.Errorf("bit %d changed unnoticed", i)
		}
		b[i/8] ^= 1 << (i % 8)
	}
	for i := range b {
		if _, err := decodeFrame(b[:i]); err == nil {
			t.Errorf("cut to %d bytes unnoticed", i)
		}
	}
}

// No file makes the walker panic or run away.
func FuzzWalk(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(dir, small())
	if err != nil {
		f.Fatal(err)
	}
	add(f, s, "i")
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	list := append(files(f, dir, "seg-*"), filepath.Join(dir, stateFile))
	for _, path := range list {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 8*pageSize)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		visits := 0
		_ = walk(bytes.NewReader(b), int64(len(b)), func(string, []byte, []byte, int64) error { visits++; return nil })
		if visits > len(b) {
			t.Errorf("%d values in %d bytes", visits, len(b))
		}
	})
}
