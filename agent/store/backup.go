package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fountain/internal/problem"
)

// A backup is one gzipped tar file: the files of the directory as they stood at one moment, and at its end a manifest
// with their checksums. Without the manifest, or with another byte anywhere, it is refused.
const (
	backupFormat   = "fountain-store-backup/1"
	manifestName   = "manifest.json"
	backupFileMost = 64 << 20 // bytes of one file
	backupPiece    = 256 << 10
)

// Manifest says what a backup holds.
type Manifest struct {
	Format string            `json:"format"`
	Made   time.Time         `json:"made"`
	By     map[string]string `json:"by,omitempty"` // of which unit
	Schema int               `json:"schema"`
	Logs   []LogState        `json:"logs"`
	Files  []BackupFile      `json:"files"`
}

// BackupFile is one file of it.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Backup writes everything to w as it stands at one moment; appending goes on meanwhile. It yields often. by says which
// unit this is.
func (s *Store) Backup(ctx context.Context, w io.Writer, by map[string]string) error {
	if err := s.yield(ctx); err != nil {
		return err
	}
	shot, err := s.snapshot()
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	m := Manifest{Format: backupFormat, Made: s.o.Now().UTC(), By: by, Schema: Schema, Logs: shot.logs}
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	add := func(name string, size int64, r io.Reader) error {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: m.Made.Truncate(time.Second)}); err != nil {
			return err
		}
		sum := sha256.New()
		for left := size; left > 0; {
			if err := s.yield(ctx); err != nil {
				return err
			}
			n, err := io.CopyN(io.MultiWriter(t, sum), r, min(left, backupPiece))
			if err != nil {
				return err
			}
			left -= n
		}
		m.Files = append(m.Files, BackupFile{Name: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
		return nil
	}
	for _, f := range shot.inMemory {
		if err := add(f.name, int64(len(f.body)), bytes.NewReader(f.body)); err != nil {
			return fmt.Errorf("back up %s: %w", f.name, err)
		}
	}
	for _, c := range shot.closed {
		if err := addFile(c, add); err != nil {
			return fmt.Errorf("back up %s: %w", filepath.Base(c.path), err)
		}
	}
	body, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(body)), ModTime: m.Made.Truncate(time.Second)}); err != nil {
		return err
	}
	if _, err := t.Write(body); err != nil {
		return err
	}
	return errors.Join(t.Close(), z.Close())
}

// snapshot is the store at one moment. What is still written to is held in memory: a few MiB at most.
type snapshot struct {
	logs     []LogState
	inMemory []fileBody
	closed   []closedFile
}

type fileBody struct {
	name string
	body []byte
}

// closedFile is a segment that is written no more.
type closedFile struct {
	path   string
	needed bool // it holds records that were not acknowledged
}

func (s *Store) snapshot() (snapshot, error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if s.closed {
		return snapshot{}, errClosed
	}
	shot := snapshot{logs: s.Logs()}
	keep := func(path string) error {
		b, err := os.ReadFile(path)
		if err == nil {
			shot.inMemory = append(shot.inMemory, fileBody{filepath.Base(path), b})
		}
		return err
	}
	if err := keep(filepath.Join(s.dir, stateFile)); err != nil {
		return shot, err
	}
	s.quarantine.mu.Lock()
	err := keep(s.quarantine.path)
	s.quarantine.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return shot, err
	}
	for _, l := range s.logs {
		for i, g := range l.segs {
			if l == s.cur && i == len(l.segs)-1 {
				if err := keep(g.path); err != nil {
					return shot, err
				}
				continue
			}
			shot.closed = append(shot.closed, closedFile{g.path, l.end(i) > l.saved.Acked})
		}
	}
	return shot, nil
}

// addFile adds a closed segment; one that was retired meanwhile is not needed.
func addFile(c closedFile, add func(string, int64, io.Reader) error) error {
	f, err := os.Open(c.path)
	if errors.Is(err, fs.ErrNotExist) && !c.needed {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return add(filepath.Base(c.path), st.Size(), f)
}

// ReadBackup verifies a backup. keep, if not nil, is given every file on the way: before anything of it is verified.
func ReadBackup(r io.Reader, keep func(name string, r io.Reader) error) (Manifest, error) {
	m, err := readBackup(r, keep)
	if err == nil {
		return m, nil
	}
	var p *problem.Problem
	if errors.As(err, &p) {
		return m, err
	}
	return m, &problem.Problem{
		Code: problem.CodeDamaged, Where: "backup", What: "the backup is not whole: " + err.Error(), Remedy: "use another one",
	}
}

func readBackup(r io.Reader, keep func(name string, r io.Reader) error) (m Manifest, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return m, err
	}
	t := tar.NewReader(z)
	found := map[string]BackupFile{}
	for {
		h, err := t.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("it has no manifest")
			}
			return m, err
		}
		if h.Name == manifestName {
			break
		}
		_, twice := found[h.Name]
		if twice || h.Size > backupFileMost || !backupName(h.Name) {
			return m, fmt.Errorf("%q of %d bytes does not belong here", h.Name, h.Size)
		}
		sum := sha256.New()
		if err := each(t, sum, h.Name, keep); err != nil {
			return m, err
		}
		found[h.Name] = BackupFile{Name: h.Name, Size: h.Size, SHA256: hex.EncodeToString(sum.Sum(nil))}
	}
	if err := json.NewDecoder(io.LimitReader(t, backupFileMost)).Decode(&m); err != nil {
		return m, err
	}
	if m.Format != backupFormat || m.Schema > Schema {
		return m, &problem.Problem{
			Code: problem.CodeNewerSchema, Where: "backup", What: fmt.Sprintf("it was made by another version (%s, schema %d)", m.Format, m.Schema),
			Remedy: "restore it with the version that made it",
		}
	}
	if len(m.Files) != len(found) {
		return m, fmt.Errorf("%d files, %d were backed up", len(found), len(m.Files))
	}
	for _, f := range m.Files {
		if found[f.Name] != f {
			return m, fmt.Errorf("%s is not what was backed up", f.Name)
		}
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // to the end: gzip has its checksum there
		return m, err
	}
	return m, z.Close()
}

// each passes one file on.
func each(r io.Reader, sum hash.Hash, name string, keep func(string, io.Reader) error) error {
	r = io.TeeReader(r, sum)
	if keep != nil {
		if err := keep(name, r); err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// backupName tells whether a file of that name belongs into the directory.
func backupName(name string) bool {
	return name == stateFile || name == quarantineFile || segmentName.MatchString(name)
}
