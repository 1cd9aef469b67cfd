package chaos

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// plan is the fate of one connection.
type plan struct {
	refused bool          // nobody answers the dial
	outPkts int           // ends when so many packets were written; 0: not by this
	outLen  int           // … so many bytes
	inPkts  int           // … packets read
	inLen   int           // … bytes read
	after   time.Duration // … after so long
	keep    bool          // what was written still arrives
	half    bool          // it does not end, it falls silent
	orderly bool          // it ends as if the other side had closed: EOF instead of a reset
	delay   time.Duration // one way
	stall   time.Duration // the delay grows to 30 s after so long, for a while
	deny    bool          // SUBACK says that a filter is refused
}

// draw returns the fate of a unit's nth connection. Every third connection of the first rounds walks the packet
// boundaries, so that each of the first forty is hit in both directions and both ways.
func draw(r *rand.Rand, n int) plan {
	p := plan{delay: time.Duration(1+r.IntN(400)) * time.Millisecond, keep: r.IntN(2) == 0, half: r.IntN(6) == 0, orderly: r.IntN(3) == 0}
	if n%3 == 0 {
		k := n / 3
		switch at := 1 + k/2%40; k % 2 {
		case 0:
			p.outPkts = at
		default:
			p.inPkts = at
		}
		return p
	}
	switch x := r.IntN(100); {
	case x < 30:
		p.outLen = 1 + r.IntN(1<<(6+r.IntN(10))) // from within CONNECT to 64 KiB
	case x < 45:
		p.inLen = 1 + r.IntN(1<<(3+r.IntN(10)))
	case x < 60:
		p.outPkts = 1 + r.IntN(80)
	case x < 70:
		p.inPkts = 1 + r.IntN(80)
	case x < 82:
		p.after = time.Duration(1+r.IntN(300_000)) * time.Millisecond
	case x < 88:
		p.stall, p.after = time.Duration(r.IntN(20_000))*time.Millisecond, 3*time.Minute
	case x < 94:
		p.refused = true
	case x < 96:
		p.deny = true
		p.after = time.Minute
	default: // a good one
		p.after = time.Duration(5+r.IntN(10)) * time.Minute
	}
	return p
}

// witness sees what happens on a connection.
type witness interface {
	cut(plan)        // once, when the line is cut
	saw(what string) // another fault has struck
	connects()
	publishes(topic, payload []byte)
	closes(connected bool)
}

// tap carries a plan out on the plaintext of a connection, where packets can be told apart.
type tap struct {
	net.Conn // TLS
	l        *line
	plan     plan
	w        witness
	turn     chan struct{} // one writer at a time: TLS would let the second wait for a mutex, and a bubble stands still then

	mu      sync.Mutex
	out, in meter
	ended   error
	closing sync.Once
	timers  []*time.Timer
}

func newTap(c net.Conn, l *line, p plan, w witness) *tap {
	t := &tap{Conn: c, l: l, plan: p, w: w, turn: make(chan struct{}, 1)}
	t.out.packet, t.in.packet = t.sent, func(byte, []byte) {}
	if p.deny {
		t.in.edit = func(header, last byte) byte {
			if header != 0x90 { // SUBACK
				return last
			}
			w.saw("SUBACK 0x80")
			return 0x80
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.after > 0 {
		t.timers = append(t.timers, time.AfterFunc(p.after, func() { t.mu.Lock(); defer t.mu.Unlock(); t.trip() }))
	}
	if p.stall > 0 {
		t.timers = append(t.timers,
			time.AfterFunc(p.stall, func() { w.saw("30 s latency"); l.slow(30 * time.Second) }),
			time.AfterFunc(p.stall+time.Minute, func() { l.slow(p.delay) }))
	}
	return t
}

// trip ends the line as planned. The caller holds mu.
func (t *tap) trip() {
	if t.ended != nil {
		return
	}
	t.ended = syscall.ECONNRESET
	if t.plan.orderly {
		t.ended = io.EOF
	}
	t.w.cut(t.plan)
	if t.plan.half {
		t.l.silence()
		return
	}
	t.l.end(t.ended, t.plan.keep)
}

func (t *tap) Write(p []byte) (int, error) {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	t.mu.Lock()
	n, trips := len(p), false
	if t.ended == nil {
		n, trips = t.out.feed(p, t.plan.outPkts, t.plan.outLen)
	}
	t.mu.Unlock()
	w, err := t.Conn.Write(p[:n])
	if trips {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.trip()
		if !t.plan.half {
			return w, t.ended
		}
		return len(p), nil
	}
	return w, err
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	m, trips := t.in.feed(p[:n], t.plan.inPkts, t.plan.inLen)
	if trips {
		t.trip()
		if !t.plan.half {
			return m, t.ended
		}
	}
	return n, err
}

func (t *tap) Close() error {
	t.mu.Lock()
	for _, tm := range t.timers {
		tm.Stop()
	}
	connected := t.out.pkts > 0
	t.mu.Unlock()
	t.closing.Do(func() { t.w.closes(connected) })
	return t.Conn.Close()
}

// sent takes a packet apart that has gone out whole.
func (t *tap) sent(header byte, body []byte) {
	switch header >> 4 {
	case 1:
		t.w.connects()
	case 3:
		n := int(binary.BigEndian.Uint16(body))
		t.w.publishes(body[2:2+n], body[4+n:]) // QoS 1: the packet id lies between
	}
}

// meter counts MQTT packets in a stream of bytes.
type meter struct {
	packet func(header byte, body []byte)
	edit   func(header byte, last byte) byte // of a whole packet; nil: none
	pkts   int
	bytes  int
	buf    []byte
}

// feed counts p up to the limits, 0 meaning none, and returns how much of it is within them.
func (m *meter) feed(p []byte, pkts, size int) (n int, trips bool) {
	for i, c := range p {
		m.buf = append(m.buf, c)
		m.bytes++
		if body, whole := cutPacket(m.buf); whole {
			if m.edit != nil {
				p[i] = m.edit(m.buf[0], c)
			}
			m.pkts++
			m.packet(m.buf[0], body)
			m.buf = m.buf[:0]
			if m.pkts == pkts {
				return i + 1, true
			}
		}
		if m.bytes == size {
			return i + 1, true
		}
	}
	return len(p), false
}

func cutPacket(b []byte) (body []byte, whole bool) {
	size, shift := 0, 0
	for i := 1; i < len(b); i++ {
		size |= int(b[i]&0x7f) << shift
		if b[i] < 0x80 {
			return b[i+1:], len(b) == i+1+size
		}
		shift += 7
	}
	return nil, false
}
