package objects

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// asked is the answer to a request that a test made.
type asked struct {
	*http.Response
	body string
}

// rig is a Store reached without a network.
type rig struct {
	*Store
	t *testing.T
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	cfg := Config{Dir: filepath.Join(t.TempDir(), "s3"), Region: "eu-west-1", Secret: []byte("secret"), BaseURL: func() string { return "https://cloud.test:8443" }}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{s, t}
}

func (r *rig) do(method, link, body string, header ...string) asked {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, link, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	b, err := io.ReadAll(w.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return asked{w.Result(), string(b)}
}

func (r *rig) sign(method, bucket, key string, d time.Duration) string {
	r.t.Helper()
	link, err := r.Presign(method, bucket, key, "u1", d)
	if err != nil {
		r.t.Fatal(err)
	}
	return link
}

func TestPutAndGet(t *testing.T) {
	r := newRig(t)
	const key = "dir with space/a+b=ü.bin"
	put := r.do("PUT", r.sign("PUT", "bucket-1", key, time.Minute), "0123456789")
	if put.StatusCode != 200 || put.Header.Get("ETag") == "" {
		t.Fatalf("%d %s", put.StatusCode, put.body)
	}
	link := r.sign("GET", "bucket-1", key, time.Minute)
	get := r.do("GET", link, "")
	etag := get.Header.Get("ETag")
	if get.StatusCode != 200 || get.body != "0123456789" || etag != put.Header.Get("ETag") || get.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%d %s %v", get.StatusCode, get.body, get.Header)
	}
	for _, tc := range []struct {
		name   string
		header []string
		status int
		body   string
	}{
		{"range", []string{"Range", "bytes=2-4"}, 206, "234"},
		{"end of it", []string{"Range", "bytes=8-"}, 206, "89"},
		{"range of the same", []string{"Range", "bytes=8-", "If-Range", etag}, 206, "89"},
		{"range of another", []string{"Range", "bytes=8-", "If-Range", `"other"`}, 200, "0123456789"},
		{"range beyond", []string{"Range", "bytes=10-"}, 416, ""},
		{"not changed", []string{"If-None-Match", etag}, 304, ""},
		{"changed", []string{"If-Match", `"other"`}, 412, ""},
	} {
		got := r.do("GET", link, "", tc.header...)
		if got.StatusCode != tc.status || tc.body != "" && got.body != tc.body {
			t.Errorf("%s: %d %q", tc.name, got.StatusCode, got.body)
		}
	}
	if put := r.do("PUT", r.sign("PUT", "bucket-1", key, time.Minute), "new"); put.StatusCode != 200 {
		t.Fatal(put.body)
	}
	if get := r.do("GET", link, "", "Range", "bytes=2-4", "If-Range", etag); get.StatusCode != 200 || get.body != "new" {
		t.Errorf("a download that goes on mixes two objects: %d %q", get.StatusCode, get.body)
	}
	if b, err := r.Read(t.Context(), "bucket-1", key); string(b) != "new" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	files, err := os.ReadDir(filepath.Join(r.cfg.Dir, "bucket-1", "dir with space"))
	if err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
}

func TestRefusedSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		if err := r.Write(t.Context(), "bucket-1", "k", strings.NewReader("data")); err != nil {
			t.Fatal(err)
		}
		good := r.sign("GET", "bucket-1", "k", time.Minute)
		swap := func(old, with string) string {
			out := strings.Replace(good, old, with, 1)
			if out == good {
				t.Fatalf("%s is not in %s", old, good)
			}
			return out
		}
		other := newRig(t, func(c *Config) { c.Secret = []byte("other") })
		for _, tc := range []struct {
			name, method, link string
			status             int
			code               string
		}{
			{"right", "GET", good, 200, ""},
			{"no signature", "GET", "https://cloud.test:8443/bucket-1/k", 403, "AccessDenied"},
			{"other method", "PUT", good, 403, "SignatureDoesNotMatch"},
			{"HEAD", "HEAD", good, 403, "SignatureDoesNotMatch"},
			{"other key", "GET", swap("/k?", "/l?"), 403, "SignatureDoesNotMatch"},
			{"longer", "GET", swap("Expires=60", "Expires=600"), 403, "SignatureDoesNotMatch"},
			{"other host", "GET", swap("cloud.test:8443", "evil.test:8443"), 403, "SignatureDoesNotMatch"},
			{"one more parameter", "GET", good + "&versionId=1", 403, "SignatureDoesNotMatch"},
			{"other thing", "GET", swap("u1", "u2"), 403, "SignatureDoesNotMatch"},
			{"another's secret", "GET", other.sign("GET", "bucket-1", "k", time.Minute), 403, "SignatureDoesNotMatch"},
			{"other region", "GET", swap("eu-west-1", "eu-west-2"), 400, "AuthorizationQueryParametersError"},
			{"other algorithm", "GET", swap("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), 400, "AuthorizationQueryParametersError"},
			{"eight days", "GET", swap("Expires=60", "Expires=691200"), 400, "AuthorizationQueryParametersError"},
		} {
			got := r.do(tc.method, tc.link, "")
			if got.StatusCode != tc.status || tc.code != "" && tc.method != "HEAD" && !strings.Contains(got.body, "<Code>"+tc.code+"</Code>") {
				t.Errorf("%s: %d %s", tc.name, got.StatusCode, got.body)
			}
		}
		time.Sleep(time.Minute)
		if got := r.do("GET", good, ""); got.StatusCode != 200 {
			t.Errorf("in the last second: %d %s", got.StatusCode, got.body)
		}
		time.Sleep(time.Second)
		got := r.do("GET", good, "")
		if got.StatusCode != 403 || got.Header.Get("Content-Type") != "application/xml" || !strings.Contains(got.body, "<Code>AccessDenied</Code><Message>Request has expired</Message>") {
			t.Errorf("expired: %d %s", got.StatusCode, got.body)
		}
	})
}

