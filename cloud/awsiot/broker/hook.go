package broker

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/policy"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// hook puts AWS's rules into mochi. Decisions that end a connection are taken in OnPacketRead, the one place where
// mochi hangs up without a word and still sends the will (spec/awsiot.md 12).
type hook struct {
	mqtt.HookBase
	b *Broker
}

// ID implements mqtt.Hook.
func (h *hook) ID() string { return "awsiot" }

// Provides implements mqtt.Hook.
func (h *hook) Provides(x byte) bool {
	return bytes.IndexByte([]byte{
		mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablished, mqtt.OnDisconnect, mqtt.OnPacketRead,
		mqtt.OnPacketEncode, mqtt.OnACLCheck, mqtt.OnSubscribe, mqtt.OnSubscribed, mqtt.OnPublish, mqtt.OnPublished, mqtt.OnPacketProcessed,
	}, x) >= 0
}

func sessionOf(cl *mqtt.Client) *session {
	s, _ := cl.Net.Conn.(*session) // nil for mochi's inline client
	return s
}

// OnPacketRead checks limits and policy of whatever a client sends.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	s := sessionOf(cl)
	if s == nil {
		return pk, nil
	}
	reason, err := h.judge(cl, s, &pk)
	if err == nil {
		s.setAside(cl, &pk)
		return pk, nil
	}
	s.setReason(reason)
	h.b.denied(s, reason, err)
	return pk, packets.ErrRejectPacket
}

// setAside takes a delivery out of mochi's list while a packet of the client with the same id is handled. The two
// sides count packet ids on their own, but mochi keeps one list: it would answer SUBSCRIBE with "identifier in use", and
// forget the delivery on PUBLISH.
func (s *session) setAside(cl *mqtt.Client, pk *packets.Packet) {
	switch pk.FixedHeader.Type {
	case packets.Publish, packets.Subscribe, packets.Unsubscribe:
	default:
		return
	}
	if out, ok := cl.State.Inflight.Get(pk.PacketID); ok && pk.PacketID != 0 && out.FixedHeader.Type == packets.Publish {
		cl.State.Inflight.Delete(pk.PacketID)
		s.aside = &out
	}
}

// OnPacketProcessed puts back what setAside took.
func (h *hook) OnPacketProcessed(cl *mqtt.Client, _ packets.Packet, _ error) {
	if s := sessionOf(cl); s != nil && s.aside != nil {
		cl.State.Inflight.Set(*s.aside)
		s.aside = nil
	}
}

func (b *Broker) denied(s *session, reason string, err error) {
	b.log.Warn("connection closed", logkey.Thing, s.clientID(), logkey.State, reason, logkey.Reason, err.Error())
	if b.cfg.OnDenied != nil {
		b.cfg.OnDenied(s.clientID(), fmt.Sprintf("%s: %v", reason, err))
	}
}

func (h *hook) judge(cl *mqtt.Client, s *session, pk *packets.Packet) (reason string, err error) {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return h.judgeConnect(s, pk)
	case packets.Publish:
		return h.judgePublish(s, pk)
	case packets.Subscribe:
		return h.judgeSubscribe(cl, s, pk)
	case packets.Unsubscribe:
		if len(pk.Filters) > wire.MaxFilters {
			return reasonClient, errors.New("UNSUBSCRIBE has too many filters")
		}
	case packets.Pubrec, packets.Pubrel, packets.Pubcomp, packets.Auth:
		return reasonClient, fmt.Errorf("packet type %d is not supported", pk.FixedHeader.Type)
	}
	return "", nil
}

func (h *hook) may(s *session, act policy.Action, name string) error {
	if policy.Allowed(s.policies, h.b.cfg.ARN, s.principal(), act, name) {
		return nil
	}
	return fmt.Errorf("no policy of the certificate allows %s on %s", act, name)
}

