package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"fountain/internal/atomicfile"
	"fountain/internal/strictjson"
)

// Names and bounds of the trail's files.
const (
	trailName   = "audit.jsonl"
	trailBytes  = 256 << 10 // a file of about 1,500 entries
	trailFiles  = 8         // the present one and 7 older
	fieldBytes  = 256       // of one field; longer ones are cut
	maxLine     = 16 << 10  // four fields, each byte escaped
	trailFormat = 1
)

// Entry is one service action. At is the wall clock and may be wrong; the order of the file is the order of events.
type Entry struct {
	At     time.Time
	Person string
	Action string
	Line   string
	Result string
}

// Trail is the audit trail of one unit: a file of lines, each with its checksum. Safe for concurrent use.
type Trail struct {
	dir   string
	bytes int64
	keep  int

	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenTrail opens or creates the trail in dir, which exists. A line that a power cut left half written is closed, so
// that the next one stands alone; Recent skips it and says so.
func OpenTrail(dir string) (*Trail, error) { return openTrail(dir, trailBytes, trailFiles) }

func openTrail(dir string, size int64, keep int) (*Trail, error) {
	t := &Trail{dir: dir, bytes: size, keep: keep}
	if err := t.open(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Trail) open() error {
	path := t.path(0)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("open the audit trail: %w", err)
	}
	end, err := f.Seek(0, 2)
	if err == nil && end > 0 {
		last := make([]byte, 1)
		if _, err = f.ReadAt(last, end-1); err == nil && last[0] != '\n' {
			_, err = f.Write([]byte("\n"))
			end++
		}
	}
	if err == nil {
		err = atomicfile.SyncDir(t.dir) // the file's name is durable before its first line
	}
	if err != nil {
		_ = f.Close() // the first error is the one to tell
		return fmt.Errorf("open the audit trail: %w", err)
	}
	t.file, t.size = f, end
	return nil
}

// path of the trail's i-th file, 0 being the one that grows.
func (t *Trail) path(i int) string {
	if i == 0 {
		return filepath.Join(t.dir, trailName)
	}
	return filepath.Join(t.dir, fmt.Sprintf("%s.%d", trailName, i))
}

// Append adds e and returns when it is on the disk.
func (t *Trail) Append(e Entry) error {
	line, err := encodeEntry(e)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return fmt.Errorf("append to the audit trail: %w", os.ErrClosed)
	}
	if t.size > 0 && t.size+int64(len(line)) > t.bytes {
		if err := t.rotate(); err != nil {
			return err
		}
	}
	n, err := t.file.Write(line)
	t.size += int64(n)
	if err == nil {
		err = t.file.Sync()
	}
	if err != nil {
		if n > 0 && n < len(line) { // a full disk: end the half line, so that the next one stands alone
			if m, werr := t.file.Write([]byte("\n")); werr == nil {
				t.size += int64(m)
			}
		}
		return fmt.Errorf("append to the audit trail: %w", err)
	}
	return nil
}

// rotate moves every file one place on; the oldest goes. Called with mu held.
func (t *Trail) rotate() error {
	for i := t.keep - 1; i > 0; i-- {
		if err := os.Rename(t.path(i-1), t.path(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate the audit trail: %w", err)
		}
	}
	old := t.file
	if err := t.open(); err != nil {
		return err // the old file still takes lines, under its new name
	}
	_ = old.Close() // every line was synced
	return nil
}

// Damage is what Recent had to skip.
type Damage struct {
	File  string
	Lines int
}

// Recent returns the newest entries first, at most most of them (0: all), and what could not be read on the way.
func (t *Trail) Recent(most int) ([]Entry, []Damage, error) {
	t.mu.Lock()
	defer t.mu.Unlock() // no rotation meanwhile
	var out []Entry
	var damage []Damage
	for i := range t.keep {
		b, err := os.ReadFile(t.path(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a power cut between two renames leaves a hole
		}
		if err != nil {
			return out, damage, fmt.Errorf("read the audit trail: %w", err)
		}
		lines := bytes.Split(b, []byte("\n"))
		bad := 0
		for j := len(lines) - 1; j >= 0; j-- {
			if len(lines[j]) == 0 {
				continue
			}
			e, err := decodeEntry(lines[j])
			if err != nil {
				bad++
				continue
			}
			out = append(out, e)
			if len(out) == most {
				break
			}
		}
		if bad > 0 {
			damage = append(damage, Damage{t.path(i), bad})
		}
		if most > 0 && len(out) >= most {
			break
		}
	}
	return out, damage, nil
}

// Close closes the file.
func (t *Trail) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	if err != nil {
		return fmt.Errorf("close the audit trail: %w", err)
	}
	return nil
}

// line is an entry as it is stored. Sum is the CRC-32C of the line's other fields, as JSON with Sum empty.
type line struct {
	V      int       `json:"v"`
	At     time.Time `json:"at"`
	Person string    `json:"person"`
	Action string    `json:"action"`
	Line   string    `json:"line,omitempty"`
	Result string    `json:"result"`
	Sum    string    `json:"sum,omitempty"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (l line) sum() (string, error) {
	l.Sum = ""
	b, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("encode audit entry: %w", err)
	}
	return fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli)), nil
}

func encodeEntry(e Entry) ([]byte, error) {
	l := line{V: trailFormat, At: e.At.UTC(), Person: clean(e.Person), Action: clean(e.Action), Line: clean(e.Line), Result: clean(e.Result)}
	var err error
	if l.Sum, err = l.sum(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode audit entry: %w", err)
	}
	return append(b, '\n'), nil
}

func decodeEntry(b []byte) (Entry, error) {
	if len(b) > maxLine {
		return Entry{}, errors.New("the line is too long")
	}
	var l line
	if err := strictjson.Known(bytes.NewReader(b), &l); err != nil {
		return Entry{}, errors.New("the line is no audit entry")
	}
	if want, err := l.sum(); err != nil || want != l.Sum || l.V != trailFormat {
		return Entry{}, errors.New("the line is damaged")
	}
	return Entry{l.At, l.Person, l.Action, l.Line, l.Result}, nil
}

// clean makes text fit for one line of a terminal: no control characters, valid UTF-8, bounded.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > fieldBytes {
		s = strings.ToValidUTF8(s[:fieldBytes-3], "") + "…"
	}
	return s
}