// TestSignatureIsVersion4: the example of AWS's documentation of presigned URLs comes out.
func TestSignatureIsVersion4(t *testing.T) {
	s := &Store{Config{Region: "us-east-1", Secret: []byte("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}}
	at := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	q := url.Values{
		qAlgorithm: {algorithm}, qCredential: {"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"},
		qDate: {"20130524T000000Z"}, qExpires: {"86400"}, qHeaders: {"host"},
	}
	const want = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	if got := s.signature("GET", "examplebucket.s3.amazonaws.com", "/test.txt", q, at); got != want {
		t.Errorf("got %s", got)
	}
}

func TestRefusedUploads(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxBytes = 10 })
	link := r.sign("PUT", "bucket-1", "k", time.Minute)
	if got := r.do("PUT", link, strings.Repeat("x", 10)); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := r.do("PUT", link, strings.Repeat("x", 11)); got.StatusCode != 400 || !strings.Contains(got.body, "EntityTooLarge") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	req := httptest.NewRequest(http.MethodPut, link, io.NopCloser(bytes.NewReader([]byte("y"))))
	req.ContentLength = -1
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if w.Code != http.StatusLengthRequired {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// What breaks off leaves the object as it was.
	req = httptest.NewRequest(http.MethodPut, link, io.MultiReader(strings.NewReader("yy"), broken{}))
	req.ContentLength = 9
	w = httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if b, err := r.Read(t.Context(), "bucket-1", "k"); string(b) != strings.Repeat("x", 10) || err != nil {
		t.Errorf("%q %v", b, err)
	}
	files, err := os.ReadDir(filepath.Join(r.cfg.Dir, "bucket-1"))
	if err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
	if got := r.do("GET", r.sign("GET", "bucket-1", "none", time.Minute), ""); got.StatusCode != 404 || !strings.Contains(got.body, "NoSuchKey") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := r.do("GET", r.sign("GET", "bucket-1", "k/under", time.Minute), ""); got.StatusCode != 404 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection lost") }

func TestNames(t *testing.T) {
	r := newRig(t)
	for _, bad := range [][2]string{
		{"..", "k"},
		{"ab", "k"},
		{"Bucket", "k"},
		{"a/b", "k"},
		{".hidden", "k"},
		{"a..b", "k"},
		{strings.Repeat("b", 64), "k"},
		{"bucket", ""},
		{"bucket", "../k"},
		{"bucket", "a/../../k"},
		{"bucket", "/k"},
		{"bucket", "a//b"},
		{"bucket", "a/"},
		{"bucket", "a/./b"},
		{"bucket", "a\x00b"},
		{"bucket", `a\b`},
		{"bucket", strings.Repeat("k", 1025)},
		{"bucket", "a/" + partial + "x"},
	} {
		if _, err := r.Presign("GET", bad[0], bad[1], "u1", time.Minute); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", bad, err)
		}
		if err := r.Write(t.Context(), bad[0], bad[1], strings.NewReader("")); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := r.Read(t.Context(), "bucket", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, tc := range []struct {
		method string
		d      time.Duration
	}{{"DELETE", time.Minute}, {"GET", 0}, {"GET", 8 * 24 * time.Hour}} {
		if _, err := r.Presign(tc.method, "bucket", "k", "u1", tc.d); err == nil {
			t.Errorf("signed %+v", tc)
		}
	}
	// A link out of the directory leads nowhere.
	if err := r.Write(t.Context(), "bucket", "k", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("s"), 0o600), os.Symlink(secret, filepath.Join(r.cfg.Dir, "bucket", "link"))); err != nil {
		t.Fatal(err)
	}
	if b, err := r.Read(t.Context(), "bucket", "link"); err == nil {
		t.Errorf("read %q", b)
	}
}

// FuzzRequest: whatever the URL, nothing outside the directory is touched and only a right signature is served.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/bucket/k", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=u1%2F20000101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20000101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00")
	f.Add("PUT", "/bucket/../../etc/passwd", "X-Amz-Signature=1")
	dir := filepath.Join(f.TempDir(), "s3")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		s := &Store{Config{Dir: dir, Region: "eu-west-1", Secret: []byte("secret"), MaxBytes: 10}}
		r := &http.Request{Method: method, Host: "h", URL: &url.URL{Path: path, RawQuery: query}, Body: http.NoBody}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code < 400 {
			t.Fatalf("%d", w.Code)
		}
		if _, err := os.Stat(s.cfg.Dir); err == nil {
			t.Fatal("something was written")
		}
	})
}

func ExampleStore_Presign() {
	s, err := New(Config{Dir: "/tmp/s3", Region: "eu-west-1", Secret: []byte("s"), BaseURL: func() string { return "https://cloud.test:8443" }})
	if err != nil {
		panic(err)
	}
	link, err := s.Presign(http.MethodGet, "firmware", "v1/image.bin", "unit-1", time.Hour)
	if err != nil {
		panic(err)
	}
	u, err := url.Parse(link)
	if err != nil {
		panic(err)
	}
	fmt.Println(u.Host, u.Path, u.Query().Get("X-Amz-Expires"))
	// Output: cloud.test:8443 /firmware/v1/image.bin 3600
}
