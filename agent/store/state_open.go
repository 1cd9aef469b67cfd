package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

// stateDB is state.db while it is open. A handle that met a fault is let go of.
type stateDB struct{ db atomic.Pointer[bbolt.DB] }

var errStateGone = errors.New("state.db met a fault")

func (d *stateDB) view(fn func(*bbolt.Tx) error) error {
	db := d.db.Load()
	if db == nil {
		return errStateGone
	}
	return d.judged(db, guarded(func() error { return db.View(fn) }))
}

func (d *stateDB) commit(fn func(*bbolt.Tx) error) error {
	db := d.db.Load()
	if db == nil {
		return errStateGone
	}
	return d.judged(db, commitState(db, fn))
}

func (d *stateDB) judged(db *bbolt.DB, err error) error {
	if isFault(err) {
		d.db.CompareAndSwap(db, nil)
	}
	return err
}

func (d *stateDB) close() error {
	if db := d.db.Swap(nil); db != nil {
		return guarded(db.Close)
	}
	return nil
}

// openState opens state.db, or makes a new one when there is none or it is damaged, with what is legible of it. damage is
// nil unless the old one was damaged or, with segments present, missing.
func (s *Store) openState(segs map[string][]*segment) (db *bbolt.DB, damage *Damage, err error) {
	path := filepath.Join(s.dir, stateFile)
	_, err = os.Stat(path)
	switch {
	case err == nil:
		_, err = s.checked(path, func() (uint64, error) { return 0, checkState(path) })
		if err == nil {
			db, err = openBolt(path, stateMap)
		}
		if err == nil {
			return db, nil, nil
		}
		if isNewer(err) {
			return nil, nil, err
		}
		return s.replaceState(path, err, func(log string) bool { return len(segs[log]) > 0 })
	case !os.IsNotExist(err):
		return nil, nil, notWritable(s.dir, err)
	case len(segs) > 0:
		damage = &Damage{File: path, Err: fmt.Errorf("the file is missing although pours are stored: %w", err)}
	}
	db, err = s.createState(path, nil)
	return db, damage, err
}

func (s *Store) createState(path string, values map[string][]byte) (*bbolt.DB, error) {
	fill := func(tx *bbolt.Tx) error {
		for id, body := range values {
			bucket, key, _ := strings.Cut(id, "/")
			if err := bucketPut(tx, bucket, key, body); err != nil {
				return err
			}
		}
		return putSum(tx)
	}
	err := s.withRoom(func() error { return createBolt(path, stateMap, fileMeta{Schema: Schema, Kind: "state"}, fill) })
	if err != nil {
		return nil, notWritable(s.dir, err)
	}
	return openBolt(path, stateMap)
}

// replaceState keeps a damaged state.db aside and puts a new one in its place, with the values that are legible. Of the
// logs it takes those that are: a forgotten one may be legible still.
func (s *Store) replaceState(path string, why error, is func(log string) bool) (*bbolt.DB, *Damage, error) {
	kept, err := keepAside(s.dir, path)
	if err != nil {
		return nil, nil, notWritable(s.dir, err)
	}
	values, err := stateValues(kept)
	if err != nil {
		b, _ := readAround(kept) // without it nothing is legible
		values = gleanState(b)
	}
	maps.DeleteFunc(values, func(id string, _ []byte) bool {
		log, ok := strings.CutPrefix(id, bucketLogs+"/")
		return ok && !is(log)
	})
	damage := &Damage{File: kept, Rescued: uint64(len(values)), Err: why}
	db, err := s.createState(path, values)
	return db, damage, err
}

// stateValues reads the values of a file that is sound: only bbolt stumbled over it.
func stateValues(path string) (map[string][]byte, error) {
	if err := checkState(path); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := map[string][]byte{}
	_, err = walkFrames(bytes.NewReader(b), int64(len(b)), path, func(bucket string, _ []byte, f frame) error {
		if bucket != bucketMeta || f.id == bucketMeta+"/"+unitKey {
			values[f.id] = bytes.Clone(f.body)
		}
		return nil
	})
	return values, err
}

// gleanState finds the newest legible version of every value of a damaged state.db. An older version of a mark is sound:
// what lies above it is sent, or folded, once more. Intents are taken only as far as the newest sum says that they are
// open: one that was closed must not become a second record. Rescued logs count as folded up to nothing, for the
// inventory may be an older one than their marks.
func gleanState(b []byte) map[string][]byte {
	type version struct {
		of   uint64
		body []byte
	}
	newest := map[string]version{}
	eachFrame(b, func(f frame, sound bool) {
		of := f.seq
		if f.id == bucketMeta+"/"+sumKey {
			of = uint64(f.stored)
		}
		if was, ok := newest[f.id]; sound && (!ok || of >= was.of) {
			newest[f.id] = version{of, f.body}
		}
	})
	var open []string
	_ = json.Unmarshal(newest[bucketMeta+"/"+sumKey].body, &open) // none: no intent is known to be open
	values := map[string][]byte{}
	for id, v := range newest {
		switch bucket, key, _ := strings.Cut(id, "/"); bucket {
		case bucketSettings:
			values[id] = v.body
		case bucketIntents:
			if slices.Contains(open, key) {
				values[id] = v.body
			}
		case bucketLogs:
			var l savedLog
			if json.Unmarshal(v.body, &l) != nil {
				continue
			}
			l.Applied = 0
			if body, err := json.Marshal(l); err == nil {
				values[id] = body
			}
		case bucketMeta:
			if key == unitKey {
				values[id] = v.body
			}
		}
	}
	return values
}

// healState replaces a state.db that met a fault while it was open. What is known of the logs is in memory; a new log
// begins. The caller holds wmu.
func (s *Store) healState() error {
	if s.state.db.Load() != nil {
		return nil
	}
	path := filepath.Join(s.dir, stateFile)
	db, damage, err := s.replaceState(path, errStateGone, func(log string) bool { return s.find(log) != nil })
	if errors.Is(err, os.ErrNotExist) {
		db, err = s.createState(path, nil)
		damage = &Damage{File: path, Err: errStateGone}
	}
	if err != nil {
		return err
	}
	s.state.db.Store(db)
	err = s.state.commit(func(tx *bbolt.Tx) error {
		for _, l := range s.logs {
			if err := putJSON(tx, bucketLogs, l.name, l.saved); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.beginLog()
	}
	damage.NewLog = true
	s.mu.Lock()
	s.damages = append(s.damages, *damage)
	s.inBad++
	s.mu.Unlock()
	if s.o.OnDamage != nil {
		s.o.OnDamage(*damage)
	}
	return err
}
