package store

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

// lastKey in bucketMeta of a segment holds a frame whose seq is that of the newest record.
const lastKey = "last"

// segment is one file of consecutive records of a log.
type segment struct {
	log   string
	first uint64
	path  string

	db     *bbolt.DB // open for appending; closed under rmu
	sealed *sealed   // open for reading; closed under rmu
	count  int       // records; only kept for the active one
	used   int64     // bytes below the high-water mark before the newest commit; only kept for the active one
	ended  bool      // nothing may be appended to it any more; changed under wmu
}

// segmentName: the log is part of it, so that a damaged file still says whose records it held.
var segmentName = regexp.MustCompile(`^seg-([a-z][a-z0-9]*)-([0-9]{20})\.db$`)

func segmentPath(dir, log string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("seg-%s-%020d.db", log, first))
}

// listSegments finds the segment files of the directory, by log and first seq.
func listSegments(dir string) (map[string][]*segment, error) {
	list, err := os.ReadDir(dir) // sorted by name: first seqs ascend
	if err != nil {
		return nil, err
	}
	out := map[string][]*segment{}
	for _, e := range list {
		m := segmentName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		first, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil || first == 0 {
			continue // not a name we make
		}
		out[m[1]] = append(out[m[1]], &segment{log: m[1], first: first, path: filepath.Join(dir, e.Name())})
	}
	return out, nil
}

// scan walks the whole file and calls fn for each record. It returns the newest seq, first-1 when there is none.
func (g *segment) scan(fn func(frame)) (last uint64, err error) {
	f, err := os.Open(g.path)
	if err != nil {
		return g.first - 1, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return g.first - 1, err
	}
	return g.scanAt(f, st.Size(), fn)
}

func (g *segment) scanAt(r io.ReaderAt, size int64, fn func(frame)) (last uint64, err error) {
	last = g.first - 1
	end := last // what the file says its newest record is
	meta, err := walkFrames(r, size, g.path, func(bucket string, key []byte, f frame) error {
		if bucket == bucketMeta && string(key) == lastKey {
			end = f.seq
			return nil
		}
		if bucket != bucketRecords {
			return structural("bucket %q does not belong here", bucket)
		}
		if f.seq != last+1 || string(key) != string(seqKey(f.seq)) {
			return structural("record %d follows %d", f.seq, last)
		}
		last = f.seq
		fn(f)
		return nil
	})
	if err == nil && (meta.Kind != "segment" || meta.Log != g.log || meta.First != g.first) {
		err = structural("the file says it is %s %s from %d", meta.Kind, meta.Log, meta.First)
	}
	if err == nil && last != end {
		err = structural("newest record is %d, want %d", last, end)
	}
	return last, err
}

// create makes the file and opens it for appending.
func (g *segment) create(o Options) error {
	room := o.segmentRoom()
	if free, size, err := o.Statfs(filepath.Dir(g.path)); err == nil && size > 0 && free < uint64(room)+2*PourRoom {
		room = 0 // the last room is for what is certain to be needed
	}
	err := createBolt(g.path, room, fileMeta{Schema: Schema, Kind: "segment", Log: g.log, First: g.first}, func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucket([]byte(bucketRecords)); err != nil {
			return err
		}
		return putLast(tx, g.first-1)
	})
	if err != nil {
		return err
	}
	return g.open(o.SegmentBytes)
}

// open maps the file for appending. It has been verified.
func (g *segment) open(mapSize int64) (err error) {
	g.db, err = openBolt(g.path, mapSize)
	return err
}

func (g *segment) close() error {
	if g.sealed != nil {
		_ = g.sealed.f.Close() // nothing was written
		g.sealed = nil
	}
	if g.db == nil {
		return nil
	}
	db := g.db
	g.db = nil
	return guarded(db.Close)
}

// append commits one record.
func (g *segment) append(f frame) error {
	err := update(g.db, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketRecords))
		if b == nil {
			return structural("no bucket of records")
		}
		b.FillPercent = 1 // keys only ascend
		if err := b.Put(seqKey(f.seq), f.encode()); err != nil {
			return err
		}
		if err := putLast(tx, f.seq); err != nil {
			return err
		}
		g.used = tx.Size() // before this commit; full leaves room for it
		return nil
	})
	if err == nil {
		g.count++
	}
	return g.judged(err)
}

