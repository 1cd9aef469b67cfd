package broker

import (
	"strings"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/policy"
	"fountain/sync/wire"
)

// subscribe takes SUBSCRIBE. MQTT 3.1.1 can only say that a filter failed, so AWS closes the connection instead, except
// when there are too many subscriptions; MQTT 5 clients hear the reason for each filter.
func (c *conn) subscribe(pk *packets.Packet) error {
	switch {
	case pk.PacketID == 0 || len(pk.Filters) == 0:
		return faultf(reasonClient, codeProtocol, "SUBSCRIBE without packet identifier or filters")
	case len(pk.Properties.SubscriptionIdentifier) > 0:
		return faultf(reasonClient, codeSubscriptionID, "subscription identifiers are not supported")
	}
	codes, why := make([]byte, len(pk.Filters)), ""
	for i, f := range pk.Filters {
		if f.Qos > 1 {
			return faultf(reasonClient, codeQoS, "QoS 2 is not supported")
		}
		codes[i] = f.Qos
		bad := c.judgeFilter(&f)
		if len(pk.Filters) > wire.MaxFilters {
			bad = faultf(reasonClient, codeQuota, "SUBSCRIBE has %d filters, at most %d are allowed", len(pk.Filters), wire.MaxFilters)
		}
		if bad == nil {
			continue
		}
		if c.version != 5 || bad.code == codeProtocol {
			return bad
		}
		c.refuse(c.clientID(), bad)
		codes[i], why = bad.code, bad.text
	}
	var granted []string
	fresh := map[string]bool{}
	for i, f := range pk.Filters {
		if codes[i] >= codeUnspecified {
			continue
		}
		isNew, ok := c.b.subscribe(c.session, f)
		if !ok {
			codes[i], why = codeQuota, "too many subscriptions"
			if c.version != 5 {
				codes[i] = codeUnspecified
			}
			continue
		}
		granted, fresh[f.Filter] = append(granted, f.Filter), isNew
	}
	c.answer(packets.Suback, pk.PacketID, codes, why)
	for i, f := range pk.Filters {
		if codes[i] < codeUnspecified && (f.RetainHandling == 0 || f.RetainHandling == 1 && fresh[f.Filter]) {
			c.sendRetained(f)
		}
		if codes[i] < codeUnspecified {
			c.takeShared(f.Filter)
		}
	}
	if len(granted) > 0 {
		c.subscriptionEvent("subscribed", granted)
	}
	return nil
}

func (c *conn) answer(kind byte, id uint16, codes []byte, why string) {
	c.explain(packets.Packet{
		ProtocolVersion: c.version, FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id, ReasonCodes: codes,
		Properties: packets.Properties{ReasonString: why},
	})
}

func (c *conn) subscriptionEvent(kind string, filters []string) {
	id := c.identity.Load()
	c.b.event("subscriptions", lifecycle{
		Type: kind, ClientID: id.who.ClientID, Thing: id.exclusive(), Principal: id.cert.ID, Session: c.session.life, Topics: filters,
	})
}

// judgeFilter says why a filter cannot be subscribed to. A shared subscription may be granted by its whole text or by the
// filter inside: AWS's guide does not say which it wants.
func (c *conn) judgeFilter(f *packets.Subscription) *fault {
	share, inner := splitShare(f.Filter)
	if strings.HasPrefix(f.Filter, "$share/") {
		switch {
		case share == "" || wildcard(share) || utf8.RuneCountInString(share) > maxShareName || inner == "":
			return faultf(reasonClient, codeFilter, "%q is no shared subscription", f.Filter)
		case f.NoLocal:
			return faultf(reasonClient, codeProtocol, "no-local on a shared subscription")
		}
	}
	if err := wire.CheckFilter(inner); err != nil {
		return faultf(reasonClient, codeFilter, "%v", err)
	}
	if strings.HasPrefix(inner, "$aws/rules/") {
		return faultf(reasonForbidden, codeFilter, "nobody can subscribe to Basic Ingest")
	}
	if inner[0] == '$' && !strings.HasPrefix(inner, "$aws/") {
		return faultf(reasonForbidden, codeFilter, "the topics of %q are reserved", inner)
	}
	id := c.identity.Load()
	bad := c.b.may(id, policy.Subscribe, f.Filter)
	if bad != nil && share != "" {
		bad = c.b.may(id, policy.Subscribe, inner)
	}
	return bad
}

// subscribe adds a filter to a session; ok is false when it has too many.
func (b *Broker) subscribe(s *session, f packets.Subscription) (isNew, ok bool) {
	sub := subscription{qos: f.Qos, noLocal: f.NoLocal, published: f.RetainAsPublished}
	s.mu.Lock()
	_, again := s.subs[f.Filter]
	if !again && len(s.subs) >= wire.MaxSubscriptions {
		s.mu.Unlock()
		return false, false
	}
	if s.subs == nil {
		s.subs = map[string]subscription{}
	}
	s.subs[f.Filter] = sub
	s.mu.Unlock()
	b.topics.add(f.Filter, s, sub)
	return !again, true
}

func (c *conn) unsubscribe(pk *packets.Packet) error {
	if pk.PacketID == 0 || len(pk.Filters) == 0 {
		return faultf(reasonClient, codeProtocol, "UNSUBSCRIBE without packet identifier or filters")
	}
	codes := make([]byte, len(pk.Filters))
	var gone []string
	for i, f := range pk.Filters {
		c.session.mu.Lock()
		_, had := c.session.subs[f.Filter]
		delete(c.session.subs, f.Filter)
		c.session.mu.Unlock()
		if !had {
			codes[i] = codeNoSubscription
			continue
		}
		c.b.topics.remove(f.Filter, c.session)
		gone = append(gone, f.Filter)
	}
	c.answer(packets.Unsuback, pk.PacketID, codes, "")
	if len(gone) > 0 {
		c.subscriptionEvent("unsubscribed", gone)
	}
	return nil
}
