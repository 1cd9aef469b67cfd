package mqttlink

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"fountain/internal/problem"
)

// fakeProxy answers CONNECT with status and then, if it lets through, echoes what it is sent after a greeting that comes
// with the answer's last bytes.
func fakeProxy(t *testing.T, status string) (addr string, asked chan *http.Request) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = make(chan *http.Request, 1)
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		asked <- r
		if status == "" { // it hangs
			_, _ = io.Copy(io.Discard, c)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\n\r\nhello ")
		if strings.HasPrefix(status, "200") {
			_, _ = io.Copy(c, c)
		}
	}()
	return l.Addr().String(), asked
}

func TestProxy(t *testing.T) {
	addr, asked := fakeProxy(t, "200 fine")
	u := &url.URL{Scheme: "http", Host: addr, User: url.UserPassword("unit", "let me:out")}
	c, err := Proxy(u)(t.Context(), "tcp", "cloud.example:8883")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := <-asked
	if r.Method != http.MethodConnect || r.Host != "cloud.example:8883" || r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("unit:let me:out")) {
		t.Errorf("%s %s %v", r.Method, r.Host, r.Header)
	}
	if _, err := io.WriteString(c, "world"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("hello world"))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello world" {
		t.Errorf("%q %v", got, err)
	}
}

func TestProxyRefuses(t *testing.T) {
	for status, want := range map[string]string{"407 who": "user and a password", "403 no": "does not let the unit through", "nonsense": "no HTTP answer"} {
		addr, _ := fakeProxy(t, status)
		const secret = "s3cr3t"
		_, err := Proxy(&url.URL{Host: addr, User: url.UserPassword("unit", secret)})(t.Context(), "tcp", "cloud.example:8883")
		if p := problem.From(err); err == nil || p.Code != problem.CodeUnreachable || !strings.Contains(p.What, want) || p.Remedy == "" || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", status, err)
		}
	}
	addr, asked := fakeProxy(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go func() { <-asked; cancel() }()
	if _, err := Proxy(&url.URL{Host: addr})(ctx, "tcp", "cloud.example:8883"); err != context.Canceled {
		t.Errorf("a proxy that hangs: %v", err)
	}
}
