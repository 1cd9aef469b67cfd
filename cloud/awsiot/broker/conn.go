package broker

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/time/rate"

	"fountain/cloud/awsiot/policy"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Limits in time and space of one connection.
const (
	connectLimit = 10 * time.Second // from the handshake to CONNECT
	writeLimit   = 30 * time.Second // for what the client does not read
	lingerLimit  = time.Second      // for the last packet of a connection
	maxUnread    = 16 << 20         // bytes a client may leave unread before it is given up
	maxLate      = 2 << 20          // bytes that wait before messages of QoS 0 are discarded
	writeSize    = 64 << 10         // bytes written between two looks at the quota
	readBuffer   = 1024             // small: 5,000 of them are mostly idle
)

// conn is one connection of a client. One goroutine reads and handles what it sends; a second one lives only while there
// is something to write, so that nobody waits for a client that does not read.
type conn struct {
	b    *Broker
	raw  net.Conn
	tls  *tls.Conn
	r    *bufio.Reader
	left chan struct{} // closed when the client id is free for the next connection

	identity atomic.Pointer[identity]
	session  *session // set by CONNECT
	version  byte     // 4 or 5
	since    time.Time
	// keepAlive is the client's, within AWS's bounds; keep is how long its session outlives the connection.
	keepAlive, keep time.Duration
	window          int    // unacknowledged deliveries the client takes
	maxSize         uint32 // of packets the client takes; 0 means any
	quiet           bool   // MQTT 5: the client wants no reason strings
	will            *Message
	willDelay       time.Duration
	aliases         map[uint16]string
	number          int64         // versionNumber of lifecycle events
	read, written   *rate.Limiter // bytes, each way
	messages        *rate.Limiter // in and out together

	mu      sync.Mutex
	out     [][]byte
	unread  int           // bytes in out
	writing chan struct{} // closed when the writer has nothing left; nil while there is none
	ended   *fault        // why this side ends the connection; the first reason counts
	deaf    bool          // nothing more is to be sent
	greeted bool          // CONNACK is first; what comes before it waits in out
	noWill  bool
}

func newConn(b *Broker, raw net.Conn) *conn {
	c := &conn{
		b: b, raw: raw, left: make(chan struct{}), window: wire.MaxInFlight,
		read:     rate.NewLimiter(wire.MaxByteRate, wire.MaxByteRate),
		written:  rate.NewLimiter(wire.MaxByteRate, wire.MaxByteRate),
		messages: rate.NewLimiter(wire.MaxMessageRate, wire.MaxMessageRate),
	}
	c.tls = tls.Server(raw, b.tls)
	return c
}

// Read delays what comes faster than the quota; nothing is dropped.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.tls.Read(p[:min(len(p), wire.MaxByteRate)])
	c.delay(c.read, n)
	return n, err
}

// delay waits while n bytes more are above the quota.
func (c *conn) delay(quota *rate.Limiter, n int) {
	if wait := quota.ReserveN(time.Now(), n).Delay(); wait > 0 {
		select {
		case <-time.After(wait):
		case <-c.b.ctx.Done():
		}
	}
}

// serve reads packets until the connection ends and returns why it did.
func (c *conn) serve() *fault {
	for {
		_ = c.tls.SetReadDeadline(time.Now().Add(c.keepAlive * 3 / 2)) // a closed connection shows at Read
		if f := c.endedBy(); f != nil {                                // the deadline may just have undone stop's
			return f
		}
		pk, err := readPacket(c.r, c.version)
		if err == nil {
			err = c.handle(&pk)
		}
		if err != nil {
			return c.why(err)
		}
	}
}

var errLeft = errors.New("DISCONNECT")

func (c *conn) handle(pk *packets.Packet) error {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return c.publish(pk)
	case packets.Puback:
		c.session.acknowledge(pk.PacketID)
		return nil
	case packets.Subscribe:
		return c.subscribe(pk)
	case packets.Unsubscribe:
		return c.unsubscribe(pk)
	case packets.Pingreq:
		c.send(encode(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingresp}}))
		return nil
	case packets.Disconnect:
		return c.disconnect(pk)
	}
	return faultf(reasonClient, codeProtocol, "a second CONNECT")
}

// disconnect takes the client's DISCONNECT.
func (c *conn) disconnect(pk *packets.Packet) error {
	if p := &pk.Properties; c.version == 5 && p.SessionExpiryIntervalFlag {
		if c.keep == 0 && p.SessionExpiryInterval > 0 {
			return faultf(reasonClient, codeProtocol, "a session that was to end cannot be prolonged")
		}
		c.keep = sessionLife(p.SessionExpiryInterval)
	}
	if pk.ReasonCode == codeOK { // MQTT 5: any other reason leaves the will
		c.will = nil
	}
	return errLeft
}

