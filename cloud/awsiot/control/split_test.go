package control

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"fountain/cloud/awsiot/authority"
)

// TestSplit: one port for two protocols, told apart before anything is answered; nonsense is hung up on.
func TestSplit(t *testing.T) {
	ca, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mqtt := &tls.Config{Certificates: []tls.Certificate{*ca.Server()}, NextProtos: []string{"x-amzn-mqtt-ca"}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	split := Split(l, func(c net.Conn) {
		s := tls.Server(c, mqtt)
		_, _ = s.Write([]byte("mqtt")) // the test reads it, or fails
		_ = s.Close()                  // nothing more to say
	})
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "https") })}
	ended := make(chan error, 1)
	h.TLSConfig = serverTLS(ca)
	go func() { ended <- h.ServeTLS(split, "", "") }()

	dial := func(protos ...string) *tls.Conn {
		t.Helper()
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", NextProtos: protos})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	if b, err := io.ReadAll(dial("x-amzn-mqtt-ca")); err != nil || string(b) != "mqtt" {
		t.Errorf("MQTT: %q %v", b, err)
	}
	for _, protos := range [][]string{{"x-amzn-http-ca"}, nil, {"http/1.1"}} {
		c := dial(protos...)
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); err != nil || !bytes.HasSuffix(b, []byte("https")) {
			t.Errorf("%v: %q %v", protos, b, err)
		}
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(c); len(b) != 0 {
		t.Errorf("nonsense was answered: %q", b)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
