package mqttlink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Conn is one connection life. Its methods are safe for concurrent use.
type Conn struct {
	client  mqtt.Client
	raw     *tap
	unguard func() bool // stops the closing of raw with the dial's context
	budget  *budget
	log     *slog.Logger
	stray   atomic.Uint64 // messages nobody subscribed for
	lost    chan struct{}
	mu      sync.Mutex // guards err, ended and filters, never held over I/O
	err     error
	ended   bool
	filters map[string]bool // subscribed to
	closing sync.Once
}

// Dial makes one connection to the first endpoint and waits for its CONNACK. The caller closes it.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return dial(ctx, cfg, cfg.Addrs[0], newBudget(cfg))
}

func dial(ctx context.Context, cfg Config, addr string, b *budget) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	c := &Conn{budget: b, log: cfg.Log, lost: make(chan struct{}), filters: map[string]bool{}}
	c.client = mqtt.NewClient(c.options(ctx, cfg, addr))
	token := c.client.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done():
	}
	err := ctx.Err()
	if err == nil {
		err = c.connected(token)
	}
	if err != nil {
		<-token.Done() // the transport is closed by ctx, so paho is about to answer; never leave a client behind
		c.end(err, false)
		c.Close()
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	if !c.unguard() { // ctx ended this very moment and the transport is closed
		c.Close()
		return nil, fmt.Errorf("connect to %s: %w", addr, context.Cause(ctx))
	}
	return c, nil
}

// connected says how an attempt went. paho takes a CONNACK with a code that it does not know, such as the 7 of AWS, for
// success, and closes. Whoever closes instead of a CONNACK does not like the certificate, the policy or the client id.
func (c *Conn) connected(token mqtt.Token) error {
	err := token.Error()
	switch {
	case c.raw == nil:
		return err
	case c.raw.code() > 0:
		return fmt.Errorf("%w: CONNACK %d", ErrRefused, c.raw.code())
	case err != nil && c.raw.hungUp():
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

func (c *Conn) options(ctx context.Context, cfg Config, addr string) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions()
	o.AddBroker("tcp://" + addr)
	o.SetClientID(cfg.ClientID)
	o.SetProtocolVersion(4)
	o.SetCleanSession(true)
	o.SetAutoReconnect(false)
	o.SetConnectRetry(false)
	o.SetResumeSubs(false)
	o.SetOrderMatters(true)
	o.SetKeepAlive(KeepAlive)
	o.SetPingTimeout(PingTimeout)
	o.SetConnectTimeout(ConnectTimeout)
	o.SetWriteTimeout(WriteTimeout)
	o.SetStore(mqtt.NewOrderedMemoryStore())
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		c.stray.Add(1)
		c.budget.arrived(len(m.Topic()) + len(m.Payload()))
		c.log.Debug("message without subscriber dropped", logkey.Topic, m.Topic())
	})
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.end(err, c.raw.hungUp()) })
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		conn, err := open(ctx, cfg, addr)
		if err != nil {
			return nil, err
		}
		c.raw = &tap{Conn: conn}
		c.unguard = context.AfterFunc(ctx, func() { _ = c.raw.Close() }) // while CONNACK is awaited
		return c.raw, nil
	})
	return o
}

// open makes the transport. The name is resolved anew every time: an endpoint's addresses change.
func open(ctx context.Context, cfg Config, addr string) (net.Conn, error) {
	dialer := cfg.Dial
	if dialer == nil {
		dialer = (&net.Dialer{}).DialContext
	}
	conn, err := dialer(ctx, "tcp", addr)
	if err != nil || cfg.TLS == nil {
		return conn, err
	}
	secure := tls.Client(conn, forEndpoint(cfg.TLS, addr))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is the one to tell
		if alert(err) {
			err = fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return nil, fmt.Errorf("tls: %w", err)
	}
	return secure, nil
}

