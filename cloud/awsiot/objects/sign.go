package objects

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeLayout = "20060102T150405Z"
	dayLayout  = "20060102"
	// skew is how far ahead of this clock a signature may be.
	skew = 15 * time.Minute
)

// Names of the query of a presigned URL.
const (
	qAlgorithm  = "X-Amz-Algorithm"
	qCredential = "X-Amz-Credential"
	qDate       = "X-Amz-Date"
	qExpires    = "X-Amz-Expires"
	qHeaders    = "X-Amz-SignedHeaders"
	qSignature  = "X-Amz-Signature"
)

// Presign returns a URL that allows method (GET or PUT) on an object for a time. thing is the signer that the URL names,
// so that the log of a proxy in front shows who reads.
func (s *Store) Presign(method, bucket, key, thing string, expires time.Duration) (string, error) {
	p, err := name(bucket, key)
	if err != nil {
		return "", err
	}
	if method != http.MethodGet && method != http.MethodPut {
		return "", fmt.Errorf("presign %s: only GET and PUT can be", method)
	}
	if expires < time.Second || expires > maxExpires {
		return "", fmt.Errorf("presign for %v: want a second to %v", expires, maxExpires)
	}
	base, err := url.Parse(s.cfg.BaseURL())
	if err != nil || base.Host == "" {
		return "", fmt.Errorf("presign: base URL %q: %w", s.cfg.BaseURL(), err)
	}
	now := time.Now().UTC()
	q := url.Values{
		qAlgorithm: {algorithm}, qCredential: {thing + "/" + s.scope(now)}, qDate: {now.Format(timeLayout)},
		qExpires: {strconv.Itoa(int(expires / time.Second))}, qHeaders: {"host"},
	}
	q.Set(qSignature, s.signature(method, base.Host, "/"+p, q, now))
	return strings.TrimSuffix(base.String(), "/") + escape("/"+p) + "?" + query(q), nil
}

func (s *Store) scope(at time.Time) string {
	return at.Format(dayLayout) + "/" + s.cfg.Region + "/s3/aws4_request"
}

// signature is that of AWS Signature Version 4 over a request without a body that is signed.
func (s *Store) signature(method, host, path string, q url.Values, at time.Time) string {
	canonical := strings.Join([]string{method, escape(path), query(q), "host:" + host, "", "host", "UNSIGNED-PAYLOAD"}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{algorithm, at.Format(timeLayout), s.scope(at), hex.EncodeToString(digest[:])}, "\n")
	key := append([]byte("AWS4"), s.cfg.Secret...)
	for _, part := range []string{at.Format(dayLayout), s.cfg.Region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// query encodes the query in the order and form that is signed, the signature last.
func query(q url.Values) string {
	sorted := url.Values{}
	for k, v := range q {
		if k != qSignature {
			sorted[k] = v
		}
	}
	out := strings.ReplaceAll(sorted.Encode(), "+", "%20")
	if sig := q.Get(qSignature); sig != "" {
		out += "&" + qSignature + "=" + sig
	}
	return out
}

// escape percent-encodes what RFC 3986 reserves, but for the slashes of a path.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// refusal is an answer of S3 that says no.
type refusal struct {
	status        int
	code, message string
}

func denied(message string) *refusal { return &refusal{http.StatusForbidden, "AccessDenied", message} }

// verify checks the signature of a request.
func (s *Store) verify(r *http.Request, now time.Time) *refusal {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || q.Get(qSignature) == "" {
		return denied("Access Denied")
	}
	at, err := time.Parse(timeLayout, q.Get(qDate))
	if err != nil || q.Get(qAlgorithm) != algorithm || q.Get(qHeaders) != "host" {
		return &refusal{http.StatusBadRequest, "AuthorizationQueryParametersError", "X-Amz-Date, X-Amz-Algorithm or X-Amz-SignedHeaders is not what is supported"}
	}
	_, scope, _ := strings.Cut(q.Get(qCredential), "/")
	lasts, err := strconv.Atoi(q.Get(qExpires))
	if err != nil || lasts < 1 || time.Duration(lasts)*time.Second > maxExpires || scope != s.scope(at) {
		return &refusal{http.StatusBadRequest, "AuthorizationQueryParametersError", "X-Amz-Expires or X-Amz-Credential is not what is supported"}
	}
	sig := q.Get(qSignature)
	q.Del(qSignature)
	if !hmac.Equal([]byte(sig), []byte(s.signature(r.Method, r.Host, r.URL.Path, q, at))) {
		return &refusal{http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	}
	switch {
	case now.After(at.Add(time.Duration(lasts) * time.Second)):
		return denied("Request has expired")
	case at.After(now.Add(skew)):
		return denied("Request is not yet valid")
	}
	return nil
}
