package assets

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"os"

	"fountain/internal/atomicfile"
	"fountain/touchui/kiosk/paint"
)

// syncEvery bounds what one fsync has to write, so that building a pack never holds up others' small writes for long.
const syncEvery = 2 << 20

// Build composes the pictures of keys one after the other and replaces path with a pack of them. draw returns an opaque
// picture; it may wait, which is how a build keeps out of the way. On error, and when ctx ends, path is untouched.
func Build(ctx context.Context, path string, meta Meta, keys []string, draw func(ctx context.Context, key string) (*image.RGBA, error)) error {
	if err := meta.check(); err != nil {
		return fmt.Errorf("build asset pack: %w", err)
	}
	if len(keys) > picturesMax {
		return fmt.Errorf("build asset pack: %d pictures are too many", len(keys))
	}
	err := atomicfile.WriteFunc(path, 0o644, func(f *os.File) error {
		w := writer{f: f, buf: bufio.NewWriterSize(f, 1<<16)}
		w.write(make([]byte, headerSize)) // its place; written last
		x := index{meta: meta}
		for _, k := range keys {
			if err := ctx.Err(); err != nil {
				return err
			}
			im, err := draw(ctx, k)
			if err != nil {
				return fmt.Errorf("compose %s: %w", k, err)
			}
			b, err := paint.NewBitmap(im, meta.Rotation, meta.Format)
			if err != nil {
				return fmt.Errorf("compose %s: %w", k, err)
			}
			w.pad()
			x.entries = append(x.entries, entry{key: k, size: b.Size, at: w.at, sum: checksum(b.Pix)})
			w.write(b.Pix)
			w.flush()
		}
		h := header{IndexAt: w.at}
		body := x.encode()
		h.IndexSize, h.IndexSum = uint32(len(body)), checksum(body)
		h.FileSize = w.at + uint64(len(body))
		// What was written must be what would be read: limits are checked once, by the reader.
		if _, err := decodeIndex(body, h.IndexAt); err != nil {
			return err
		}
		w.write(body)
		if err := w.buf.Flush(); err != nil {
			return err
		}
		if w.err != nil {
			return w.err
		}
		_, err := f.WriteAt(h.encode(), 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("build asset pack: %w", err)
	}
	return nil
}

// writer keeps the first error and knows where it is.
type writer struct {
	f        *os.File
	buf      *bufio.Writer
	at       uint64
	unsynced int
	err      error
}

func (w *writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.buf.Write(b)
	}
	w.at += uint64(len(b))
	w.unsynced += len(b)
}

func (w *writer) pad() {
	if n := w.at % pageSize; n > 0 {
		w.write(make([]byte, pageSize-n))
	}
}

func (w *writer) flush() {
	if w.unsynced < syncEvery || w.err != nil {
		return
	}
	w.unsynced = 0
	if w.err = w.buf.Flush(); w.err == nil {
		w.err = w.f.Sync()
	}
}
