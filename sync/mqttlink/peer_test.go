package mqttlink

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// peer is a scripted MQTT service at the other end of net.Pipe: react gets every packet and answers it or closes.
type peer struct {
	t     *testing.T
	react func(s *side, p packets.ControlPacket) (goOn bool)

	mu       sync.Mutex
	refuse   error
	down     map[string]bool // endpoints that do not answer
	dialed   []string
	sides    []*side
	connects []time.Time
	alive    int
	most     int // most connections alive at once
	got      []packets.ControlPacket
	wg       sync.WaitGroup
}

// side is the service's end of one connection.
type side struct {
	p    *peer
	addr string
	n    int // which connection, from 1
	conn net.Conn
}

func newPeer(t *testing.T) *peer {
	p := &peer{t: t}
	p.react = func(s *side, cp packets.ControlPacket) bool { s.polite(cp); return true }
	return p
}

func (p *peer) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialed = append(p.dialed, addr)
	if p.refuse != nil || p.down[addr] {
		p.connects = append(p.connects, time.Now())
		return nil, cmp.Or(p.refuse, errors.New("no route to "+addr))
	}
	client, server := net.Pipe()
	p.alive++
	p.most = max(p.most, p.alive)
	p.connects = append(p.connects, time.Now())
	s := &side{p: p, addr: addr, n: len(p.connects), conn: server}
	p.sides = append(p.sides, s)
	p.wg.Go(func() {
		defer func() {
			_ = server.Close()
			p.mu.Lock()
			p.alive--
			p.mu.Unlock()
		}()
		for {
			cp, err := packets.ReadPacket(server)
			if err != nil {
				return
			}
			p.mu.Lock()
			p.got = append(p.got, cp)
			p.mu.Unlock()
			if !p.react(s, cp) {
				return
			}
		}
	})
	return client, nil
}

func (p *peer) config() Config {
	return Config{Addrs: []string{"cloud.test:8883"}, ClientID: "unit-1", Dial: p.dial, MessageRate: 1e6, ByteRate: 1e9}
}

func (p *peer) set(addr string, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down == nil {
		p.down = map[string]bool{}
	}
	p.down[addr] = down
}

// asked returns the endpoints that were dialled since the last call.
func (p *peer) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.dialed
	p.dialed = nil
	return out
}

func (p *peer) times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.connects)
}

func count[T packets.ControlPacket](p *peer) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cp := range p.got {
		if _, ok := cp.(T); ok {
			n++
		}
	}
	return n
}

// polite answers a packet as a well-behaved service does.
func (s *side) polite(cp packets.ControlPacket) {
	switch m := cp.(type) {
	case *packets.ConnectPacket:
		s.write(packets.NewControlPacket(packets.Connack))
	case *packets.SubscribePacket:
		a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		a.MessageID = m.MessageID
		a.ReturnCodes = make([]byte, len(m.Topics))
		for i := range a.ReturnCodes {
			a.ReturnCodes[i] = 1
		}
		s.write(a)
	case *packets.PublishPacket:
		if m.Qos == 1 {
			a := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			a.MessageID = m.MessageID
			s.write(a)
		}
	case *packets.PingreqPacket:
		s.write(packets.NewControlPacket(packets.Pingresp))
	}
}

func (s *side) write(cp packets.ControlPacket) {
	if err := cp.Write(s.conn); err != nil && !errors.Is(err, net.ErrClosed) {
		s.p.t.Logf("peer write: %v", err)
	}
}

func (s *side) publish(topic string, id uint16, payload string) {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.Qos, m.TopicName, m.MessageID, m.Payload = 1, topic, id, []byte(payload)
	s.write(m)
}
