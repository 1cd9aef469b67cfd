package broker

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"fountain/sync/wire"
)

// Bounds of a session.
const (
	maxSessionLife = time.Hour        // of a session whose client is away
	maxStored      = 1000             // QoS 1 messages kept for a client that is away, and waiting for one that is slow
	replayGap      = time.Second / 10 // between stored messages after a client came back
	retryAfter     = 20 * time.Second // a QoS 1 delivery without PUBACK goes out again
)

// session is what outlives a connection: subscriptions and QoS 1 deliveries. It lives in memory; the end of the process
// ends it.
type session struct {
	id      string // of the client
	life    string // sessionIdentifier of lifecycle events
	version byte   // 4 or 5: a session of one is not resumed by the other

	mu       sync.Mutex
	conn     *conn       // nil while the client is away
	identity *identity   // the client's last
	clean    bool        // it ends with the connection
	expiry   *time.Timer // while the client is away
	will     *time.Timer // a delayed will
	// lastWords publishes it.
	lastWords func()
	subs      map[string]subscription
	inflight  map[uint16]*delivery
	queue     []*delivery // waiting for room in flight
	stored    []*delivery // came while the client was away; replayed slowly
	replay    *time.Timer
	pacing    bool // pump runs again soon
	retry     *time.Timer
	lastID    uint16
	lastSeq   uint64
}

// delivery is one QoS 1 message on its way to one client.
type delivery struct {
	m      *Message
	retain bool
	answer bool   // to a request of the client, which needs no leave to receive it
	group  *group // of the shared subscription it came by, which has it back when the client leaves without PUBACK
	seq    uint64
	sent   time.Time
}

func newSession(id string, version byte) *session {
	return &session{id: id, life: newID(), version: version}
}

// deliver gives the client a message it is subscribed to, at once or later. It reports whether the client gets it, as far
// as can be known.
func (s *session) deliver(d *delivery, qos byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	qos = min(qos, d.m.QoS)
	if s.conn == nil {
		if qos == 0 || len(s.stored) >= maxStored || d.group != nil {
			return false
		}
		s.lastSeq++
		d.seq = s.lastSeq
		s.stored = append(s.stored, d)
		return true
	}
	if !s.conn.fits(d.m, qos) {
		return false
	}
	if qos == 0 {
		if s.conn.late() || !s.conn.messages.Allow() {
			return false // discarded above the rate
		}
		s.conn.send(encodePublish(d.m, s.version, 0, d.retain, time.Now()))
		return true
	}
	if len(s.queue) >= maxStored {
		return false
	}
	s.lastSeq++
	d.seq = s.lastSeq
	s.queue = append(s.queue, d)
	s.pump()
	return true
}

// pump sends what waits while there is room in flight and the rate allows it. The lock is held.
func (s *session) pump() {
	if s.conn == nil || s.pacing {
		return
	}
	now := time.Now()
	for len(s.queue) > 0 && len(s.inflight) < s.conn.window {
		d := s.queue[0]
		if d.m.expired(now) || !s.conn.fits(d.m, 1) || !s.conn.mayHave(d) {
			s.queue = s.queue[1:]
			continue
		}
		if !s.conn.messages.AllowN(now, 1) {
			s.pacing = true
			time.AfterFunc(time.Second/wire.MaxMessageRate, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.pacing = false
				s.pump()
			})
			return
		}
		s.queue = s.queue[1:]
		s.transmit(s.nextID(), d, now)
	}
	if len(s.queue) == 0 {
		s.queue = nil // lets go of its array
	}
}

// nextID returns a packet id that is not in flight. These are the broker's own: the client counts its own apart.
func (s *session) nextID() uint16 {
	for {
		s.lastID++
		if _, taken := s.inflight[s.lastID]; s.lastID != 0 && !taken {
			return s.lastID
		}
	}
}

func (s *session) transmit(id uint16, d *delivery, now time.Time) {
	if s.inflight == nil {
		s.inflight = map[uint16]*delivery{}
	}
	s.inflight[id] = d
	d.sent = now
	s.conn.send(encodePublish(d.m, s.version, id, d.retain, now))
	if s.retry == nil {
		s.retry = time.AfterFunc(retryAfter, s.resend)
	}
}

