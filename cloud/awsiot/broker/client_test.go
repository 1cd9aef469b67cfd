package broker_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// client speaks MQTT packet by packet, with mochi's codec for the client's side.
type client struct {
	t    *testing.T
	conn *tls.Conn
	v    byte // protocol version
	id   uint16
	in   chan packets.Packet // closed when the connection ends
	mute bool                // deliveries are not acknowledged
	wmu  sync.Mutex
}

// open makes a TLS connection without CONNECT.
func (c *cloud) open(cert tls.Certificate, version byte, change ...func(*tls.Config)) (*client, error) {
	c.t.Helper()
	cl, err := c.plug(cert, version, change...)
	if err == nil {
		go cl.read()
	}
	return cl, err
}

// plug is open without anybody who reads.
func (c *cloud) plug(cert tls.Certificate, version byte, change ...func(*tls.Config)) (*client, error) {
	c.t.Helper()
	var near net.Conn
	if c.addr != "" {
		var err error
		if near, err = net.Dial("tcp", c.addr); err != nil {
			c.t.Fatal(err)
		}
	} else {
		var far net.Conn
		near, far = net.Pipe()
		go c.b.ServeConn(far)
	}
	cfg := c.tls(cert)
	for _, f := range change {
		f(cfg)
	}
	cl := &client{t: c.t, conn: tls.Client(near, cfg), v: version, in: make(chan packets.Packet, 1000)}
	if err := cl.conn.HandshakeContext(c.t.Context()); err != nil {
		_ = near.Close()
		return nil, err
	}
	c.t.Cleanup(func() { _ = near.Close() })
	return cl, nil
}

func (cl *client) read() {
	defer close(cl.in)
	r := bufio.NewReader(cl.conn)
	for {
		first, err := r.ReadByte()
		if err != nil {
			return
		}
		pk := packets.Packet{ProtocolVersion: cl.v}
		if err := pk.FixedHeader.Decode(first); err != nil {
			return
		}
		n, _, err := packets.DecodeLength(r)
		if err != nil {
			return
		}
		pk.FixedHeader.Remaining = n
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		switch pk.FixedHeader.Type {
		case packets.Connack:
			err = pk.ConnackDecode(body)
		case packets.Publish:
			err = pk.PublishDecode(body)
		case packets.Puback:
			err = pk.PubackDecode(body)
		case packets.Suback:
			err = pk.SubackDecode(body)
		case packets.Unsuback:
			err = pk.UnsubackDecode(body)
		case packets.Disconnect:
			err = pk.DisconnectDecode(body)
		}
		if err != nil {
			cl.t.Errorf("packet %d: %v", pk.FixedHeader.Type, err)
			return
		}
		if pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Qos > 0 && !cl.mute {
			cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: pk.PacketID})
		}
		cl.in <- pk
	}
}

// bytes encodes a packet of the client.
func (cl *client) bytes(pk packets.Packet) []byte {
	pk.ProtocolVersion = cl.v
	pk.Mods.AllowResponseInfo = true
	var b bytes.Buffer
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&b)
	case packets.Publish:
		err = pk.PublishEncode(&b)
	case packets.Puback:
		err = pk.PubackEncode(&b)
	case packets.Subscribe:
		pk.FixedHeader.Qos = 1
		err = pk.SubscribeEncode(&b)
	case packets.Unsubscribe:
		pk.FixedHeader.Qos = 1
		err = pk.UnsubscribeEncode(&b)
	case packets.Pingreq:
		err = pk.PingreqEncode(&b)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&b)
	default:
		err = fmt.Errorf("packet type %d", pk.FixedHeader.Type)
	}
	if err != nil {
		cl.t.Error(err)
	}
	return b.Bytes()
}

func (cl *client) send(pk packets.Packet) { cl.raw(cl.bytes(pk)) }

// raw writes bytes; that the broker hung up shows elsewhere.
func (cl *client) raw(b []byte) {
	cl.wmu.Lock()
	defer cl.wmu.Unlock()
	_, _ = cl.conn.Write(b)
}

func connectPacket(id string, change ...func(*packets.Packet)) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}}
	pk.Connect = packets.ConnectParams{ProtocolName: []byte("MQTT"), ClientIdentifier: id, Clean: true, Keepalive: 60}
	for _, f := range change {
		f(&pk)
	}
	return pk
}

// try connects and returns CONNACK, or nil when the broker hung up.
func (c *cloud) try(id string, cert tls.Certificate, version byte, change ...func(*packets.Packet)) (*client, *packets.Packet) {
	c.t.Helper()
	cl, err := c.open(cert, version)
	if err != nil {
		c.t.Fatal(err)
	}
	version5 := func(pk *packets.Packet) { pk.ProtocolVersion = version } // for changes that depend on it
	cl.send(connectPacket(id, append([]func(*packets.Packet){version5}, change...)...))
	pk, ok := cl.any()
	if !ok {
		return cl, nil
	}
	return cl, &pk
}