func (h *hook) judgeConnect(s *session, pk *packets.Packet) (string, error) {
	c := &pk.Connect
	if err := wire.CheckClientID(c.ClientIdentifier); err != nil {
		return reasonClient, err
	}
	who := policy.Principal{ClientID: c.ClientIdentifier}
	if slices.Contains(s.cert.Things, c.ClientIdentifier) {
		t, err := h.b.cfg.Store.Thing(h.b.ctx, c.ClientIdentifier)
		if err != nil {
			return ReasonAuth, fmt.Errorf("thing %s: %w", c.ClientIdentifier, err)
		}
		who.Thing, who.ThingType = t.Name, t.Type
	}
	s.mu.Lock()
	s.who = who
	s.mu.Unlock()
	if err := h.may(s, policy.Connect, c.ClientIdentifier); err != nil {
		return ReasonAuth, err
	}
	if !c.WillFlag {
		return "", nil
	}
	if c.WillQos > 1 {
		return reasonClient, errors.New("the will has QoS 2")
	}
	if err := wire.CheckTopic(c.WillTopic); err != nil {
		return reasonClient, fmt.Errorf("will: %w", err)
	}
	if strings.HasPrefix(c.WillTopic, "$") {
		return reasonForbidden, errors.New("the will's topic is reserved")
	}
	if c.WillRetain {
		if err := h.may(s, policy.RetainPublish, c.WillTopic); err != nil {
			return ReasonAuth, err
		}
	}
	if err := h.may(s, policy.Publish, c.WillTopic); err != nil {
		return ReasonAuth, err
	}
	return "", nil
}

func (h *hook) judgePublish(s *session, pk *packets.Packet) (string, error) {
	if pk.FixedHeader.Qos > 1 {
		return reasonClient, errors.New("QoS 2 is not supported")
	}
	if err := wire.CheckTopic(pk.TopicName); err != nil {
		return reasonClient, err
	}
	if err := wire.CheckPayload(pk.Payload); err != nil {
		return reasonClient, err
	}
	if err := h.may(s, policy.Publish, pk.TopicName); err != nil {
		return ReasonAuth, err
	}
	if !pk.FixedHeader.Retain {
		return "", nil
	}
	if strings.HasPrefix(pk.TopicName, "$") {
		return reasonForbidden, errors.New("a reserved topic cannot be retained")
	}
	if err := h.may(s, policy.RetainPublish, pk.TopicName); err != nil {
		return ReasonAuth, err
	}
	return "", nil
}

func (h *hook) judgeSubscribe(cl *mqtt.Client, s *session, pk *packets.Packet) (string, error) {
	var filters []string
	for _, f := range pk.Filters {
		if f.Qos > 1 {
			return reasonClient, errors.New("QoS 2 is not supported")
		}
		filters = append(filters, f.Filter)
	}
	if err := wire.CheckSubscribe(filters); err != nil {
		return reasonClient, err
	}
	pending := map[string]bool{}
	n := cl.State.Subscriptions.Len()
	for _, f := range filters {
		if strings.HasPrefix(f, "$aws/rules/") {
			return reasonForbidden, errors.New("nobody can subscribe to Basic Ingest")
		}
		if err := h.may(s, policy.Subscribe, f); err != nil {
			return ReasonAuth, err
		}
		if _, again := cl.State.Subscriptions.Get(f); !again {
			n++
		}
		pending[f] = n <= wire.MaxSubscriptions // beyond: failing SUBACK
	}
	s.setPending(pending)
	return "", nil
}

// OnConnect settles keep-alive and client id.
func (h *hook) OnConnect(cl *mqtt.Client, _ packets.Packet) error {
	s := sessionOf(cl)
	if s == nil {
		return nil
	}
	asked := cl.State.Keepalive
	switch {
	case asked == 0 || asked > 1200:
		cl.State.Keepalive = 1200
	case asked < 30:
		cl.State.Keepalive = 30
	}
	cl.State.ServerKeepalive = cl.State.Keepalive != asked
	h.b.takeOver(s)
	return nil
}

// OnConnectAuthenticate lets everybody in whose TLS session stands; the user name is for metrics only.
func (h *hook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnSessionEstablished tells that a unit is here.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	s := sessionOf(cl)
	if s == nil {
		return
	}
	thing := s.principal().Thing
	h.b.log.Info("connected", logkey.Thing, s.clientID(), logkey.Addr, cl.Net.Remote)
	if thing == "" {
		return
	}
	s.mu.Lock()
	s.online = true
	s.mu.Unlock()
	h.b.presence(Presence{Thing: thing, Online: true, At: time.Now()})
}

