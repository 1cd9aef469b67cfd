package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No single bit of a file can change what is read from it unnoticed: not a record, nor how many there are, nor an intent.
func TestEveryBit(t *testing.T) {
	dir, log := filled(t, 4, 1) // one small segment: its records lie inline in the root page
	big := t.TempDir()
	s := open(t, big, Options{})
	for range 60 { // and one with branch and leaf pages
		add(t, s, "")
	}
	bigLog := s.Log()
	closeNow(t, s)
	for _, c := range []struct {
		path string
		read func(b []byte) (string, error)
	}{
		{segmentPath(dir, log, 1), func(b []byte) (string, error) { return contents(b, log) }},
		{segmentPath(big, bigLog, 1), func(b []byte) (string, error) { return contents(b, bigLog) }},
		{filepath.Join(dir, stateFile), func(b []byte) (string, error) {
			var all []string
			if err := checkStateAt(bytes.NewReader(b), int64(len(b)), ""); err != nil {
				return "", err
			}
			_, err := walkFrames(bytes.NewReader(b), int64(len(b)), "", func(bucket string, k []byte, f frame) error {
				all = append(all, fmt.Sprintf("%s/%s=%d %s", bucket, k, f.seq, f.body))
				return nil
			})
			return strings.Join(all, "\n"), err
		}},
	} {
		b, err := os.ReadFile(c.path)
		if err != nil {
			t.Fatal(err)
		}
		used := int(max(binary.LittleEndian.Uint64(b[pageHead+40:]), binary.LittleEndian.Uint64(b[pageSize+pageHead+40:]))) * pageSize
		b = b[:used]
		want, err := c.read(b)
		if err != nil {
			t.Fatal(err)
		}
		flips, noticed := 0, 0
		for at := range b {
			step := 1
			if at%pageSize > 256 { // headers and tables completely, of the rest a sample
				if step = 8; at%11 != 0 {
					continue
				}
			}
			for bit := at % step; bit < 8; bit += step {
				b[at] ^= 1 << bit
				got, err := c.read(b)
				if flips++; err != nil {
					noticed++
				} else if got != want {
					t.Errorf("%s: bit %d of byte %d changes what is read, unnoticed", filepath.Base(c.path), bit, at)
				}
				b[at] ^= 1 << bit
			}
		}
		t.Logf("%s: %d of %d flips noticed, the others change nothing", filepath.Base(c.path), noticed, flips)
		if noticed == 0 {
			t.Error("the test proves nothing")
		}
	}
}

func contents(b []byte, log string) (string, error) {
	g := &segment{log: log, first: 1}
	var all []string
	_, err := g.scanAt(bytes.NewReader(b), int64(len(b)), func(f frame) { all = append(all, fmt.Sprintf("%d %s %s", f.seq, f.id, f.body)) })
	return strings.Join(all, "\n"), err
}