// dial connects and returns CONNACK.
func (c *cloud) dial(id string, cert tls.Certificate, version byte, change ...func(*packets.Packet)) (*client, packets.Packet) {
	c.t.Helper()
	cl, ack := c.try(id, cert, version, change...)
	if ack == nil || ack.FixedHeader.Type != packets.Connack || ack.ReasonCode != 0 {
		c.t.Fatalf("connect %s: %+v; %s", id, ack, c.denials())
	}
	return cl, *ack
}

func persistent(pk *packets.Packet) {
	pk.Connect.Clean = false
	if pk.ProtocolVersion == 5 {
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 3600, true
	}
}

func will(topic string, qos byte, retain bool) func(*packets.Packet) {
	return func(pk *packets.Packet) {
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, topic, []byte("gone")
		pk.Connect.WillQos, pk.Connect.WillRetain = qos, retain
	}
}

// any returns the next packet; false when the connection ended.
func (cl *client) any() (packets.Packet, bool) {
	cl.t.Helper()
	select {
	case pk, ok := <-cl.in:
		return pk, ok
	case <-time.After(patience):
		cl.t.Fatal("nothing came")
	}
	return packets.Packet{}, false
}

// next returns the next packet, which must be of the type.
func (cl *client) next(kind byte) packets.Packet {
	cl.t.Helper()
	pk, ok := cl.any()
	if !ok || pk.FixedHeader.Type != kind {
		cl.t.Fatalf("got %s (open: %v), want %s: %+v", packets.PacketNames[pk.FixedHeader.Type], ok, packets.PacketNames[kind], pk)
	}
	return pk
}

// message returns the next message's topic and payload.
func (cl *client) message() string {
	cl.t.Helper()
	pk := cl.next(packets.Publish)
	return pk.TopicName + " " + string(pk.Payload)
}

func (cl *client) wants(want string) {
	cl.t.Helper()
	if got := cl.message(); got != want {
		cl.t.Fatalf("got %q, want %q", got, want)
	}
}

// hearsNothing waits a moment: neither a packet nor the end of the connection must come.
func (cl *client) hearsNothing() {
	cl.t.Helper()
	select {
	case pk, ok := <-cl.in:
		cl.t.Fatalf("got %+v (open: %v), want silence", pk, ok)
	case <-time.After(silence):
	}
}

// ends waits for the end of the connection, which for MQTT 5 a DISCONNECT announces, and returns its code.
func (cl *client) ends() byte {
	cl.t.Helper()
	code := byte(0)
	for {
		pk, ok := cl.any()
		if !ok {
			return code
		}
		if pk.FixedHeader.Type == packets.Disconnect {
			if cl.v != 5 {
				cl.t.Fatal("DISCONNECT to a client of MQTT 3.1.1")
			}
			code = pk.ReasonCode
		}
	}
}

func (cl *client) packetID() uint16 { cl.id++; return cl.id }

func (cl *client) subscribeAll(subs ...packets.Subscription) []byte {
	cl.t.Helper()
	cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: cl.packetID(), Filters: subs})
	return cl.next(packets.Suback).ReasonCodes
}

func filters(qos byte, names ...string) []packets.Subscription {
	var subs []packets.Subscription
	for _, n := range names {
		subs = append(subs, packets.Subscription{Filter: n, Qos: qos})
	}
	return subs
}

// sub subscribes with QoS 1; every filter must be granted.
func (cl *client) sub(names ...string) {
	cl.t.Helper()
	for i, code := range cl.subscribeAll(filters(1, names...)...) {
		if code > 1 {
			cl.t.Fatalf("subscribe %s: 0x%02x", names[i], code)
		}
	}
}

func publishPacket(topic, payload string, change ...func(*packets.Packet)) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: topic, Payload: []byte(payload)}
	for _, f := range change {
		f(&pk)
	}
	return pk
}

func qos(n byte) func(*packets.Packet) {
	return func(pk *packets.Packet) { pk.FixedHeader.Qos = n }
}

func retain(pk *packets.Packet) { pk.FixedHeader.Retain = true }

// publish sends a message; with QoS 1 it returns the PUBACK's code.
func (cl *client) publish(topic, payload string, change ...func(*packets.Packet)) byte {
	cl.t.Helper()
	pk := publishPacket(topic, payload, change...)
	if pk.FixedHeader.Qos > 0 {
		pk.PacketID = cl.packetID()
	}
	cl.send(pk)
	if pk.FixedHeader.Qos == 0 {
		return 0
	}
	ack := cl.next(packets.Puback)
	if ack.PacketID != pk.PacketID {
		cl.t.Fatalf("PUBACK for %d, want %d", ack.PacketID, pk.PacketID)
	}
	return ack.ReasonCode
}

// ping asks for an answer: whatever was sent before has been handled then.
func (cl *client) ping() {
	cl.t.Helper()
	cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	cl.next(packets.Pingresp)
}

func (cl *client) leave() {
	cl.t.Helper()
	cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	cl.ends()
}
