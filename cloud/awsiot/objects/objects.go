// Package objects is a local stand-in for the part of S3 that units use: an object is read and written through a signed
// URL that expires. It imports internal packages only.
//
//	job document placeholder ──► Store.Presign ──URL──► unit ──GET, PUT──► Store.ServeHTTP ──► DIR/BUCKET/KEY
package objects

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Config of a Store.
type Config struct {
	Dir      string // objects are DIR/BUCKET/KEY
	Region   string
	Secret   []byte        // signs URLs; the same secret in every process that shares the directory
	BaseURL  func() string // how units reach ServeHTTP: "https://HOST:PORT", without a slash at the end
	MaxBytes int64         // of one PUT; 0 means 64 MiB
}

// Store keeps objects in files and serves them. Make it with New; it is safe for concurrent use.
type Store struct{ cfg Config }

// New makes a Store.
func New(cfg Config) (*Store, error) { return &Store{cfg: cfg}, nil }

// Presign returns a URL that allows method (GET or PUT) on an object for a time. thing is the signer named in the URL.
func (s *Store) Presign(method, bucket, key, thing string, expires time.Duration) (string, error) {
	return "", errors.New("not built yet")
}

// Read returns a small object whole. The error is fs.ErrNotExist when there is none.
func (s *Store) Read(ctx context.Context, bucket, key string) ([]byte, error) {
	return nil, errors.New("not built yet")
}

// Write puts an object.
func (s *Store) Write(ctx context.Context, bucket, key string, data []byte) error {
	return errors.New("not built yet")
}

// ServeHTTP serves /BUCKET/KEY with a signature in the query.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "not built yet", http.StatusNotImplemented)
}
