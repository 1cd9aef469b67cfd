package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// Names in the directory.
const (
	stateFile = "state.db"
	lockFile  = "lock"
	badDir    = "bad"
	newPrefix = ".new-" // being created; left over only by a crash
)

// Buckets of both kinds of file.
const (
	bucketMeta    = "meta"    // "file" -> fileMeta
	bucketRecords = "records" // segment: seq -> frame
)

const metaKey = "file"

// fileMeta is what every file says about itself.
type fileMeta struct {
	Schema int    `json:"schema"`
	Kind   string `json:"kind"` // state | segment
	Log    string `json:"log,omitempty"`
	First  uint64 `json:"first,omitempty"`
}

// boltOptions: without a freelist on disk a backlog costs later commits nothing (spec/store.md 1.1), the page size is
// fixed because the kernel's may be 16 KiB, and a map as large as the file ever gets is never remapped.
func boltOptions(mapSize int64) *bbolt.Options {
	return &bbolt.Options{
		Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, PageSize: pageSize,
		InitialMmapSize: int(mapSize), NoStatistics: true,
	}
}

// faultError is a panic of bbolt or a fault of its memory map. Whoever met it must not touch the handle again, not even
// to close it: its locks may be held.
type faultError struct{ what string }

func (e *faultError) Error() string { return "bbolt: " + e.what }

// Unwrap says that it is damage.
func (e *faultError) Unwrap() error { return errStructure }

func isFault(err error) bool {
	var f *faultError
	return errors.As(err, &f)
}

// guarded turns a panic of bbolt, or a fault of its memory map, into a faultError. What walk has accepted causes none;
// this is the second fence, for bytes that rot, and sectors that go bad, while a file is open.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &faultError{fmt.Sprint(p)}
		}
	}()
	return fn()
}

// update is bbolt's Update, except that nothing is rolled back after a fault: a rollback reads the whole map again, on a
// goroutine of its own, where a fault would end the process.
func update(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	return guarded(func() error {
		tx, err := db.Begin(true)
		if err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	})
}

// letGo closes a handle after what came to err; one that met a fault is left alone, for its locks are held for ever.
func letGo(db *bbolt.DB, err error) error {
	if isFault(err) {
		return err
	}
	return errors.Join(err, guarded(db.Close))
}

// openBolt opens a file that walked clean.
func openBolt(path string, mapSize int64) (db *bbolt.DB, err error) {
	err = guarded(func() error {
		db, err = bbolt.Open(path, 0o600, boltOptions(mapSize))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

// createBolt makes a file with its meta aside and renames it into place, so that a crash leaves either none or a whole
// one (a bbolt file whose very first initialisation is cut is corrupt). It is written with zeros up to size: filling what
// is there needs no room and flushes data only (spec/store.md 1.1). Without room for that it grows as it is filled.
func createBolt(path string, size int64, meta fileMeta, fill func(*bbolt.Tx) error) (err error) {
	dir := filepath.Dir(path)
	tmp := filepath.Join(dir, newPrefix+filepath.Base(path))
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp) // best effort; Open removes it too
		}
	}()
	db, err := openBolt(tmp, 0)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	err = update(db, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucketMeta))
		if err != nil {
			return err
		}
		body, err := json.Marshal(meta)
		if err != nil {
			return err
		}
		if err := b.Put([]byte(metaKey), frame{id: bucketMeta + "/" + metaKey, body: body}.encode()); err != nil {
			return err
		}
		return fill(tx)
	})
	if err = letGo(db, err); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	f, err := os.OpenFile(tmp, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err = errors.Join(zeroUpTo(f, size), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err = os.Rename(tmp, path); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	return atomicfile.SyncDir(dir)
}

// zeroUpTo writes zeros behind the end of f. A disk without room for them is no error.
func zeroUpTo(f *os.File, size int64) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if writeZeros(f, st.Size(), size) != nil {
		return f.Truncate(st.Size())
	}
	return nil
}

func writeZeros(f *os.File, from, to int64) error {
	zeros := make([]byte, 64<<10)
	for at := from; at < to; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// walkFrames checks a file and its meta and calls visit for every other frame in it; path is only for messages.
func walkFrames(r io.ReaderAt, size int64, path string, visit func(bucket string, key []byte, f frame) error) (fileMeta, error) {
	var meta fileMeta
	found := false
	err := walk(r, size, func(bucket string, key, value []byte, at int64) error {
		fr, err := decodeFrame(value)
		if err != nil {
			return fmt.Errorf("bucket %s: %w", bucket, err)
		}
		fr.extent = extent{at, len(value)}
		if bucket == bucketMeta && string(key) == metaKey {
			found = true
			if err := json.Unmarshal(fr.body, &meta); err != nil {
				return structural("meta: %v", err)
			}
			if meta.Schema > Schema {
				return newerSchema(path, meta.Schema)
			}
			return nil
		}
		return visit(bucket, key, fr)
	})
	if err == nil && !found {
		err = structural("no meta")
	}
	return meta, err
}

func newerSchema(path string, got int) error {
	return &problem.Problem{
		Code: problem.CodeNewerSchema, Where: path,
		What:   fmt.Sprintf("the pour store was written by a newer version (schema %d, this build reads up to %d)", got, Schema),
		Remedy: "install the newer version again; nothing was changed",
	}
}

// isNewer tells a refusal from damage.
func isNewer(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == problem.CodeNewerSchema
}

// notWritable explains why the directory cannot be used.
func notWritable(dir string, err error) error {
	return &problem.Problem{
		Code: problem.CodeNotWritable, Where: dir, What: "the state directory cannot be written: " + cause(err),
		Remedy: "check that it exists, belongs to the user fountaind runs as, and that its disk is mounted read-write and not full",
	}
}

func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// removeLeftovers deletes files whose creation a crash cut.
func removeLeftovers(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), newPrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
