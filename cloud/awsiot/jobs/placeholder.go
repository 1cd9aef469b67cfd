package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxPlaceholders is how many presigned URLs a document may hold.
const maxPlaceholders = 10

// placeholderStart begins a placeholder: ${aws:iot:s3-presigned-url:URL}, the same with -v1, -v2 (whose URL is encoded) or
// -upload.
const placeholderStart = "${aws:iot:s3-presigned-url"

// placeholder is one place of a document that a URL replaces.
type placeholder struct {
	from, to    int
	method      string
	bucket, key string
}

// placeholders finds the places of a document. The error says which is malformed.
func placeholders(doc string) ([]placeholder, error) {
	var out []placeholder
	for at := 0; ; {
		i := strings.Index(doc[at:], placeholderStart)
		if i < 0 {
			return out, nil
		}
		from := at + i
		rest := doc[from+len(placeholderStart):]
		end := closing(rest)
		if end < 0 {
			return nil, invalid("The job document holds a placeholder that does not end: %s", short(doc[from:]))
		}
		to := from + len(placeholderStart) + end + 1
		p, err := parsePlaceholder(rest[:end])
		if err != nil {
			return nil, invalid("The job document's placeholder %s is malformed: %v", short(doc[from:to]), err)
		}
		p.from, p.to = from, to
		out = append(out, p)
		at = to
	}
}

// closing finds the brace that ends a placeholder, past ${thingName} and the like; a quote ends the search.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '"':
			return -1
		}
	}
	return -1
}

func short(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// parsePlaceholder reads "-v2:https://…" and the like.
func parsePlaceholder(s string) (p placeholder, err error) {
	kind, link, ok := strings.Cut(s, ":")
	if !ok {
		return p, errors.New("it names no URL")
	}
	p.method = http.MethodGet
	encoded := false
	switch kind {
	case "", "-v1":
	case "-v2":
		encoded = true
	case "-upload":
		p.method = http.MethodPut
	default:
		return p, errors.New("unknown kind")
	}
	if p.bucket, p.key, err = parseS3(link, encoded); err != nil {
		return p, err
	}
	if strings.Contains(p.bucket, "${") {
		return p, errors.New("the bucket may hold no keyword")
	}
	for _, k := range keywords {
		if strings.Count(p.key, k) > 2 {
			return p, fmt.Errorf("%s is there more than twice", k)
		}
	}
	return p, nil
}

// parseS3 takes the URL of an object apart, path style (https://s3.REGION.amazonaws.com/BUCKET/KEY) or virtual hosted
// (https://BUCKET.s3.REGION.amazonaws.com/KEY).
func parseS3(link string, encoded bool) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(link, "https://")
	if !ok {
		return "", "", errors.New("no https URL")
	}
	host, path, _ := strings.Cut(rest, "/")
	host, ok = strings.CutSuffix(strings.TrimSuffix(host, ".cn"), ".amazonaws.com")
	if !ok {
		return "", "", errors.New("no URL of S3")
	}
	if encoded {
		if path, err = url.PathUnescape(path); err != nil {
			return "", "", err
		}
		path, _, _ = strings.Cut(path, "?versionId=") // there is one version of each object here
	}
	service := func(s string) bool { return s == "s3" || strings.HasPrefix(s, "s3.") || strings.HasPrefix(s, "s3-") }
	switch i := strings.Index(host, ".s3"); {
	case service(host):
		bucket, key, _ = strings.Cut(path, "/")
	case i > 0 && service(host[i+1:]):
		bucket, key = host[:i], path
	default:
		return "", "", errors.New("no URL of S3")
	}
	if bucket == "" || key == "" {
		return "", "", errors.New("bucket or key is missing")
	}
	return bucket, key, nil
}

// keywords may stand in the key of an upload.
var keywords = []string{"${thingName}", "${jobId}", "${executionNumber}"}

// document is what a unit gets: the job's document with URLs in its placeholders, made anew each time.
func (s *Service) document(j *job, thing string, number int64) (json.RawMessage, error) {
	doc := j.rec.Document
	marks, err := placeholders(doc)
	if err != nil || len(marks) == 0 || s.cfg.Presign == nil {
		return json.RawMessage(doc), err
	}
	expires := maxExpiry * time.Second
	if p := j.rec.Presigned; p != nil && p.ExpiresInSec != nil {
		expires = time.Duration(*p.ExpiresInSec) * time.Second
	}
	fill := strings.NewReplacer(keywords[0], thing, keywords[1], j.row.ID, keywords[2], strconv.FormatInt(number, 10))
	var b strings.Builder
	at := 0
	for _, m := range marks {
		key := m.key
		if m.method == http.MethodPut {
			key = fill.Replace(key)
		}
		link, err := s.cfg.Presign.Presign(m.method, m.bucket, key, thing, expires)
		if err != nil {
			return nil, fmt.Errorf("presign %s/%s: %w", m.bucket, key, err)
		}
		quoted, err := quote(link)
		if err != nil {
			return nil, err
		}
		b.WriteString(doc[at:m.from])
		b.WriteString(quoted)
		at = m.to
	}
	b.WriteString(doc[at:])
	return json.RawMessage(b.String()), nil
}

// quote escapes what stands inside a JSON string.
func quote(s string) (string, error) {
	b, err := encode(s)
	if err != nil {
		return "", err
	}
	return string(b[1 : len(b)-1]), nil
}