// why says why the connection ended, from what this side decided or from the error.
func (c *conn) why(err error) *fault {
	if f := c.endedBy(); f != nil {
		return f
	}
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, errLeft):
		return &fault{reason: reasonInitiated}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return faultf(reasonKeepAlive, codeKeepAlive, "nothing came for one and a half keep-alive intervals")
	case errors.Is(err, io.EOF):
		return faultf(reasonLost, codeUnspecified, "the client closed the connection without DISCONNECT")
	}
	return faultf(reasonLost, codeUnspecified, "%v", err)
}

func (c *conn) endedBy() *fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// stop makes the connection end for the reason given, from any goroutine. It does not wait.
func (c *conn) stop(f *fault, noWill bool) {
	c.mu.Lock()
	if c.ended == nil {
		c.ended, c.noWill = f, noWill
	}
	c.mu.Unlock()
	_ = c.tls.SetReadDeadline(time.Unix(1, 0)) // the reader sees it; a closed connection needs none
}

// send puts a packet into the queue of what is to be written.
func (c *conn) send(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deaf {
		return
	}
	c.out = append(c.out, frame)
	c.unread += len(frame)
	if c.unread > maxUnread {
		c.deaf = true
		go c.stop(faultf(reasonFailed, codeUnspecified, "the client does not read"), false)
		return
	}
	c.startWriting()
}

// greet sends CONNACK, before everything else.
func (c *conn) greet(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.greeted = true
	c.out = append([][]byte{frame}, c.out...)
	c.startWriting()
}

// startWriting makes somebody write. The lock is held.
func (c *conn) startWriting() {
	if c.greeted && c.writing == nil {
		c.writing = make(chan struct{})
		go c.write(c.writing)
	}
}

// late tells whether so much waits to be written that QoS 0 is not promised any more.
func (c *conn) late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unread > maxLate
}

// explain sends a packet with its reason string, unless the client wants none or takes no packet that large.
func (c *conn) explain(pk packets.Packet) {
	frame := encode(pk)
	if pk.Properties.ReasonString != "" && (c.quiet || c.maxSize != 0 && uint32(len(frame)) > c.maxSize) {
		pk.Properties.ReasonString = ""
		frame = encode(pk)
	}
	c.send(frame)
}

// write writes what is queued and ends when there is no more.
func (c *conn) write(done chan struct{}) {
	defer close(done)
	for {
		c.mu.Lock()
		batch := c.out
		c.out, c.unread = nil, 0
		if len(batch) == 0 || c.deaf && c.ended != nil && c.ended.reason == reasonFailed {
			c.writing = nil
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		frame := batch[0]
		for _, f := range batch[1:] { // few packets of TLS instead of many
			frame = append(frame, f...)
		}
		for part := range slices.Chunk(frame, writeSize) {
			c.delay(c.written, len(part))
			_ = c.tls.SetWriteDeadline(time.Now().Add(writeLimit)) // a closed connection shows at Write
			if _, err := c.tls.Write(part); err != nil {
				c.mu.Lock()
				c.deaf, c.out, c.writing = true, nil, nil
				c.mu.Unlock()
				c.stop(faultf(reasonLost, codeUnspecified, "cannot write: %v", err), false)
				return
			}
		}
	}
}

// hangUp says goodbye to an MQTT 5 client, waits a moment for what is still to be written and closes the connection.
// MQTT 3.1.1 has no goodbye.
func (c *conn) hangUp(f *fault) {
	if c.version == 5 && c.session != nil && f.reason != reasonInitiated && f.reason != reasonLost {
		c.explain(packets.Packet{
			ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Disconnect},
			ReasonCode: f.code, Properties: packets.Properties{ReasonString: f.text},
		})
	}
	c.mu.Lock()
	c.deaf = true
	writing := c.writing
	c.mu.Unlock()
	limit := time.AfterFunc(lingerLimit, func() { _ = c.raw.Close() }) // ends a Write or Close that blocks
	defer limit.Stop()
	if writing != nil {
		<-writing
	}
	_ = c.tls.Close() // nobody is left to tell
	_ = c.raw.Close() // closed already, unless the handshake failed
}

// fits tells whether an MQTT 5 client takes packets as large as this message makes.
func (c *conn) fits(m *Message, qos byte) bool {
	return c.maxSize == 0 || uint32(len(encodePublish(m, c.version, uint16(qos), false, time.Now()))) <= c.maxSize
}

// mayHave asks again when a delivery goes out: it may have waited, and policies or the certificate changed meanwhile.
func (c *conn) mayHave(d *delivery) bool {
	return d.answer || c.b.may(c.identity.Load(), policy.Receive, d.m.Topic) == nil
}

// refuse logs what a client was refused; most of it ends its connection.
func (c *conn) refuse(id string, f *fault) {
	c.b.log.Warn("refused", logkey.Thing, id, logkey.State, f.reason, logkey.Reason, f.text)
	if c.b.cfg.OnDenied != nil {
		c.b.cfg.OnDenied(id, f.reason+": "+f.text)
	}
}