// tap remembers how the transport began and ended, which paho does not tell.
type tap struct {
	net.Conn
	connack []byte // the first packet that came; written before paho answers Connect
	frames  frames // of what comes; paho reads on one goroutine at a time
	peer    atomic.Bool
	closed  atomic.Bool
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if room := connackSize - len(t.connack); room > 0 {
		t.connack = append(t.connack, b[:min(n, room)]...)
	}
	t.note(err)
	if !t.frames.take(b[:n]) {
		return 0, errPacket
	}
	return n, err
}

const connackSize = 4

// code is that of the CONNACK; 0 when there was none, too.
func (t *tap) code() byte {
	if len(t.connack) < connackSize {
		return 0
	}
	return t.connack[connackSize-1]
}

func (t *tap) Write(b []byte) (int, error) {
	n, err := t.Conn.Write(b)
	t.note(err)
	return n, err
}

func (t *tap) note(err error) {
	if err == nil || t.closed.Load() {
		return
	}
	if alert(err) {
		t.peer.Store(true)
	}
	for _, sign := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, sign) {
			t.peer.Store(true)
		}
	}
}

// alert tells whether the other side ended TLS with an alert. With TLS 1.3 a certificate is refused after the handshake.
func alert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func (t *tap) Close() error {
	t.closed.Store(true)
	return t.Conn.Close()
}

func (t *tap) hungUp() bool { return t.peer.Load() }

// Lost is closed when the connection has ended, for whatever reason.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Err says why the connection ended; nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Stray counts messages that arrived without a subscriber.
func (c *Conn) Stray() uint64 { return c.stray.Load() }

func (c *Conn) end(cause error, hungUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	c.err = &ConnError{Err: cause, hungUp: hungUp}
	close(c.lost)
}

var errClosed = errors.New("closed by this side")

// Close says goodbye, if the connection still lives, and returns when the transport is closed.
func (c *Conn) Close() {
	c.closing.Do(func() {
		if c.client.IsConnectionOpen() {
			c.client.Disconnect(250) // ms for the DISCONNECT packet to leave
		}
		if c.raw != nil {
			_ = c.raw.Close() // usually closed already
		}
		c.end(errClosed, false)
	})
}

// abort ends the connection without goodbye: the peer has stopped answering.
func (c *Conn) abort(cause error) {
	c.end(cause, false)
	_ = c.raw.Close() // makes paho stop; nothing more to tell
}

// Publish sends a message and waits. With QoS 1, nil means this very connection has the PUBACK; with QoS 0, that the
// message was written. After an error the message may still have arrived.
func (c *Conn) Publish(ctx context.Context, topic string, qos byte, payload []byte) error {
	return <-c.Send(ctx, topic, qos, payload)
}

// Send queues a message behind those sent before and returns a channel that yields exactly one result, as Publish
// returns it. It blocks while the rate is used up, which bulk never does to it.
func (c *Conn) Send(ctx context.Context, topic string, qos byte, payload []byte) <-chan error {
	return c.send(ctx, false, topic, qos, payload)
}

// Bulk returns the connection for messages that may wait: it sends as Send does, with what the others leave of the rate.
func (c *Conn) Bulk() Bulk { return Bulk{c} }

// Bulk is a Conn for a drain.
type Bulk struct{ conn *Conn }

// Send is Conn.Send for messages that may wait.
func (b Bulk) Send(ctx context.Context, topic string, qos byte, payload []byte) <-chan error {
	return b.conn.send(ctx, true, topic, qos, payload)
}

// Lost is Conn.Lost.
func (b Bulk) Lost() <-chan struct{} { return b.conn.Lost() }

func (c *Conn) send(ctx context.Context, bulk bool, topic string, qos byte, payload []byte) <-chan error {
	result := make(chan error, 1)
	if err := c.admit(ctx, bulk, topic, qos, payload); err != nil {
		result <- fmt.Errorf("publish to %s: %w", topic, err)
		return result
	}
	token := c.client.Publish(topic, qos, false, payload)
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			_ = c.settle(err) // await tells; before it returns nothing else is sent, which would go first on a slow line
		}
	default:
	}
	go func() {
		if err := c.await(ctx, token); err != nil {
			result <- fmt.Errorf("publish to %s: %w", topic, err)
			return
		}
		result <- nil
	}()
	return result
}

