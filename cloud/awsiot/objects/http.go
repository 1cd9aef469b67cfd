package objects

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// ServeHTTP serves /BUCKET/KEY with a signature in the query: GET with ranges and conditions, PUT of a whole object.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if no := s.verify(r, time.Now()); no != nil {
		answer(w, no)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch r.Method {
	case http.MethodGet:
		s.get(w, r, bucket, key)
	case http.MethodPut:
		s.put(w, r, bucket, key)
	}
}

func (s *Store) get(w http.ResponseWriter, r *http.Request, bucket, key string) {
	f, info, err := s.open(bucket, key)
	if err != nil {
		answer(w, why(err))
		return
	}
	defer f.Close()
	w.Header().Set("ETag", etag(info))
	w.Header().Set("Content-Type", "binary/octet-stream")
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// etag changes whenever a file is replaced: Write never changes one in place.
func etag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
}

func (s *Store) put(w http.ResponseWriter, r *http.Request, bucket, key string) {
	switch {
	case r.ContentLength < 0:
		answer(w, &refusal{http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header."})
		return
	case r.ContentLength > s.cfg.MaxBytes:
		answer(w, &refusal{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"})
		return
	}
	if err := s.Write(r.Context(), bucket, key, r.Body); err != nil {
		answer(w, why(err))
		return
	}
	if f, info, err := s.open(bucket, key); err == nil {
		w.Header().Set("ETag", etag(info))
		_ = f.Close() // only read
	}
	w.WriteHeader(http.StatusOK)
}

// why turns an error into an answer of S3.
func why(err error) *refusal {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return &refusal{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	case errors.Is(err, ErrName):
		return &refusal{http.StatusBadRequest, "InvalidArgument", err.Error()}
	}
	return &refusal{http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again."}
}

func answer(w http.ResponseWriter, no *refusal) {
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: no.code, Message: no.message})
	if err != nil {
		panic(err) // impossible: texts only
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(no.status)
	_, _ = w.Write(append([]byte(xml.Header), body...)) // nobody listens any more if it fails
}