// resend sends again what was not acknowledged for long. AWS does so without setting DUP.
func (s *session) resend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retry = nil
	if s.conn == nil || len(s.inflight) == 0 {
		return
	}
	now := time.Now()
	for id, d := range s.inflight {
		switch {
		case d.m.expired(now) || now.Sub(d.m.Time) > maxSessionLife || !s.conn.mayHave(d):
			delete(s.inflight, id)
		case now.Sub(d.sent) >= retryAfter:
			s.transmit(id, d, now)
		}
	}
	if s.retry == nil {
		s.retry = time.AfterFunc(retryAfter/4, s.resend)
	}
}

// acknowledge takes a PUBACK. One for an unknown id is ignored.
func (s *session) acknowledge(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inflight, id)
	s.pump()
}

// attach gives a session to a connection; the stored messages follow slowly.
func (s *session) attach(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.identity, s.clean = c, c.identity.Load(), c.keep == 0
	stop(&s.expiry)
	stop(&s.will)
	s.lastWords = nil
}

func stop(t **time.Timer) {
	if *t != nil {
		(*t).Stop()
		*t = nil
	}
}

// expire makes f be called when the client stays away.
func (s *session) expire(after time.Duration, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiry = time.AfterFunc(after, f)
}

// end empties the session and returns its filters, and what publishes its will if that was waiting.
func (s *session) end() (filters []string, lastWords func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop(&s.expiry)
	if s.will != nil && s.will.Stop() {
		lastWords = s.lastWords
	}
	s.will = nil
	for f := range s.subs {
		filters = append(filters, f)
	}
	s.subs, s.stored = nil, nil
	return filters, lastWords
}

func (s *session) stopTimers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop(&s.expiry)
	stop(&s.will)
}

func (s *session) keepsNothing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clean
}

// startReplay sends stored messages one by one, at the pace AWS has.
func (s *session) startReplay() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replayNext()
}

func (s *session) replayNext() {
	s.replay = nil
	now := time.Now()
	for len(s.stored) > 0 && s.stored[0].m.expired(now) {
		s.stored = s.stored[1:]
	}
	if s.conn == nil || len(s.stored) == 0 {
		return
	}
	s.queue = append(s.queue, s.stored[0])
	s.stored = s.stored[1:]
	s.pump()
	s.replay = time.AfterFunc(replayGap, s.startReplay)
}

// detach takes the connection away. What is in flight or waits is stored for the next one, except what came by shared
// subscriptions: that it returns.
func (s *session) detach() (shared []*delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity = s.conn.identity.Load()
	s.conn = nil
	stop(&s.replay)
	stop(&s.retry)
	for _, d := range s.inflight {
		s.queue = append(s.queue, d)
	}
	for _, d := range s.queue {
		if d.group != nil {
			shared = append(shared, d)
		} else {
			s.stored = append(s.stored, d)
		}
	}
	s.inflight, s.queue = nil, nil
	order := func(a, b *delivery) int { return cmp.Compare(a.seq, b.seq) }
	slices.SortFunc(s.stored, order)
	slices.SortFunc(shared, order)
	if len(s.stored) > maxStored {
		s.stored = s.stored[:maxStored]
	}
	return shared
}

// subscription returns the highest QoS among the session's own filters that cover a topic.
func (s *session) subscription(topic string) (qos byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for filter, sub := range s.subs {
		if MatchFilter(filter, topic) {
			qos, ok = max(qos, sub.qos), true
		}
	}
	return qos, ok
}

func (s *session) away() bool { return s.connection() == nil }

// connection is nil while the client is away.
func (s *session) connection() *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// shares lists the session's shared subscriptions.
func (s *session) shares() (filters []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.subs {
		if share, _ := splitShare(f); share != "" {
			filters = append(filters, f)
		}
	}
	return filters
}

func wildcard(filter string) bool { return strings.ContainsAny(filter, "+#") }