// putLast writes down the newest seq: a page whose element count lost a bit would otherwise just hold fewer records. It
// lies in the root page, which every commit writes anyway.
func putLast(tx *bbolt.Tx, seq uint64) error {
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(lastKey), frame{seq: seq, id: bucketMeta + "/" + lastKey}.encode())
}

// full says whether the next record belongs in a new segment: one commit takes a few pages and its body.
func (g *segment) full(o Options) bool {
	const commit = 8*pageSize + MaxBody
	return g.count >= o.SegmentCount || g.used+2*commit > max(o.SegmentBytes, 4*commit)
}

// segmentRoom is how large a segment's file is from the start.
func (o Options) segmentRoom() int64 {
	const least, each = 128 << 10, 1 << 10 // of a record, roughly
	return min(o.SegmentBytes, least+int64(o.SegmentCount)*each)
}

// shortError says that a sound segment ends before its log goes on: the one after it is missing.
type shortError struct{ seq uint64 }

func (e *shortError) Error() string {
	return fmt.Sprintf("record %d and its segment are missing", e.seq)
}

// read appends the records from..to to out until a limit is reached; more says whether the segment went to its end.
func (g *segment) read(out []Entry, from, to uint64, limit int, room *int) (_ []Entry, more bool, err error) {
	take := func(want uint64, v []byte) (more bool, err error) {
		f, err := decodeFrame(v)
		if err != nil {
			return false, fmt.Errorf("record %d: %w", want, err)
		}
		if f.seq != want {
			return false, structural("record %d stands where %d belongs", f.seq, want)
		}
		if len(f.body) > *room && len(out) > 0 {
			return false, nil
		}
		*room -= len(f.body)
		out = append(out, f.entry(g.log))
		return true, nil
	}
	if g.sealed != nil {
		more, err = g.sealed.read(from, to, func(want uint64, v []byte) (bool, error) {
			if len(out) >= limit {
				return false, nil
			}
			return take(want, v)
		})
		return out, more, err
	}
	err = guarded(func() error {
		return g.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(bucketRecords))
			if b == nil {
				return structural("no bucket of records")
			}
			c := b.Cursor()
			k, v := c.Seek(seqKey(from))
			for want := from; want <= to; want++ {
				if len(out) >= limit {
					return nil
				}
				if k == nil {
					return &shortError{want}
				}
				if string(k) != string(seqKey(want)) {
					return structural("key %x stands where record %d belongs", k, want)
				}
				if ok, err := take(want, v); !ok {
					return err
				}
				k, v = c.Next()
			}
			more = true
			return nil
		})
	})
	return out, more, g.judged(err)
}

// judged lets go of a handle that met a fault.
func (g *segment) judged(err error) error {
	if isFault(err) {
		g.db = nil
	}
	return err
}

// newest is when the record `last` was stored.
func (g *segment) newest(last uint64) (time.Time, error) {
	room := MaxBody
	list, _, err := g.read(nil, last, last, 1, &room)
	if err != nil {
		return time.Time{}, err
	}
	return list[0].Stored, nil
}

// end is the last seq that belongs to segment i: the one before the next segment, or the log's last, less what a gap
// took away.
func (l *logInfo) end(i int) uint64 {
	end := l.last
	if i+1 < len(l.segs) {
		end = l.segs[i+1].first - 1
	}
	for j := len(l.saved.Gaps) - 1; j >= 0; j-- {
		if g := l.saved.Gaps[j]; g.From > l.segs[i].first && g.From <= end && end <= g.To {
			end = g.From - 1
		}
	}
	return end
}

// remove takes a segment out of the list. The caller holds mu.
func (l *logInfo) remove(g *segment) {
	l.segs = slices.DeleteFunc(slices.Clone(l.segs), func(x *segment) bool { return x == g })
}
