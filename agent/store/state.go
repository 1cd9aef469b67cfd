package store

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"go.etcd.io/bbolt"
)

// Buckets of state.db.
const (
	bucketSettings = "settings"
	bucketIntents  = "intents" // id -> body
	bucketLogs     = "logs"    // log -> savedLog
)

// Keys in bucketMeta.
const (
	unitKey = "unit" // savedUnit
	sumKey  = "sum"  // seq of the frame: a sum over every other key and value of the file
)

// stateMap is the map size of state.db; it stays far below it.
const stateMap = 1 << 20

// savedUnit says which log is current and what the directory belonged to.
type savedUnit struct {
	Current string `json:"current"`
	Board   string `json:"board,omitempty"`
	Inode   uint64 `json:"inode"` // of state.db: differs in a copy
	// Restored: the directory came from a backup, and a new log is due.
	Restored bool `json:"restored,omitempty"`
}

// savedLog is what state.db knows of a log.
type savedLog struct {
	Ord     int    `json:"ord"` // order of creation
	Acked   uint64 `json:"acked"`
	Applied uint64 `json:"applied"`
	Active  uint64 `json:"active"` // first seq of the newest segment created
	Seen    uint64 `json:"seen"`   // newest seq when state.db was last written
	Closed  bool   `json:"closed"`
	Last    uint64 `json:"last,omitempty"` // newest seq, once closed
	Gaps    []Gap  `json:"gaps,omitempty"`
	// Retired is the first seq of the newest segment that was retired: a file that begins there or below is unlinked, and
	// goes again at Open should a power cut have brought it back.
	Retired uint64 `json:"retired,omitempty"`
	// Restored is the restore generation of the receiver that Rewind noted last.
	Restored uint64 `json:"restored,omitempty"`
}

// bucketPut frames and stores a value, with the number of its commit.
func bucketPut(tx *bbolt.Tx, bucket, key string, body []byte) error {
	b, err := tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	return b.Put([]byte(key), frame{seq: uint64(tx.ID()), id: bucket + "/" + key, body: body}.encode())
}

// bucketGet returns a copy of a value; ok is false when there is none.
func bucketGet(tx *bbolt.Tx, bucket, key string) (body []byte, ok bool, err error) {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil, false, nil
	}
	v := b.Get([]byte(key))
	if v == nil {
		return nil, false, nil
	}
	body, err = unframe(bucket, []byte(key), v)
	return body, err == nil, err
}

func unframe(bucket string, key, v []byte) ([]byte, error) {
	f, err := decodeFrame(v)
	if err == nil && f.id != bucket+"/"+string(key) {
		err = fmt.Errorf("%w: it belongs to %q", errFrame, f.id)
	}
	if err != nil {
		return nil, fmt.Errorf("%s/%q: %w", bucket, key, err)
	}
	return append([]byte(nil), f.body...), nil
}

// bucketEach calls fn with a copy of every value in key order.
func bucketEach(tx *bbolt.Tx, bucket string, fn func(key string, body []byte) error) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		body, err := unframe(bucket, k, v)
		if err != nil {
			return err
		}
		return fn(string(k), body)
	})
}

func putJSON(tx *bbolt.Tx, bucket, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return bucketPut(tx, bucket, key, b)
}

// commitState runs fn and seals the file: a page whose element count lost a bit would otherwise just hold fewer values,
// and an open intent would be gone without a trace. The file is small: summing it takes microseconds.
func commitState(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	return update(db, func(tx *bbolt.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return putSum(tx)
	})
}

// putSum writes down the sum, the number of the commit and which intents are open: what a rescue goes by.
func putSum(tx *bbolt.Tx) error {
	var sum uint64
	open := []string{}
	err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			f, err := decodeFrame(v)
			if err != nil {
				return err
			}
			if string(name) == bucketIntents {
				open = append(open, string(k))
			}
			addSum(&sum, f)
			return nil
		})
	})
	if err != nil {
		return err
	}
	body, err := json.Marshal(open)
	if err != nil {
		return err
	}
	f := frame{seq: sum, stored: int64(tx.ID()), id: bucketMeta + "/" + sumKey, body: body}
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(sumKey), f.encode())
}

// addSum adds one value, which carries its bucket and key, to the sum of a file. The order does not matter.
func addSum(sum *uint64, f frame) {
	if f.id != bucketMeta+"/"+sumKey && f.id != bucketMeta+"/"+metaKey {
		*sum += 1<<32 + uint64(f.sum)
	}
}

func checkState(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return checkStateAt(f, st.Size(), path)
}

// checkStateAt verifies that every value of the file is sound, under its key, and there.
func checkStateAt(r io.ReaderAt, size int64, path string) error {
	var sum, want uint64
	meta, err := walkFrames(r, size, path, func(bucket string, key []byte, f frame) error {
		if f.id != bucket+"/"+string(key) {
			return fmt.Errorf("%w: %s/%q holds %q", errFrame, bucket, key, f.id)
		}
		if addSum(&sum, f); bucket == bucketMeta && string(key) == sumKey {
			want = f.seq
		}
		return nil
	})
	if err == nil && meta.Kind != "state" {
		err = structural("the file says it is a %s", meta.Kind)
	}
	if err == nil && sum != want {
		err = structural("values are missing: sum is %#x, want %#x", sum, want)
	}
	return err
}

// Setting reads a small value.
func (s *Store) Setting(key string) (value []byte, ok bool, err error) {
	err = s.state.view(func(tx *bbolt.Tx) error {
		value, ok, err = bucketGet(tx, bucketSettings, key)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("read setting %s: %w", key, err)
	}
	return value, ok, nil
}

// PutSetting makes a small value durable.
func (s *Store) PutSetting(key string, value []byte) error {
	if key == "" || len(key) > maxID || len(value) > MaxSetting {
		return fmt.Errorf("write setting %q of %d bytes: key or value is empty or too long", key, len(value))
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	if err := s.updateState(func(tx *bbolt.Tx) error { return bucketPut(tx, bucketSettings, key, value) }); err != nil {
		return fmt.Errorf("write setting %s: %w", key, err)
	}
	return nil
}

// updateState runs one durable change of state.db. Callers hold wmu.
func (s *Store) updateState(fn func(*bbolt.Tx) error) error {
	return s.updateLog(s.cur, func(*savedLog) {}, fn)
}

// updateLog changes what state.db knows of a log, and whatever fn changes, in one commit. Each one also notes how far
// the log has come, so that a segment lost later is noticed. Callers hold wmu.
func (s *Store) updateLog(l *logInfo, change func(*savedLog), fn func(*bbolt.Tx) error) error {
	if err := s.healState(); err != nil {
		return err
	}
	saved := l.saved // only changed under wmu
	saved.Gaps = slices.Clone(saved.Gaps)
	saved.Seen = max(saved.Seen, l.last)
	change(&saved)
	err := s.withRoom(func() error {
		return s.state.commit(func(tx *bbolt.Tx) error {
			if !reflect.DeepEqual(saved, l.saved) {
				if err := putJSON(tx, bucketLogs, l.name, saved); err != nil {
					return err
				}
			}
			return fn(tx)
		})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	l.saved = saved
	s.mu.Unlock()
	return nil
}

func noMore(*bbolt.Tx) error { return nil }
