package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"

	"fountain/internal/atomicfile"
)

// harvest is what a damaged segment still holds, found by magic and checksum wherever it lies.
//
// A record found so is one that was committed, or the one after the newest whose commit a crash cut: appending goes on in
// a new segment when such a frame is there (segment.stale), so a seq never has two bodies in a file, and none beyond the
// range of its segment is taken.
type harvest struct {
	records map[uint64]frame
	ids     map[string]uint64 // intents closed -> seq
	last    uint64            // newest seq that is mentioned
}

// glean finds the frames of the file content b. Of a frame whose checksum is wrong the id still counts: an intent's name
// is in no segment without its record, and a record that was sent already must not be made a second time as an
// interrupted pour.
func glean(b []byte) harvest {
	h := harvest{records: map[uint64]frame{}, ids: map[string]uint64{}}
	twice := map[uint64]bool{}
	eachFrame(b, func(f frame, sound bool) {
		h.last = max(h.last, f.seq)
		switch {
		case f.id == bucketMeta+"/"+lastKey || f.id == bucketMeta+"/"+metaKey:
			return
		case f.id != "" && (!sound || f.seq > 0):
			h.ids[f.id] = f.seq
		}
		if !sound || f.seq == 0 {
			return
		}
		if was, ok := h.records[f.seq]; ok && (was.sum != f.sum || was.id != f.id || !bytes.Equal(was.body, f.body)) {
			twice[f.seq] = true // impossible by construction; nobody knows which one was sent
		}
		h.records[f.seq] = f
	})
	maps.DeleteFunc(h.records, func(seq uint64, _ frame) bool { return twice[seq] })
	return h
}

// eachFrame calls fn for everything in b that begins like a frame; sound tells whether its checksum holds. Of an unsound
// one only the id is given.
func eachFrame(b []byte, fn func(f frame, sound bool)) {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	for {
		i := bytes.Index(b, magic)
		if i < 0 || len(b)-i < frameHead {
			return
		}
		b = b[i:]
		n := uint64(frameHead) + uint64(binary.LittleEndian.Uint16(b[24:])) + uint64(binary.LittleEndian.Uint32(b[28:]))
		if n <= uint64(len(b)) {
			f, err := decodeFrame(b[:n])
			if err != nil {
				f = frame{id: string(b[frameHead : frameHead+int(binary.LittleEndian.Uint16(b[24:]))])}
			}
			fn(f, err == nil)
		}
		b = b[len(magic):]
	}
}

// readAround reads a file whole; blocks that the disk cannot read are zero.
func readAround(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, st.Size())
	for at := 0; at < len(b); at += pageSize {
		page := b[at:min(at+pageSize, len(b))]
		if _, err := f.ReadAt(page, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			clear(page)
		}
	}
	return b, nil
}

// stale tells whether the file holds a sound frame above last: what a commit that failed or was cut has left. Salvage
// could not tell it from a record that later gets the same seq.
func (g *segment) stale(last uint64) bool {
	b, err := readAround(g.path)
	if err != nil {
		return true // whatever it is, nothing is lost by a new segment
	}
	found := false
	eachFrame(b, func(f frame, sound bool) { found = found || sound && f.seq > last })
	return found
}

// rescued is what became of a damaged segment.
type rescued struct {
	kept  string     // the damaged file, in bad/; empty: there is none
	segs  []*segment // new files with what was legible, by seq
	count uint64
	last  uint64 // newest rescued seq; 0: none
	held  uint64 // newest seq that the file mentions
	ids   map[string]uint64
	holes []Gap // between first and last that nothing was rescued of
}

