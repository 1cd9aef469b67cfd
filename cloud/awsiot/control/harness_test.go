package control_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/store"
	"fountain/internal/localhttp"
)

const arn = "arn:aws:iot:us-east-1:123456789012:"

// cloud is a Core with its HTTP side.
type cloud struct {
	t     *testing.T
	dir   string
	core  *awsiot.Core
	db    *store.SQLite
	auth  *authority.Authority
	admin *httptest.Server // SigV4, plain
	https *httptest.Server // devices
	seen  chan string      // topics of rules' messages
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, dir: t.TempDir(), seen: make(chan string, 100)}
	var err error
	if c.db, err = store.OpenSQLite(t.Context(), filepath.Join(c.dir, "cloud.db")); err != nil {
		t.Fatal(err)
	}
	if c.auth, err = authority.Open(c.dir); err != nil {
		t.Fatal(err)
	}
	c.core, err = awsiot.New(awsiot.Config{
		Stack: awsiottest.Stack(t), Authority: c.auth, Store: c.db, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Deliver: func(context.Context, awsiot.QueueMessage) error { c.seen <- "rule"; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	objects := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "object ", r.URL.Path) })
	h, err := c.core.HTTP(func(kind string) string {
		if kind == "iot:Data-ATS" {
			return "localhost:1"
		}
		return ""
	}, objects)
	if err != nil {
		t.Fatal(err)
	}
	c.admin = httptest.NewServer(localhttp.Protect(h.Handler()))
	c.https = httptest.NewUnstartedServer(localhttp.Protect(h.DeviceHandler()))
	c.https.TLS = h.TLS()
	c.https.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	c.https.StartTLS()
	t.Cleanup(func() {
		c.admin.Close()
		c.https.Close()
		if err := c.core.Close(); err != nil {
			t.Error(err)
		}
		if err := c.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	code   string // the exception
	body   map[string]any
	text   string
}

func (c *cloud) send(client *http.Client, base, service, method, path string, body any, header ...string) *answer {
	c.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		e, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(e)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, base+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	if service != "" {
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := &answer{t: c.t, status: res.StatusCode, code: res.Header.Get("x-amzn-ErrorType"), text: string(b)}
	if json.Unmarshal(b, &a.body) == nil && res.Header.Get("x-amzn-RequestId") == "" {
		c.t.Errorf("%s %s: no request id", method, path)
	}
	return a
}

// iot, data and jobsData call one plane as an administrator.
func (c *cloud) iot(method, path string, body any, header ...string) *answer {
	c.t.Helper()
	return c.send(http.DefaultClient, c.admin.URL, "iot", method, path, body, header...)
}

func (c *cloud) data(method, path string, body any, header ...string) *answer {
	c.t.Helper()
	return c.send(http.DefaultClient, c.admin.URL, "iotdata", method, path, body, header...)
}

func (c *cloud) jobsData(method, path string, body any) *answer {
	c.t.Helper()
	return c.send(http.DefaultClient, c.admin.URL, "iot-jobs-data", method, path, body)
}

// ok wants 200 and returns the body.
func (a *answer) ok() map[string]any {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("%d %s %s", a.status, a.code, a.text)
	}
	return a.body
}

// fails wants an exception with a message.
func (a *answer) fails(status int, code string) *answer {
	a.t.Helper()
	if a.status != status || a.code != code {
		a.t.Fatalf("got %d %s, want %d %s: %s", a.status, a.code, status, code, a.text)
	}
	if m, _ := a.body["message"].(string); m == "" {
		a.t.Fatalf("no message: %s", a.text)
	}
	return a
}

// get finds a value by its path in a body.
func get(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// column lists one field of each object of a list.
func column(v any, field string) (out []string) {
	l, _ := v.([]any)
	for _, x := range l {
		if field == "" {
			out = append(out, fmt.Sprint(x))
		} else {
			out = append(out, fmt.Sprint(get(x, field)))
		}
	}
	return out
}

// device makes an active certificate with a policy and returns an HTTPS client that shows it, and its ARN.
func (c *cloud) device(policy string) (*http.Client, string) {
	c.t.Helper()
	made := c.iot("POST", "/keys-and-certificate?setAsActive=true", nil).ok()
	a := made["certificateArn"].(string)
	if policy != "" {
		c.iot("POST", "/policies/p-"+a[len(a)-8:], map[string]string{"policyDocument": policy}).ok()
		c.iot("PUT", "/target-policies/p-"+a[len(a)-8:], map[string]string{"target": a}).ok()
	}
	cert, err := tls.X509KeyPair([]byte(made["certificatePem"].(string)), []byte(get(made, "keyPair", "PrivateKey").(string)))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.httpsClient(cert), a
}

func (c *cloud) httpsClient(certs ...tls.Certificate) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.auth.Pool(), Certificates: certs, ServerName: "localhost"}}
	c.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// httpsURL is how the certificate names the server.
func (c *cloud) httpsURL() string {
	_, port, err := net.SplitHostPort(c.https.Listener.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	return "https://localhost:" + port
}
