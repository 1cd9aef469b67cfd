package store

import "os"

// sealed is a closed segment open for reading. It is never mapped: a bad sector or a file cut short under the reader is
// an error of a read, not a signal.
type sealed struct {
	f      *os.File
	first  uint64
	places []extent // of the records from first on
}

// seal verifies the whole file and opens it for reading.
func (g *segment) seal() error {
	f, err := os.Open(g.path)
	if err != nil {
		return err
	}
	x := &sealed{f: f, first: g.first}
	st, err := f.Stat()
	if err == nil {
		_, err = g.scanAt(f, st.Size(), func(f frame) { x.places = append(x.places, f.extent) })
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return err
	}
	g.sealed = x
	return nil
}

// read calls take for the records from..to until it returns false; more says that it never did.
func (x *sealed) read(from, to uint64, take func(seq uint64, v []byte) (bool, error)) (more bool, err error) {
	var buf []byte
	for seq := from; seq <= to; seq++ {
		if seq-x.first >= uint64(len(x.places)) {
			return false, &shortError{seq}
		}
		p := x.places[seq-x.first]
		if cap(buf) < p.size {
			buf = make([]byte, p.size)
		}
		if _, err := x.f.ReadAt(buf[:p.size], p.at); err != nil {
			return false, err
		}
		if ok, err := take(seq, buf[:p.size]); !ok {
			return false, err
		}
	}
	return true, nil
}
