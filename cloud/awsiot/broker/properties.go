package broker

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Kinds of MQTT 5 properties by how long they are.
const (
	kindByte = iota + 1
	kindTwo
	kindFour
	kindLength // a variable byte integer
	kindText   // or binary data
	kindPair
)

// propertyKinds are those of what a client may send.
var propertyKinds = map[byte]int{
	packets.PropPayloadFormat: kindByte, packets.PropRequestProblemInfo: kindByte, packets.PropRequestResponseInfo: kindByte,
	packets.PropReceiveMaximum: kindTwo, packets.PropTopicAliasMaximum: kindTwo, packets.PropTopicAlias: kindTwo,
	packets.PropMessageExpiryInterval: kindFour, packets.PropSessionExpiryInterval: kindFour, packets.PropWillDelayInterval: kindFour,
	packets.PropMaximumPacketSize: kindFour, packets.PropSubscriptionIdentifier: kindLength, packets.PropUser: kindPair,
	packets.PropContentType: kindText, packets.PropResponseTopic: kindText, packets.PropCorrelationData: kindText,
	packets.PropAuthenticationMethod: kindText, packets.PropAuthenticationData: kindText, packets.PropReasonString: kindText,
}

// inspect sees what mochi's codec does not tell of an MQTT 5 packet that it decoded: a property that comes twice, has a
// value it must not have or goes beyond the list, reserved bits of a subscription, the reason of a short DISCONNECT.
func inspect(pk *packets.Packet, body []byte) error {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		rest, err := inspectProperties(&pk.Properties, body[2+len(pk.Connect.ProtocolName)+4:])
		if err != nil || !pk.Connect.WillFlag {
			return err
		}
		_, err = inspectProperties(&pk.Connect.WillProperties, skipText(rest))
		return err
	case packets.Publish:
		body = skipText(body)
		if pk.FixedHeader.Qos > 0 {
			body = body[2:]
		}
		_, err := inspectProperties(&pk.Properties, body)
		return err
	case packets.Subscribe:
		rest, err := inspectProperties(&pk.Properties, body[2:])
		for err == nil && len(rest) > 0 {
			rest = skipText(rest)
			if options := rest[0]; options&0xc0 != 0 || options&0x30 == 0x30 {
				err = broken(codeMalformed, "subscription options 0x%02x", options)
			}
			rest = rest[1:]
		}
		return err
	case packets.Unsubscribe:
		_, err := inspectProperties(&pk.Properties, body[2:])
		return err
	case packets.Disconnect:
		if len(body) == 1 {
			pk.ReasonCode = body[0]
		}
		if len(body) > 1 {
			_, err := inspectProperties(&pk.Properties, body[1:])
			return err
		}
	}
	return nil
}

// inspectProperties walks the list of properties at the beginning of b and returns what follows it. A message expiry
// interval of 0 becomes 1, as on AWS.
func inspectProperties(p *packets.Properties, b []byte) (rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, broken(codeMalformed, "the properties are longer than the packet")
	}
	list, rest := b[used:used+int(n)], b[used+int(n):]
	seen := map[byte]bool{}
	for len(list) > 0 {
		id := list[0]
		size, value := propertySize(id, list[1:])
		if size < 0 || size > len(list)-1 {
			return nil, broken(codeMalformed, "property 0x%02x does not fit", id)
		}
		if seen[id] && id != packets.PropUser && id != packets.PropSubscriptionIdentifier {
			return nil, broken(codeProtocol, "property 0x%02x comes twice", id)
		}
		seen[id] = true
		zero := id == packets.PropReceiveMaximum || id == packets.PropMaximumPacketSize
		if zero && value == 0 || propertyKinds[id] == kindByte && value > 1 {
			return nil, broken(codeProtocol, "property 0x%02x must not be %d", id, value)
		}
		if id == packets.PropMessageExpiryInterval {
			p.MessageExpiryInterval = max(p.MessageExpiryInterval, 1)
		}
		list = list[1+size:]
	}
	if seen[packets.PropAuthenticationData] && !seen[packets.PropAuthenticationMethod] {
		return nil, broken(codeProtocol, "authentication data without a method")
	}
	if strings.ContainsAny(p.ResponseTopic, "+#") {
		return nil, broken(codeProtocol, "the response topic holds a wildcard")
	}
	return rest, nil
}

// propertySize returns how long a property's value is, -1 when that cannot be said, and what a number is.
func propertySize(id byte, b []byte) (size int, value uint32) {
	number := func(n int) (int, uint32) {
		if len(b) < n {
			return -1, 0
		}
		for _, digit := range b[:n] {
			value = value<<8 | uint32(digit)
		}
		return n, value
	}
	switch propertyKinds[id] {
	case kindByte:
		return number(1)
	case kindTwo:
		return number(2)
	case kindFour:
		return number(4)
	case kindLength:
		_, n := binary.Uvarint(b)
		return n, 0
	case kindText:
		return len(b) - len(skipText(b)), 0
	case kindPair:
		return len(b) - len(skipText(skipText(b))), 0
	}
	return -1, 0
}

// skipText takes a text or binary data off; it panics when there is none, and decode minds that.
func skipText(b []byte) []byte { return b[2+int(binary.BigEndian.Uint16(b)):] }

func broken(code byte, format string, args ...any) error {
	return &fault{reason: reasonClient, code: code, text: fmt.Sprintf(format, args...)}
}
