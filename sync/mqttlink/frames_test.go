package mqttlink

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// A header that announces a quarter of a gigabyte ends the connection; nobody waits for it or makes room for it.
func TestHugePacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.react = func(s *side, cp packets.ControlPacket) bool {
			s.polite(cp)
			if _, ok := cp.(*packets.ConnectPacket); ok {
				time.AfterFunc(time.Second, func() { _, _ = s.conn.Write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}) }) // the client may close first
			}
			return true
		}
		c, err := Dial(t.Context(), p.config())
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Lost():
			if !errors.Is(c.Err(), errPacket) {
				t.Error(c.Err())
			}
		case <-time.After(5 * time.Second):
			t.Error("it waits for the packet")
		}
		c.Close()
		p.wg.Wait()
	})
}

func TestFrames(t *testing.T) {
	packet := func(n int) []byte {
		b := []byte{0x30}
		for size := n; ; {
			c := byte(size & 0x7f)
			if size >>= 7; size > 0 {
				b = append(b, c|0x80)
				continue
			}
			return append(append(b, c), make([]byte, n)...)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	var stream []byte
	for _, n := range []int{0, 2, 127, 128, 5000, 0, 16_383, 16_384, packetMost, 1} {
		stream = append(stream, packet(n)...)
	}
	for range 20 { // read in whatever pieces
		var f frames
		for rest := stream; len(rest) > 0; {
			n := 1 + rnd.IntN(min(len(rest), 1<<rnd.IntN(18)))
			if !f.take(rest[:n]) {
				t.Fatal("refused")
			}
			rest = rest[n:]
		}
		if f.take(packet(packetMost + 1)) {
			t.Fatal("too large and taken")
		}
	}
	if f := (frames{}); f.take([]byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}) {
		t.Error("a length of five bytes")
	}
}
