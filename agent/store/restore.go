package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// Restored says what Restore did.
type Restored struct {
	Manifest Manifest
	Kept     string // where the directory lies that was there before; empty: there was none
}

// Restore puts a backup in the place of the store in dir, which nobody uses. It refuses to replace records that the backup
// does not have, unless force is set; what was there is kept beside it. The next Open begins a new log: pours made since
// the backup may have used the numbers that follow it.
func Restore(dir string, backup io.Reader, force bool) (r Restored, err error) {
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return r, notWritable(dir, err)
	}
	aside, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".restore-")
	if err != nil {
		return r, notWritable(dir, err)
	}
	swapped := false
	defer func() {
		if err != nil && !swapped {
			_ = os.RemoveAll(aside) // what is in it is in the backup
		}
	}()
	if r.Manifest, err = ReadBackup(backup, func(name string, f io.Reader) error { return keepFile(filepath.Join(aside, name), f) }); err != nil {
		return r, err
	}
	if err := markRestored(aside); err != nil {
		return r, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return r, errors.Join(os.Rename(aside, dir), atomicfile.SyncDir(filepath.Dir(dir)))
	}
	old, err := Open(dir, Options{LockTimeout: time.Second}) // and nobody else opens it
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if newer := notIn(old.Logs(), r.Manifest.Logs); len(newer) > 0 && !force {
		return r, &problem.Problem{
			Code: problem.CodeConflict, Where: dir, What: "the store holds pours that the backup does not have: " + strings.Join(newer, "; "),
			Remedy: "take a newer backup, or give --force: the directory is kept beside the restored one",
		}
	}
	if err := exchange(aside, dir); err != nil {
		return r, notWritable(dir, err)
	}
	swapped = true // aside is now what was there before
	r.Kept = fmt.Sprintf("%s.replaced-%s", dir, time.Now().UTC().Format("20060102T150405.000Z"))
	if rerr := os.Rename(aside, r.Kept); rerr != nil {
		r.Kept = aside
	}
	return r, atomicfile.SyncDir(filepath.Dir(dir))
}

func keepFile(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// markRestored verifies the state.db of a restored directory and notes in it that a new log is due.
func markRestored(dir string) error {
	path := filepath.Join(dir, stateFile)
	if err := checkState(path); err != nil {
		if isNewer(err) {
			return err
		}
		return &problem.Problem{Code: problem.CodeDamaged, Where: "backup", What: "its " + stateFile + " is damaged: " + err.Error(), Remedy: "use another one"}
	}
	db, err := openBolt(path, stateMap)
	if err != nil {
		return err
	}
	err = commitState(db, func(tx *bbolt.Tx) error {
		var unit savedUnit
		body, ok, err := bucketGet(tx, bucketMeta, unitKey)
		if ok {
			err = json.Unmarshal(body, &unit)
		}
		if err != nil {
			return err
		}
		unit.Restored = true
		return putJSON(tx, bucketMeta, unitKey, unit)
	})
	return errors.Join(letGo(db, err), atomicfile.SyncDir(dir))
}

// notIn says what of the logs of a store a backup does not have.
func notIn(have, backup []LogState) (newer []string) {
	last := map[string]uint64{}
	for _, l := range backup {
		last[l.Log] = l.Last
	}
	for _, l := range have {
		if l.Last > last[l.Log] {
			from := max(last[l.Log], l.Oldest-1) + 1
			unsent := uint64(0)
			if l.Last > l.Acked {
				unsent = l.Last - max(l.Acked, from-1)
			}
			newer = append(newer, fmt.Sprintf("%s from %d to %d, %d of them not sent", l.Log, from, l.Last, unsent))
		}
	}
	return newer
}
