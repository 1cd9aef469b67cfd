package broker

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"time"

	"fountain/cloud/store"
	"fountain/internal/logkey"
)

// lifecycle is a lifecycle event, with AWS's names of fields.
type lifecycle struct {
	ClientID  string   `json:"clientId"`
	Thing     string   `json:"thingName,omitempty"` // of an exclusive attachment only
	Timestamp int64    `json:"timestamp"`           // milliseconds since 1970
	Type      string   `json:"eventType"`
	Session   string   `json:"sessionIdentifier,omitempty"`
	Principal string   `json:"principalIdentifier"`
	Addr      string   `json:"ipAddress,omitempty"`
	Number    *int64   `json:"versionNumber,omitempty"`
	Initiated *bool    `json:"clientInitiatedDisconnect,omitempty"`
	Reason    string   `json:"disconnectReason,omitempty"`
	Failure   string   `json:"connectFailureReason,omitempty"`
	Topics    []string `json:"topics,omitempty"`
}

// event publishes a lifecycle event: kind is "presence" or "subscriptions". There is none for client ids with wildcards.
func (b *Broker) event(kind string, e lifecycle) {
	if e.ClientID == "" || wildcard(e.ClientID) {
		return
	}
	e.Timestamp = time.Now().UnixMilli()
	payload, err := json.Marshal(e)
	if err != nil {
		panic(err) // impossible: plain texts and numbers
	}
	b.Publish("$aws/events/"+kind+"/"+e.Type+"/"+e.ClientID, payload)
}

// newID returns a random identifier of 32 hexadecimal digits.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// host is the client's address without its port.
func (c *conn) host() string {
	addr := c.raw.RemoteAddr().String()
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return strings.TrimSpace(addr)
}

// presence records and tells in order that a thing came or went. It does not wait for the store.
func (b *Broker) presence(p Presence) {
	if p.Thing != "" {
		b.arrivals.add(p)
	}
}

// tell works off what presence queued.
func (b *Broker) tell(batch []Presence) {
	changes := make([]store.Presence, len(batch))
	for i, p := range batch {
		changes[i] = store.Presence{Thing: p.Thing, Online: p.Online, At: p.At.UnixMilli()}
	}
	if err := b.cfg.Store.SetPresences(b.storeContext(), changes); err != nil {
		b.log.Error("cannot record presence", logkey.Count, len(batch), logkey.Err, err)
	}
	for _, p := range batch {
		if b.cfg.OnPresence != nil {
			b.cfg.OnPresence(p)
		}
	}
}

// line is work that is done in order, beside whoever adds to it, by a goroutine that lives only while there is some.
type line[T any] struct {
	work func(batch []T)

	mu     sync.Mutex
	queue  []T
	idle   chan struct{} // closed when the goroutine ends; nil while there is none
	closed bool
}

// add puts v at the end.
func (l *line[T]) add(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.queue = append(l.queue, v)
	if l.idle == nil {
		l.idle = make(chan struct{})
		go l.run(l.idle)
	}
}

func (l *line[T]) run(idle chan struct{}) {
	defer close(idle)
	for {
		l.mu.Lock()
		batch := l.queue
		l.queue = nil
		if len(batch) == 0 {
			l.idle = nil
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		l.work(batch)
	}
}

// close takes no more and waits until what is there is done.
func (l *line[T]) close() {
	l.mu.Lock()
	l.closed = true
	idle := l.idle
	l.mu.Unlock()
	if idle != nil {
		<-idle
	}
}