func (c *Conn) admit(ctx context.Context, bulk bool, topic string, qos byte, payload []byte) error {
	if qos > 1 {
		return fmt.Errorf("%w: QoS 2 is not offered", wire.ErrLimit)
	}
	if err := wire.CheckTopic(topic); err != nil {
		return err
	}
	if err := wire.CheckPayload(payload); err != nil {
		return err
	}
	if err := c.Err(); err != nil {
		return err
	}
	if err := c.budget.wait(ctx, bulk, len(topic)+len(payload)); err != nil {
		return err
	}
	return c.Err()
}

// await waits for a token, the end of the connection or the end of patience.
func (c *Conn) await(ctx context.Context, token mqtt.Token) error {
	timer := time.NewTimer(AckTimeout)
	defer timer.Stop()
	select {
	case <-token.Done():
	case <-c.lost:
		select {
		case <-token.Done(): // an answer read before the end counts
		default:
			return c.Err()
		}
	case <-ctx.Done():
		if err := c.Err(); err != nil { // ctx usually ends because the connection did: that tells more
			return err
		}
		return ctx.Err()
	case <-timer.C:
		c.abort(ErrNoAck)
		return c.Err()
	}
	if err := token.Error(); err != nil {
		return c.settle(err)
	}
	return nil
}

// settle returns why the connection ended after paho failed a token. paho tells a moment later, and not at all when
// the transport was closed on this side; a connection that cannot send is ended either way.
func (c *Conn) settle(err error) error {
	timer := time.NewTimer(200 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-c.lost:
	case <-timer.C:
		c.end(err, c.raw.hungUp())
		_ = c.raw.Close() // makes paho stop
	}
	return c.Err()
}

// Subscribe asks for the filters with QoS 1, eight at a time, and returns nil when every one is granted. A connection
// has at most MaxSubscriptions. The handler is called on paho's own goroutine: it may only put into a bounded channel,
// else pings stop.
func (c *Conn) Subscribe(ctx context.Context, handler func(topic string, payload []byte), filters ...string) error {
	if err := c.claim(filters); err != nil {
		return err
	}
	receive := func(_ mqtt.Client, m mqtt.Message) {
		c.budget.arrived(len(m.Topic()) + len(m.Payload()))
		handler(m.Topic(), m.Payload())
	}
	for chunk := range slices.Chunk(filters, wire.MaxFilters) {
		size := 0
		want := make(map[string]byte, len(chunk))
		for _, f := range chunk {
			want[f] = 1
			size += len(f)
		}
		if err := c.budget.wait(ctx, false, size); err != nil {
			return err
		}
		if err := c.Err(); err != nil {
			return err
		}
		token := c.client.SubscribeMultiple(want, receive)
		if err := c.await(ctx, token); err != nil {
			return fmt.Errorf("subscribe to %s: %w", chunk[0], err)
		}
		granted := token.(*mqtt.SubscribeToken).Result() // paho's error is nil for a refused filter
		for _, f := range chunk {
			if code, ok := granted[f]; !ok || code > 1 {
				return fmt.Errorf("subscribe to %s: %w", f, ErrForbidden)
			}
		}
	}
	return nil
}

// claim checks the filters and counts them among the connection's subscriptions.
func (c *Conn) claim(filters []string) error {
	for chunk := range slices.Chunk(filters, wire.MaxFilters) {
		if err := wire.CheckSubscribe(chunk); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range filters {
		c.filters[f] = true
	}
	if n := len(c.filters); n > MaxSubscriptions {
		return fmt.Errorf("subscribe to %s: %w: %d subscriptions, at most %d", filters[0], wire.ErrLimit, n, MaxSubscriptions)
	}
	return nil
}
