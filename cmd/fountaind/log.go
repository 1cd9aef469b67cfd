package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"fountain/agent/config"
	"fountain/internal/problem"
)

// newLogger makes the logger, and what its level is changed with.
func newLogger(cfg config.Log, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level.Set(slog.LevelInfo) // validated by config; an empty one is the default
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// openLog returns where the log goes: stderr, or a file that is rotated by size and age.
func openLog(cfg config.Log, stderr io.Writer) (io.Writer, func(), error) {
	if cfg.File == "" {
		return stderr, func() {}, nil
	}
	r := &rotating{path: cfg.File, rot: cfg.Rotation, now: time.Now}
	if err := r.open(); err != nil {
		return nil, nil, &problem.Problem{
			Code: problem.CodeNotWritable, Where: "log.file " + cfg.File, What: fmt.Sprintf("cannot open the log: %v", err),
			Remedy: "make its directory writable, or leave log.file empty",
		}
	}
	return r, func() { _ = r.f.Close() }, nil
}

// rotating is a log file: FILE is written, FILE.1 is the one before, and so on up to Keep. Old ones go by age too.
type rotating struct {
	path string
	rot  config.Rotation
	now  func() time.Time

	mu   sync.Mutex
	f    *os.File
	size int64
}

func (r *rotating) open() error {
	if err := os.MkdirAll(filepath.Dir(r.path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	r.f, r.size = f, fi.Size()
	return nil
}

// Write appends one line; a file that would grow beyond its limit is put aside first.
func (r *rotating) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit := int64(r.rot.MaxSizeMB) << 20; limit > 0 && r.size > 0 && r.size+int64(len(b)) > limit {
		if err := r.rotate(); err != nil {
			return 0, fmt.Errorf("rotate log: %w", err)
		}
	}
	n, err := r.f.Write(b)
	r.size += int64(n)
	return n, err
}

// old is the path of the i-th file that was put aside.
func (r *rotating) old(i int) string { return r.path + "." + strconv.Itoa(i) }

func (r *rotating) rotate() error {
	_ = r.f.Close() // every write has been checked
	keep := max(r.rot.Keep, 1)
	_ = os.Remove(r.old(keep)) // may not exist
	for i := keep - 1; i >= 1; i-- {
		_ = os.Rename(r.old(i), r.old(i+1)) // may not exist
	}
	if err := os.Rename(r.path, r.old(1)); err != nil {
		return err
	}
	for i := 1; i <= keep && r.rot.MaxAge > 0; i++ {
		if fi, err := os.Stat(r.old(i)); err == nil && r.now().Sub(fi.ModTime()) > r.rot.MaxAge {
			_ = os.Remove(r.old(i)) // the next rotation tries again
		}
	}
	return r.open()
}

// dropOld removes every file that was put aside.
func (r *rotating) dropOld() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for i := 1; i <= max(r.rot.Keep, 1); i++ {
		if err := os.Remove(r.old(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
