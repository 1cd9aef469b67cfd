package broker

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// maxPacket is the Maximum Packet Size that AWS announces to MQTT 5 clients. The payload's own limit is lower.
const maxPacket = 149504

// readPacket reads one packet of a client that speaks the version given. A packet that makes no sense is a *fault.
func readPacket(r *bufio.Reader, version byte) (packets.Packet, error) {
	pk := packets.Packet{ProtocolVersion: version}
	first, err := r.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		// AWS ignores DUP; mochi refuses it on QoS 0, where it means nothing.
		if err != packets.ErrProtocolViolationDupNoQos {
			return pk, malformed(err)
		}
	}
	n, err := remaining(r)
	if err != nil {
		return pk, err
	}
	if n > maxPacket {
		return pk, &fault{reason: reasonClient, code: codeTooLarge, text: fmt.Sprintf("the packet has %d bytes", n)}
	}
	pk.FixedHeader.Remaining = n
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return pk, err
	}
	return pk, decode(&pk, body)
}

func remaining(r io.ByteReader) (int, error) {
	n := 0
	for i := range 4 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int(b&0x7f) << (7 * i)
		if b < 0x80 {
			return n, nil
		}
	}
	return 0, malformed(packets.ErrMalformedVariableByteInteger)
}

// decode reads a packet's body. mochi's codec reads past the end of some short packets: that must not end the cloud.
func decode(pk *packets.Packet, body []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = malformed(fmt.Errorf("%v", p))
		}
	}()
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Puback:
		err = pk.PubackDecode(body)
	case packets.Subscribe:
		err = pk.SubscribeDecode(body)
	case packets.Unsubscribe:
		err = pk.UnsubscribeDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
	case packets.Pingreq:
		if len(body) > 0 {
			err = packets.ErrMalformedPacket
		}
	default:
		return &fault{reason: reasonClient, code: codeProtocol, text: fmt.Sprintf("packet type %d is not supported", pk.FixedHeader.Type)}
	}
	if err != nil {
		return malformed(err)
	}
	if pk.ProtocolVersion == 5 {
		return inspect(pk, body)
	}
	return nil
}

func malformed(err error) error {
	return &fault{reason: reasonClient, code: codeMalformed, text: err.Error()}
}

// encode makes the bytes of a packet.
func encode(pk packets.Packet) []byte {
	var b bytes.Buffer
	pk.Mods.AllowResponseInfo = true
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackEncode(&b)
	case packets.Publish:
		err = pk.PublishEncode(&b)
	case packets.Puback:
		err = pk.PubackEncode(&b)
	case packets.Suback:
		err = pk.SubackEncode(&b)
	case packets.Unsuback:
		err = pk.UnsubackEncode(&b)
	case packets.Pingresp:
		err = pk.PingrespEncode(&b)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&b)
	default:
		err = packets.ErrNoValidPacketAvailable
	}
	if err != nil {
		panic(err) // impossible: every packet is made in this package
	}
	return b.Bytes()
}

// encodePublish makes the PUBLISH of a message for one client. id is 0 for QoS 0.
func encodePublish(m *Message, version byte, id uint16, retain bool, now time.Time) []byte {
	pk := packets.Packet{
		ProtocolVersion: version, TopicName: m.Topic, Payload: m.Payload, PacketID: id,
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: retain},
	}
	if id != 0 {
		pk.FixedHeader.Qos = 1
	}
	if version == 5 {
		p := &pk.Properties
		p.ContentType, p.ResponseTopic, p.CorrelationData = m.ContentType, m.ResponseTopic, m.CorrelationData
		if m.Format != nil {
			p.PayloadFormat, p.PayloadFormatFlag = *m.Format, true
		}
		for _, u := range m.User {
			p.User = append(p.User, packets.UserProperty{Key: u.Name, Val: u.Value})
		}
		if m.Expiry > 0 {
			left := m.Expiry - now.Sub(m.Time) + time.Second - 1 // begun seconds count
			p.MessageExpiryInterval = uint32(max(1, left/time.Second))
		}
	}
	return encode(pk)
}

// maxExpiry is the longest message expiry interval.
const maxExpiry = 7 * 24 * time.Hour

// properties takes from a PUBLISH or a will what passes through.
func properties(p *packets.Properties) Properties {
	out := Properties{
		ContentType: p.ContentType, ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData,
		Expiry: min(time.Duration(p.MessageExpiryInterval)*time.Second, maxExpiry),
	}
	if p.PayloadFormatFlag {
		f := p.PayloadFormat
		out.Format = &f
	}
	for _, u := range p.User {
		out.User = append(out.User, UserProperty{Name: u.Key, Value: u.Val})
	}
	return out
}
