package broker

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net"
	"strings"
	"time"

	"fountain/cloud/store"
	"fountain/internal/logkey"
)

// lifecycle is a lifecycle event, with AWS's names of fields.
type lifecycle struct {
	ClientID  string   `json:"clientId"`
	Timestamp int64    `json:"timestamp"` // milliseconds since 1970
	Type      string   `json:"eventType"`
	Session   string   `json:"sessionIdentifier,omitempty"`
	Principal string   `json:"principalIdentifier"`
	Addr      string   `json:"ipAddress,omitempty"`
	Number    *int64   `json:"versionNumber,omitempty"`
	Initiated *bool    `json:"clientInitiatedDisconnect,omitempty"`
	Reason    string   `json:"disconnectReason,omitempty"`
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
	if p.Thing == "" {
		return
	}
	b.tellMu.Lock()
	defer b.tellMu.Unlock()
	b.told = append(b.told, p)
	if !b.telling {
		b.telling = true
		b.wg.Add(1)
		go b.tell()
	}
}

// tell works off what presence queued and ends when there is no more.
func (b *Broker) tell() {
	defer b.wg.Done()
	for {
		b.tellMu.Lock()
		batch := b.told
		b.told = nil
		if len(batch) == 0 {
			b.telling = false
			b.tellMu.Unlock()
			return
		}
		b.tellMu.Unlock()
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
}
