package broker_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"fountain/cloud/awsiot/broker"
)

// TestNoGoroutineIsLeft after Close, whatever clients were doing.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	func() {
		c := newCloud(t)
		c.listen()
		cert, _ := c.certificate(allowAll)
		var clients []*client
		for i := range 40 {
			cl, _ := c.dial(fmt.Sprint("x", i), cert, byte(4+i%2), persistent, will("t", 1, true))
			cl.mute = i%3 == 0
			cl.sub("t")
			clients = append(clients, cl)
		}
		for i := range 200 {
			clients[i%40].send(publishPacket("t", "x"))
		}
		if _, err := c.open(cert, 4); err != nil { // never sends CONNECT
			t.Fatal(err)
		}
		for i := range 10 {
			clients[i].leave2()
		}
		start := time.Now()
		if err := c.b.Close(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 20*time.Second { // it must not wait for a client that does not read
			t.Errorf("Close took %v", d)
		}
		if live, sessions, conns := broker.Counts(c.b); live+conns != 0 {
			t.Errorf("left: %d live, %d sessions, %d connections", live, sessions, conns)
		}
		for _, cl := range clients {
			_ = cl.conn.Close()
			for range cl.in {
			}
		}
		if err := c.db.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			var b bytes.Buffer
			buf := make([]byte, 1<<20)
			b.Write(buf[:runtime.Stack(buf, true)])
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, b.String())
		}
	}
}

// leave2 sends DISCONNECT and does not wait.
func (cl *client) leave2() {
	cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
}

// TestNothingIsKeptOfCleanSessions: clients come and go, the broker's tables stay empty.
func TestNothingIsKeptOfCleanSessions(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		for i := range 20 {
			cl, _ := c.dial(fmt.Sprint("x", i), cert, byte(4+i%2))
			cl.sub("a/b", "a/+/c", "$share/g/x")
			if i%2 == 0 {
				cl.leave()
			} else {
				_ = cl.conn.Close()
			}
		}
		time.Sleep(time.Second)
		live, sessions, conns := broker.Counts(c.b)
		if n := broker.Filters(c.b); live+sessions+conns+n != 0 {
			t.Errorf("left: %d live, %d sessions, %d connections, %d levels of filters", live, sessions, conns, n)
		}
	})
}

// TestClientThatDoesNotRead gets its connection taken away and delays nobody else.
func TestClientThatDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, c *cloud) {
		cert, _ := c.certificate(allowAll)
		stuck, err := c.plug(cert, 4) // in memory nothing is buffered: who writes to it waits at once
		if err != nil {
			t.Fatal(err)
		}
		stuck.send(connectPacket("stuck"))
		if _, err := io.ReadFull(stuck.conn, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		stuck.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 1, Filters: filters(1, "t")})
		if _, err := io.ReadFull(stuck.conn, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		cl, _ := c.dial("x", cert, 4)
		cl.sub("t")
		start := time.Now()
		for i := range 50 {
			c.b.Publish("t", fmt.Append(nil, i))
			cl.wants(fmt.Sprint("t ", i))
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("others waited %v", d)
		}
		if _, ok := c.b.Connection("stuck"); !ok {
			t.Error("it was let go too early")
		}
		time.Sleep(35 * time.Second)
		if _, ok := c.b.Connection("stuck"); ok {
			t.Error("it is still connected")
		}
	})
}

// TestRandomClients do everything at once; the race detector and the broker's tables judge.
func TestRandomClients(t *testing.T) {
	const seed = 20261123
	c := newCloud(t, func(cfg *broker.Config) { cfg.ConnectBurst = 1 << 20 })
	c.listen()
	cert, id := c.certificate(allowAll)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(worker)))
			for range 12 {
				cl, err := c.open(cert, byte(4+r.IntN(2)))
				if err != nil {
					t.Error(err)
					return
				}
				pk := connectPacket(fmt.Sprint("x", r.IntN(5)), func(pk *packets.Packet) { pk.ProtocolVersion = cl.v })
				if r.IntN(2) == 0 {
					persistent(&pk)
				}
				if r.IntN(2) == 0 {
					will("t", 1, true)(&pk)
				}
				cl.mute = r.IntN(3) == 0
				cl.send(pk)
				if _, ok := <-cl.in; !ok { // CONNACK, or taken over already
					continue
				}
				go func() {
					for range cl.in {
					}
				}()
				for range r.IntN(20) {
					switch r.IntN(6) {
					case 0:
						cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe}, PacketID: 1, Filters: filters(byte(r.IntN(2)), "t", "+", "$share/g/t", "$aws/events/#")})
					case 1:
						cl.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe}, PacketID: 2, Filters: filters(0, "t", "+")})
					case 2, 3:
						pk := publishPacket("t", "x", qos(1))
						pk.PacketID, pk.FixedHeader.Retain = 3, r.IntN(2) == 0
						cl.send(pk)
					case 4:
						if err := c.b.Refresh(t.Context(), id); err != nil {
							t.Error(err)
						}
						c.b.Connection(fmt.Sprint("x", r.IntN(5)))
					case 5:
						c.b.Publish("t", []byte("cloud"))
					}
				}
				switch r.IntN(4) {
				case 0:
					cl.leave2()
				case 1:
					_ = cl.conn.Close()
				case 2:
					c.b.Disconnect(fmt.Sprint("x", r.IntN(5)), r.IntN(2) == 0, r.IntN(2) == 0)
				}
			}
		})
	}
	wg.Wait()
	for i := range 5 {
		c.b.Disconnect(fmt.Sprint("x", i), true, true)
	}
	live, sessions, _ := broker.Counts(c.b)
	if n := broker.Filters(c.b); live+sessions+n != 0 {
		t.Errorf("left: %d live, %d sessions, %d levels of filters", live, sessions, n)
	}
}
