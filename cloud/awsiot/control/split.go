package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// helloLimit is how long a client may take to say hello.
const helloLimit = 10 * time.Second

// splitter serves two protocols on one port, as AWS does on 443: whoever offers the application protocol of MQTT speaks
// MQTT, everybody else HTTPS. It is the net.Listener of the HTTPS server.
type splitter struct {
	net.Listener
	mqtt  func(net.Conn) // serves a connection until it ends
	https chan net.Conn
	fail  chan error    // of Accept
	done  chan struct{} // closed by Close
	once  sync.Once
	wg    sync.WaitGroup
}

// Split gives connections that offer x-amzn-mqtt-ca to mqtt and returns a listener of the others. Close it, or let the
// HTTPS server do it; it does not wait for the connections it gave away.
func Split(l net.Listener, mqtt func(net.Conn)) net.Listener {
	s := &splitter{Listener: l, mqtt: mqtt, https: make(chan net.Conn), fail: make(chan error, 1), done: make(chan struct{})}
	s.wg.Go(s.run)
	return s
}

func (s *splitter) run() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			s.fail <- err
			return
		}
		go s.sort(c) // ends within helloLimit, or with the connection when it is MQTT
	}
}

// sort reads what a client offers and hands the connection on.
func (s *splitter) sort(c net.Conn) {
	offered, seen, err := hello(c)
	if err != nil {
		_ = c.Close() // it said nothing that can be answered
		return
	}
	c = &replayed{Conn: c, first: bytes.NewReader(seen)}
	if slices.Contains(offered, "x-amzn-mqtt-ca") {
		s.mqtt(c)
		return
	}
	select {
	case s.https <- c:
	case <-s.done:
		_ = c.Close() // nobody serves it any more
	}
}

// Accept implements net.Listener.
func (s *splitter) Accept() (net.Conn, error) {
	select {
	case c := <-s.https:
		return c, nil
	case err := <-s.fail:
		s.fail <- err
		return nil, err
	}
}

// Close implements net.Listener.
func (s *splitter) Close() error {
	s.once.Do(func() { close(s.done) })
	err := s.Listener.Close()
	s.wg.Wait()
	return err
}

var errSeen = errors.New("seen")

// hello reads a ClientHello and returns the application protocols it offers and every byte that was read.
func hello(c net.Conn) (offered []string, seen []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), helloLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) }) // wakes the reader
	var buf bytes.Buffer
	err = tls.Server(listening{c, io.TeeReader(c, &buf)}, &tls.Config{
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			offered = h.SupportedProtos
			return nil, errSeen
		},
	}).HandshakeContext(ctx)
	if !stop() || !errors.Is(err, errSeen) {
		return nil, nil, errors.Join(errors.New("no ClientHello"), err)
	}
	return offered, buf.Bytes(), nil
}

// listening is a connection on which nothing is said.
type listening struct {
	net.Conn
	r io.Reader
}

func (l listening) Read(p []byte) (int, error)  { return l.r.Read(p) }
func (l listening) Write(p []byte) (int, error) { return len(p), nil }
func (l listening) Close() error                { return nil }

// SetDeadline implements net.Conn; the deadline of the hello is another.
func (l listening) SetDeadline(time.Time) error { return nil }

// replayed is a connection whose first bytes were read before.
type replayed struct {
	net.Conn
	first *bytes.Reader
}

// Read implements net.Conn.
func (r *replayed) Read(p []byte) (int, error) {
	if r.first.Len() > 0 {
		return r.first.Read(p)
	}
	return r.Conn.Read(p)
}
