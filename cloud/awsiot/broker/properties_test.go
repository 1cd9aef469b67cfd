package broker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// TestPropertiesMisused: what MQTT 5 forbids and mochi's codec lets through.
func TestPropertiesMisused(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	connect := func(properties string) string {
		return "\x00\x04MQTT\x05\x02\x00\x3c" + string(rune(len(properties))) + properties + "\x00\x01x"
	}
	for name, tc := range map[string]struct {
		first byte // of the packet; CONNECT makes a connection of its own
		body  string
		code  byte
	}{
		"Receive Maximum 0":         {0x10, connect("\x21\x00\x00"), 0x82},
		"Maximum Packet Size 0":     {0x10, connect("\x27\x00\x00\x00\x00"), 0x82},
		"problem information 2":     {0x10, connect("\x17\x02"), 0x82},
		"authentication, no method": {0x10, connect("\x16\x00\x01x"), 0x82},
		"a session expiry twice":    {0x10, connect("\x11\x00\x00\x00\x01\x11\x00\x00\x00\x01"), 0x82},
		"a will's format 2":         {0x10, "\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x01x\x02\x01\x02\x00\x01w\x00\x00", 0x82},
		"a will's flags and none":   {0x10, "\x00\x04MQTT\x05\x0a\x00\x3c\x00\x00\x01x", 0x81},
		"a content type twice":      {0x30, "\x00\x01t\x08\x03\x00\x01a\x03\x00\x01b", 0x82},
		"a response topic a/#":      {0x30, "\x00\x01t\x06\x08\x00\x03a/#", 0x82},
		"beyond the list":           {0x30, "\x00\x01t\x02\x02\x00\x00\x00\x05x", 0x81},
		"a list beyond the packet":  {0x30, "\x00\x01t\x0f\x01", 0x81},
		"a text beyond the list":    {0x32, "\x00\x01t\x00\x01\x03\x03\x00\x05a", 0x81},
		"reserved options":          {0x82, "\x00\x01\x00\x00\x01t\x40", 0x81},
		"retain handling 3":         {0x82, "\x00\x01\x00\x00\x01t\x30", 0x81},
		"a session expiry of leave": {0xe0, "\x00\x0a\x11\x00\x00\x00\x00\x11\x00\x00\x00\x00", 0x82},
	} {
		packet := string([]byte{tc.first, byte(len(tc.body))}) + tc.body
		var code byte
		if tc.first == 0x10 {
			cl, err := c.open(cert, 5)
			if err != nil {
				t.Fatal(err)
			}
			cl.raw([]byte(packet))
			code = cl.next(packets.Connack).ReasonCode
			cl.ends()
		} else {
			cl, _ := c.dial("x", cert, 5)
			cl.raw([]byte(packet))
			code = cl.ends()
		}
		if code != tc.code {
			t.Errorf("%s: 0x%02x, want 0x%02x", name, code, tc.code)
		}
		d := c.denials()
		if last := d[strings.LastIndex(d, "\n")+1:]; !strings.Contains(last, "CLIENT_ERROR") {
			t.Errorf("%s: told %q", name, last)
		}
	}
}

// TestPasswordAlone: MQTT 3.1.1 wants a user name with a password.
func TestPasswordAlone(t *testing.T) {
	c := newCloud(t)
	cert, _ := c.certificate(allowAll)
	cl, err := c.open(cert, 4)
	if err != nil {
		t.Fatal(err)
	}
	cl.raw([]byte("\x10\x10\x00\x04MQTT\x04\x42\x00\x3c\x00\x01x\x00\x01p"))
	if pk, ok := cl.any(); ok {
		t.Errorf("got %+v", pk)
	}
}

// TestShortDisconnect: a reason code may come without properties.
func TestShortDisconnect(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		watch, _ := c.dial("watch", cert, 4)
		watch.sub("wills")
		cl, _ := c.dial("x", cert, 5, will("wills", 1, false))
		cl.raw([]byte("\xe0\x01\x04"))
		watch.wants("wills gone")
	})
}

// TestExpiryOfZero: AWS makes a second of it.
func TestExpiryOfZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		cert, _ := c.certificate(allowAll)
		cl, _ := c.dial("x", cert, 5, persistent)
		cl.sub("t")
		cl.leave()
		from, _ := c.dial("y", cert, 5)
		from.raw([]byte("\x32\x0c\x00\x01t\x00\x01\x05\x02\x00\x00\x00\x00a"))
		from.next(packets.Puback)
		from.publish("t", "b", qos(1))
		time.Sleep(1100 * time.Millisecond)
		cl, _ = c.dial("x", cert, 5, persistent)
		cl.wants("t b")
	})
}