// OnDisconnect tells that it is gone.
func (h *hook) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	s := sessionOf(cl)
	if s == nil {
		return
	}
	reason := s.endReason(err)
	h.b.log.Info("disconnected", logkey.Thing, s.clientID(), logkey.Reason, reason)
	s.mu.Lock()
	told := s.online
	s.online = false
	s.mu.Unlock()
	if told {
		h.b.presence(Presence{Thing: s.principal().Thing, At: time.Now(), Reason: reason})
	}
}

func (b *Broker) presence(p Presence) {
	if err := b.cfg.Store.SetPresence(b.storeContext(), p.Thing, p.Online, p.At.UnixMilli()); err != nil {
		b.log.Error("cannot record presence", logkey.Thing, p.Thing, logkey.Err, err)
	}
	if b.cfg.OnPresence != nil {
		b.cfg.OnPresence(p)
	}
}

// OnACLCheck is asked for a SUBSCRIBE's filters, which were judged before, and for every delivery.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	s := sessionOf(cl)
	if s == nil || write {
		return true
	}
	if granted, ok := s.subscribing(topic); ok {
		return granted
	}
	return h.b.receives(cl, s, topic) && s.messages.Allow()
}

// receives tells whether a client is subscribed to a topic in AWS's sense and allowed to have it.
func (b *Broker) receives(cl *mqtt.Client, s *session, topic string) bool {
	if _, ok := b.subscription(cl, topic); !ok {
		return false
	}
	return policy.Allowed(s.policies, b.cfg.ARN, s.principal(), policy.Receive, topic)
}

// subscription returns the highest QoS among the client's subscriptions to a topic.
func (b *Broker) subscription(cl *mqtt.Client, topic string) (qos byte, ok bool) {
	for filter, sub := range cl.State.Subscriptions.GetAll() {
		if strings.HasPrefix(filter, "$share/") {
			_, rest, _ := strings.Cut(strings.TrimPrefix(filter, "$share/"), "/")
			filter = rest
		}
		if MatchFilter(filter, topic) {
			qos, ok = max(qos, sub.Qos), true
		}
	}
	return qos, ok
}

// OnSubscribe keeps retained messages from wildcard filters: on AWS only an exact filter gets them.
func (h *hook) OnSubscribe(_ *mqtt.Client, pk packets.Packet) packets.Packet {
	for i := range pk.Filters {
		if strings.ContainsAny(pk.Filters[i].Filter, "+#") {
			pk.Filters[i].RetainHandling = 2
		}
	}
	return pk
}

// OnSubscribed ends the handling of a SUBSCRIBE.
func (h *hook) OnSubscribed(cl *mqtt.Client, _ packets.Packet, _ []byte) {
	if s := sessionOf(cl); s != nil {
		s.setPending(nil)
	}
}

// OnPacketEncode completes CONNACK for MQTT 5 clients with what mochi leaves out.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	if pk.FixedHeader.Type == packets.Connack && cl.Properties.ProtocolVersion == 5 {
		pk.Properties.SubIDAvailable, pk.Properties.SubIDAvailableFlag = 0, true
		pk.Properties.MaximumPacketSize = wire.MaxPayload + wire.MaxTopic + 1024
	}
	return pk
}

// OnPublish serves reserved topics and drops what is above the rate. Its answer comes before PUBACK.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	s := sessionOf(cl)
	if s == nil {
		return pk, nil
	}
	if !s.messages.Allow() {
		h.b.log.Debug("message dropped above the rate", logkey.Thing, s.clientID(), logkey.Topic, pk.TopicName)
		return pk, packets.ErrRejectPacket // no PUBACK
	}
	if !strings.HasPrefix(pk.TopicName, "$") {
		return pk, nil
	}
	if err := h.b.reserved(cl, s, pk.TopicName, pk.Payload); err != nil {
		s.setReason(reasonForbidden)
		h.b.denied(s, reasonForbidden, err)
		cl.Stop(packets.ErrNotAuthorized)
		return pk, packets.ErrRejectPacket
	}
	return pk, packets.CodeSuccessIgnore // acknowledged, not delivered to subscribers
}

// OnPublished tells of ordinary messages.
func (h *hook) OnPublished(cl *mqtt.Client, pk packets.Packet) {
	s := sessionOf(cl)
	if s == nil || strings.HasPrefix(pk.TopicName, "$") || h.b.cfg.Published == nil {
		return
	}
	h.b.cfg.Published(h.b.ctx, pk.TopicName, s.clientID(), pk.Payload)
}
