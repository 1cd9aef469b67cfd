package broker

import (
	"bufio"
	"context"
	"errors"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// Bounds of keep-alive.
const (
	minKeepAlive = 30 * time.Second
	maxKeepAlive = 1200 * time.Second
)

// maxAliases is how many topic aliases a client may use.
const maxAliases = 8

// run serves a connection from its handshake to its end.
func (c *conn) run() {
	ctx, cancel := context.WithTimeout(c.b.ctx, handshakeLimit)
	err := c.tls.HandshakeContext(ctx)
	cancel()
	if err != nil {
		c.b.log.Info("connection refused", logkey.Addr, c.raw.RemoteAddr().String(), logkey.Reason, "TLS handshake: "+err.Error())
		_ = c.raw.Close() // nothing to say without TLS
		return
	}
	c.r = bufio.NewReaderSize(c, readBuffer)
	if f := c.connect(); f != nil {
		c.refuse(c.clientID(), f)
		c.hangUp(f)
		return
	}
	f := c.serve()
	if f.reason != reasonInitiated && f.reason != reasonLost && f.reason != reasonServer && f.reason != reasonDuplicate {
		c.refuse(c.clientID(), f)
	}
	c.depart(f)
	close(c.left)
	c.hangUp(f)
}

func (c *conn) clientID() string {
	if id := c.identity.Load(); id != nil {
		return id.who.ClientID
	}
	return ""
}

// connect takes CONNECT and answers it. MQTT 3.1.1 clients that are refused hear nothing, as SDK users see it on AWS;
// MQTT 5 clients get the reason in CONNACK.
func (c *conn) connect() *fault {
	_ = c.tls.SetReadDeadline(time.Now().Add(connectLimit)) // a closed connection shows at Read
	if f := c.endedBy(); f != nil {
		return f
	}
	pk, err := readPacket(c.r, 4)
	if err != nil {
		f := c.why(err)
		if pk.ProtocolVersion == 5 && f.reason == reasonClient {
			c.version = 5
			c.connack(false, f.code, &packets.Properties{ReasonString: f.text})
		}
		return f
	}
	if pk.FixedHeader.Type != packets.Connect {
		return faultf(reasonClient, codeProtocol, "the first packet is no CONNECT")
	}
	c.version = pk.ProtocolVersion
	if name := string(pk.Connect.ProtocolName); name != "MQTT" || c.version != 4 && c.version != 5 {
		if c.version != 5 {
			c.version = 4
		}
		c.connack(false, 0x01, nil) // unacceptable protocol version
		return faultf(reasonClient, codeVersion, "protocol %q level %d is not supported", name, pk.ProtocolVersion)
	}
	f := c.admit(&pk)
	if f == nil {
		return nil
	}
	if c.version == 5 {
		c.connack(false, f.code, &packets.Properties{ReasonString: f.text})
	}
	if id := c.identity.Load(); id != nil && (f.reason == ReasonAuth || f.reason == reasonForbidden) {
		c.b.event("presence", lifecycle{
			Type: "connect_failed", ClientID: id.who.ClientID, Thing: id.exclusive(), Principal: id.cert.ID, Session: newID(), Addr: c.host(),
			Failure: "AUTHORIZATION_FAILED",
		})
	}
	return f
}

// admit checks CONNECT, takes the client id over and answers.
func (c *conn) admit(pk *packets.Packet) *fault {
	present, f := c.enter(pk)
	if f != nil {
		return f
	}
	c.accept(pk, present)
	if c.r.Buffered() > 0 {
		f := faultf(reasonClient, codeProtocol, "a packet came before CONNACK was sent")
		c.stop(f, false) // it ends like any other connection
	}
	return nil
}

func (c *conn) enter(pk *packets.Packet) (present bool, f *fault) {
	p := &pk.Connect
	generation := c.b.generation.Load()
	assigned := p.ClientIdentifier == "" && (p.Clean || c.version == 5)
	if assigned {
		p.ClientIdentifier = "$GEN/" + newID()
	}
	state := c.tls.ConnectionState()
	leaf := state.PeerCertificates[0]
	id, err := c.b.identify(c.b.ctx, authority.ID(leaf.Raw), p.ClientIdentifier, policy.Principal{
		SourceIP: c.host(), DomainName: state.ServerName, Certificate: policy.CertificateAttributes(leaf),
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, faultf(ReasonAuth, codeNotAuthorized, "%v", err)
	case err != nil:
		return false, faultf(reasonFailed, codeUnspecified, "%v", err)
	}
	c.identity.Store(id)
	if id.cert.Status != store.CertActive { // changed since the handshake
		return false, faultf(ReasonAuth, codeNotAuthorized, "certificate %s is %s", id.cert.ID[:12], id.cert.Status)
	}
	switch {
	case pk.ReservedBit != 0:
		return false, faultf(reasonClient, codeMalformed, "the reserved flag of CONNECT is set")
	case !p.WillFlag && (p.WillQos > 0 || p.WillRetain):
		return false, faultf(reasonClient, codeMalformed, "flags of a will, and no will")
	case c.version == 4 && p.PasswordFlag && !p.UsernameFlag:
		return false, faultf(reasonClient, codeMalformed, "a password without a user name")
	}
	if err := wire.CheckClientID(p.ClientIdentifier); err != nil && !assigned {
		return false, faultf(reasonClient, codeClientID, "%v", err)
	}
	if pk.Properties.AuthenticationMethod != "" {
		return false, faultf(ReasonAuth, codeNotAuthorized, "enhanced authentication is not supported")
	}
	if f := c.b.mayConnect(id, pk); f != nil {
		return false, f
	}
	if f := c.takeWill(id, pk); f != nil {
		return false, f
	}
	c.since, c.keepAlive = time.Now(), keepAlive(p.Keepalive)
	if c.version == 5 {
		c.keep = sessionLife(pk.Properties.SessionExpiryInterval)
		if n := pk.Properties.ReceiveMaximum; n > 0 {
			c.window = min(c.window, int(n))
		}
		c.maxSize = pk.Properties.MaximumPacketSize
		c.quiet = pk.Properties.RequestProblemInfoFlag && pk.Properties.RequestProblemInfo == 0
	} else if !p.Clean {
		c.keep = maxSessionLife
	}
	present, f = c.b.enter(c, p.Clean)
	if f != nil {
		return false, f
	}
	if c.b.generation.Load() != generation { // changed while it was read
		if err := c.reload(c.b.ctx); err != nil {
			c.stop(faultf(reasonFailed, codeUnspecified, "%v", err), false)
		}
	}
	return present, nil
}

// mayConnect asks for leave to connect, and to connect in this manner.
func (b *Broker) mayConnect(id *identity, pk *packets.Packet) *fault {
	asks := *id
	asks.who.LastWill = pk.Connect.WillFlag
	asks.who.LastWillARN = b.cfg.ARN + "topic/" + pk.Connect.WillTopic
	asks.who.Persistent = !pk.Connect.Clean
	if pk.ProtocolVersion == 5 {
		asks.who.Persistent = pk.Properties.SessionExpiryInterval > 0
	}
	return b.may(&asks, policy.Connect, id.who.ClientID)
}

// takeWill checks the will and keeps it.
func (c *conn) takeWill(id *identity, pk *packets.Packet) *fault {
	p := &pk.Connect
	if !p.WillFlag {
		return nil
	}
	if p.WillQos > 1 {
		return faultf(reasonClient, codeQoS, "the will has QoS 2")
	}
	if err := wire.CheckTopic(p.WillTopic); err != nil {
		return faultf(reasonClient, codeTopic, "will: %v", err)
	}
	if err := wire.CheckPayload(p.WillPayload); err != nil {
		return faultf(reasonClient, codeQuota, "will: %v", err)
	}
	if p.WillTopic[0] == '$' && (p.WillRetain || !isShadowRequest(p.WillTopic)) {
		return faultf(reasonForbidden, codeTopic, "the will's topic is reserved")
	}
	if p.WillRetain {
		if f := c.b.may(id, policy.RetainPublish, p.WillTopic); f != nil {
			return f
		}
	}
	if f := c.b.may(id, policy.Publish, p.WillTopic); f != nil {
		return f
	}
	c.will = &Message{Topic: p.WillTopic, Payload: p.WillPayload, QoS: p.WillQos, Retain: p.WillRetain, Properties: properties(&p.WillProperties)}
	c.willDelay = time.Duration(p.WillProperties.WillDelayInterval) * time.Second
	return nil
}

func keepAlive(seconds uint16) time.Duration {
	if seconds == 0 {
		return maxKeepAlive
	}
	return min(max(time.Duration(seconds)*time.Second, minKeepAlive), maxKeepAlive)
}

// sessionLife is what the account allows of a Session Expiry Interval.
func sessionLife(seconds uint32) time.Duration {
	return min(time.Duration(seconds)*time.Second, maxSessionLife)
}

// accept sends CONNACK and tells that the client is here.
func (c *conn) accept(pk *packets.Packet, present bool) {
	var p *packets.Properties
	if c.version == 5 {
		p = &packets.Properties{
			ReceiveMaximum: wire.MaxInFlight, TopicAliasMaximum: maxAliases, MaximumPacketSize: maxPacket,
			MaximumQos: 1, MaximumQosFlag: true, RetainAvailable: 1, RetainAvailableFlag: true,
			WildcardSubAvailable: 1, WildcardSubAvailableFlag: true, SharedSubAvailable: 1, SharedSubAvailableFlag: true,
			SubIDAvailable: 0, SubIDAvailableFlag: true,
			ServerKeepAlive: uint16(c.keepAlive / time.Second), ServerKeepAliveFlag: true,
			SessionExpiryInterval: uint32(c.keep / time.Second), SessionExpiryIntervalFlag: true,
		}
		if pk.Connect.ClientIdentifier[0] == '$' {
			p.AssignedClientID = pk.Connect.ClientIdentifier
		}
	}
	c.connack(present, codeOK, p)
	id := c.identity.Load()
	c.b.log.Info("connected", logkey.Thing, id.who.ClientID, logkey.Addr, c.raw.RemoteAddr().String())
	c.b.event("presence", lifecycle{
		Type: "connected", ClientID: id.who.ClientID, Thing: id.exclusive(), Principal: id.cert.ID, Session: c.session.life, Addr: c.host(),
		Number: &c.number,
	})
	c.b.presence(Presence{Thing: id.who.Thing, Online: true, At: c.since})
	c.session.startReplay()
	for _, f := range c.session.shares() {
		c.takeShared(f)
	}
}

func (c *conn) connack(present bool, code byte, p *packets.Properties) {
	pk := packets.Packet{
		ProtocolVersion: c.version, FixedHeader: packets.FixedHeader{Type: packets.Connack}, SessionPresent: present, ReasonCode: code,
	}
	if p != nil {
		pk.Properties = *p
	}
	c.greet(encode(pk))
}

// depart ends the client's stay: session, will, events. Afterwards the client id is free.
func (c *conn) depart(f *fault) {
	id := c.identity.Load()
	c.b.leave(c)
	if c.will != nil && !c.silenced() {
		c.b.lastWords(c)
	}
	left := f.reason == reasonInitiated
	c.b.log.Info("disconnected", logkey.Thing, id.who.ClientID, logkey.Reason, f.reason)
	c.b.event("presence", lifecycle{
		Type: "disconnected", ClientID: id.who.ClientID, Thing: id.exclusive(), Principal: id.cert.ID, Session: c.session.life, Number: &c.number,
		Initiated: &left, Reason: f.reason,
	})
	if id.exclusive() == "" || !c.b.connected(id.who.Thing) { // it may be here under another client id
		c.b.presence(Presence{Thing: id.who.Thing, At: time.Now(), Reason: f.reason})
	}
}

// connected says whether any connection is a thing's.
func (b *Broker) connected(thing string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.live {
		if c.identity.Load().who.Thing == thing {
			return true
		}
	}
	return false
}

func (c *conn) silenced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noWill
}
