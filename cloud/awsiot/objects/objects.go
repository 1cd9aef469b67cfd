// Package objects is a local stand-in for the part of S3 that units use: an object is read and written through a signed
// URL that expires. It imports internal packages only; what it keeps are files.
//
//	job document placeholder ──► Store.Presign ──URL──► unit ──GET, PUT──► Store.ServeHTTP ──► DIR/BUCKET/KEY
//
// URLs are those of AWS Signature Version 4 in the query, with the object in the path: whoever can use a presigned URL of
// S3 can use these. Nothing else of S3 is here: no listing, no buckets to create, no versions.
package objects

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Bounds of Config and of what is asked.
const (
	defaultMaxBytes = 64 << 20
	maxRead         = 1 << 20
	maxKey          = 1024 // bytes
	maxExpires      = 7 * 24 * time.Hour
)

// Config of a Store.
type Config struct {
	Dir      string        // objects are DIR/BUCKET/KEY
	Region   string        // as the URLs name it
	Secret   []byte        // signs URLs; the same secret in every process that shares the directory
	BaseURL  func() string // how units reach ServeHTTP: "https://HOST:PORT", without a slash at the end
	MaxBytes int64         // of one PUT; 0 means 64 MiB
}

// Store keeps objects in files and serves them. Make it with New; it is safe for concurrent use, also by several processes.
type Store struct{ cfg Config }

// New makes a Store; its directory is made with the first object.
func New(cfg Config) (*Store, error) {
	if cfg.Dir == "" || len(cfg.Secret) == 0 || cfg.BaseURL == nil || cfg.Region == "" {
		return nil, errors.New("make object store: Dir, Region, Secret and BaseURL are needed")
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	return &Store{cfg}, nil
}

// ErrName is returned for a bucket or key that can be no object here.
var ErrName = errors.New("no name of an object")

// name checks bucket and key and returns the file's path below the directory.
func name(bucket, key string) (string, error) {
	if len(bucket) < 3 || len(bucket) > 63 || bucket[0] == '.' || bucket[0] == '-' ||
		strings.Trim(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.Contains(bucket, "..") {
		return "", fmt.Errorf("bucket %q: %w", bucket, ErrName)
	}
	p := bucket + "/" + key
	if key == "" || len(key) > maxKey || path.Clean(p) != p || strings.ContainsAny(key, "\x00\\") || strings.HasPrefix(path.Base(key), partial) {
		return "", fmt.Errorf("key %q: %w", key, ErrName)
	}
	return p, nil
}

// partial begins the names of files that are being written.
const partial = ".partial-"

// open opens an object's file.
func (s *Store) open(bucket, key string) (*os.File, fs.FileInfo, error) {
	p, err := name(bucket, key)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenInRoot(s.cfg.Dir, p)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, nil, err
	}
	return f, info, nil
}

// Read returns a small object whole. The error is fs.ErrNotExist when there is none.
func (s *Store) Read(_ context.Context, bucket, key string) ([]byte, error) {
	f, _, err := s.open(bucket, key)
	if err != nil {
		return nil, fmt.Errorf("read object %s/%s: %w", bucket, key, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if err == nil && len(b) > maxRead {
		err = fmt.Errorf("read object %s/%s: it is larger than %d bytes", bucket, key, maxRead)
	}
	return b, err
}

// Write puts an object: at once and whole, or not at all.
func (s *Store) Write(_ context.Context, bucket, key string, r io.Reader) (err error) {
	p, err := name(bucket, key)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write object %s/%s: %w", bucket, key, err)
		}
	}()
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(s.cfg.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	dir := path.Dir(p)
	if err := root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp := dir + "/" + partial + rand.Text()
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, r); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(tmp, p)
	}
	if err != nil {
		_ = root.Remove(tmp) // what matters is the first error
		return err
	}
	return syncDir(root, dir)
}

// syncDir makes a rename durable.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
