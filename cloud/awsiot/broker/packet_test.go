package broker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzReadPacket: whatever comes, there is a packet or an error, and never a panic.
func FuzzReadPacket(f *testing.F) {
	for _, s := range []string{
		"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x", "\x30\x03\x00\x01t", "\x32\x07\x00\x01t\x00\x01xx", "\x82\x06\x00\x01\x00\x00\x01t",
		"\x82\x0b\x00\x01\x02\x0b\x05\x00\x03ok/\x01",
		"\x10\x1b\x00\x04MQTT\x05\x06\x00\x3c\x05\x11\x00\x00\x00\x01\x00\x01x\x02\x01\x01\x00\x01w\x00\x00", "\x30\x0e\x00\x01t\x0a\x26\x00\x01a\x00\x01b\x23\x00\x01",
		"\xa2\x05\x00\x01\x00\x01t", "\x40\x02\x00\x01", "\xc0\x00", "\xe0\x00", "\x30\xff\xff\xff\xff",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, five bool) {
		version := byte(4)
		if five {
			version = 5
		}
		_, err := readPacket(bufio.NewReader(bytes.NewReader(b)), version)
		var bad *fault
		if err != nil && !errors.As(err, &bad) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v", err)
		}
	})
}