// rescue keeps a damaged segment aside and writes what is legible of it, up to end, into new segments of the same log: a
// record keeps its seq and its bytes. The first of them takes the damaged file's place, after the others: a crash in
// between leaves a file that is damaged still, and rescued again.
func (s *Store) rescue(g *segment, end uint64) (rescued, error) {
	r := rescued{ids: map[string]uint64{}}
	kept, err := keepAside(s.dir, g.path)
	if errors.Is(err, fs.ErrNotExist) { // somebody deleted the file
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.kept = kept
	b, err := readAround(kept)
	if err != nil {
		return r, dropFile(g.path)
	}
	h := glean(b)
	r.ids, r.held = h.ids, h.last
	if err := s.noteHeld(g, min(h.last, end), h.ids); err != nil {
		return r, err
	}
	runs := h.runs(g.log, g.first, end, s.o.Belongs)
	for i := len(runs) - 1; i >= 0; i-- {
		n := &segment{log: g.log, first: runs[i][0].seq}
		n.path = segmentPath(s.dir, g.log, n.first)
		if err := s.withRoom(func() error { return n.write(runs[i]) }); err != nil {
			// No room, most likely. The file in bad/ has it all; what is written already is good.
			runs = runs[i+1:]
			break
		}
		r.segs = append([]*segment{n}, r.segs...)
		r.count += uint64(len(runs[i]))
	}
	next := g.first
	for _, run := range runs {
		if run[0].seq > next {
			r.holes = append(r.holes, Gap{next, run[0].seq - 1})
		}
		r.last = run[len(run)-1].seq
		next = r.last + 1
	}
	if len(r.segs) > 0 && r.segs[0].path == g.path {
		return r, nil
	}
	return r, dropFile(g.path)
}

// noteHeld makes durable what a damaged segment of the current log says before it is replaced: how far the log came and
// what it closed. Else a crash before the log has ended would leave a sound file that knows less, and the log would go on.
func (s *Store) noteHeld(g *segment, last uint64, ids map[string]uint64) error {
	l := s.find(g.log)
	if l == nil || l != s.cur {
		return nil
	}
	maps.Copy(s.recorded, ids)
	return s.updateLog(l, func(saved *savedLog) { saved.Seen = max(saved.Seen, last, g.first) }, s.forgetRecorded)
}

// runs sorts the records of first..end into runs without a hole.
func (h harvest) runs(log string, first, end uint64, belongs func(log string, seq uint64, body []byte) bool) [][]frame {
	var runs [][]frame
	for _, seq := range slices.Sorted(maps.Keys(h.records)) {
		f := h.records[seq]
		if seq < first || seq > end || belongs != nil && !belongs(log, seq, f.body) {
			continue
		}
		if n := len(runs); n > 0 && runs[n-1][len(runs[n-1])-1].seq+1 == seq {
			runs[n-1] = append(runs[n-1], f)
		} else {
			runs = append(runs, []frame{f})
		}
	}
	return runs
}

// write makes the file with these records, whole or not at all.
func (g *segment) write(records []frame) error {
	return createBolt(g.path, 0, fileMeta{Schema: Schema, Kind: "segment", Log: g.log, First: g.first}, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucketRecords))
		if err != nil {
			return err
		}
		b.FillPercent = 1
		for _, f := range records {
			if err := b.Put(seqKey(f.seq), f.encode()); err != nil {
				return err
			}
		}
		return putLast(tx, records[len(records)-1].seq)
	})
}

// keepAside makes a damaged file known in bad/ too, under a name not used there, and returns that. The file stays in its
// place until its successor replaces it. Where the file system has no links it is moved.
func keepAside(dir, path string) (string, error) {
	is, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	for i := 0; i < math.MaxInt; i++ {
		to := filepath.Join(dir, badDir, filepath.Base(path))
		if i > 0 {
			to = fmt.Sprintf("%s.%d", to, i)
		}
		if was, err := os.Lstat(to); err == nil {
			if os.SameFile(was, is) { // a crash cut the rescue
				return to, nil
			}
			continue
		}
		if err := os.Link(path, to); err != nil {
			if err := os.Rename(path, to); err != nil {
				return path, fmt.Errorf("set %s aside: %w", path, err)
			}
			return to, errors.Join(atomicfile.SyncDir(filepath.Join(dir, badDir)), atomicfile.SyncDir(dir))
		}
		return to, atomicfile.SyncDir(filepath.Join(dir, badDir))
	}
	return "", fmt.Errorf("set %s aside: no name is left", path)
}

// dropFile unlinks a file that lies in bad/ too.
func dropFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}
