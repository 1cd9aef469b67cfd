package sim

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"fountain/hal"
	"fountain/internal/logkey"
)

const (
	pushFast = time.Millisecond      // between snapshots while something moves or is commanded
	pushIdle = 20 * time.Millisecond // keep-alive
)

// Server lets other processes own the lines of a live plant. A connection that ends without a Close is the death of
// its owner's process.
type Server struct {
	plant *Plant
	log   *slog.Logger
	// Other gets connections that are not owners (their first bytes included). Nil: they are closed.
	Other func(net.Conn)

	mu    sync.Mutex
	conns map[net.Conn]chan struct{} // open connections and how to wake their snapshots (nil: not an owner yet)
}

// NewServer serves plant, which should be Live.
func NewServer(plant *Plant, log *slog.Logger) *Server {
	return &Server{plant: plant, log: log, conns: map[net.Conn]chan struct{}{}}
}

// Serve accepts owners until ctx ends; then it drops their connections and returns nil. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close() // ends Accept
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			_ = c.Close() // ends its reader
		}
	})
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		wg.Go(func() { s.connection(ctx, c) })
	}
}

// Owners counts the owners alive.
func (s *Server) Owners() int {
	s.plant.mu.Lock()
	defer s.plant.mu.Unlock()
	n := 0
	for _, o := range s.plant.holders {
		if o.alive {
			n++
		}
	}
	return n
}

func (s *Server) connection(ctx context.Context, c net.Conn) {
	s.track(c, nil)
	if ctx.Err() != nil {
		_ = c.Close()
	}
	first := make([]byte, len(magic))
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second)) // a socket that is open takes a deadline
	n, err := io.ReadFull(c, first)
	_ = c.SetReadDeadline(time.Time{})
	if err == nil && string(first) == magic {
		s.owner(c)
		return
	}
	s.untrack(c)
	if s.Other == nil || n == 0 {
		_ = c.Close()
		return
	}
	s.Other(&prefixed{Conn: c, prefix: first[:n]})
}

func (s *Server) track(c net.Conn, wake chan struct{}) {
	s.mu.Lock()
	s.conns[c] = wake
	s.mu.Unlock()
}

func (s *Server) untrack(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// Wake sends every owner a fresh snapshot now, for example after a fault was injected.
func (s *Server) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, wake := range s.conns {
		select {
		case wake <- struct{}{}:
		default: // nil, or already awake
		}
	}
}

// prefixed gives back the bytes that were read to tell the protocols apart.
type prefixed struct {
	net.Conn
	prefix []byte
}

// Read implements net.Conn.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// owner serves one owner's connection until it ends.
func (s *Server) owner(c net.Conn) {
	defer c.Close()
	defer s.untrack(c)
	var size [1]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	name := make([]byte, size[0])
	if _, err := io.ReadFull(c, name); err != nil {
		return
	}
	who := hal.Owner(name)
	rig, err := s.plant.open(who, false)
	if err != nil {
		w := welcome{Error: err.Error()}
		switch {
		case errors.Is(err, hal.ErrBusy):
			w.Error = refusedBusy
		case errors.Is(err, hal.ErrNotOwner):
			w.Error = refusedNotOwner
		case errors.Is(err, hal.ErrGone):
			w.Error = refusedGone
		}
		_ = writeWelcome(c, w) // the connection ends anyway
		return
	}
	log := s.log.With(slog.String("owner", string(who)))
	log.Info("owner opened its lines")
	v := newView(s.plant, rig)
	if err := writeWelcome(c, v.welcome); err != nil {
		s.died(rig, log)
		return
	}
	wake := make(chan struct{}, 1)
	tags := make(chan tagAnswer, 256) // more requests under way than slots are an owner's bug; they go unanswered
	done := make(chan struct{})
	s.track(c, wake)
	var push sync.WaitGroup
	push.Go(func() { v.push(c, wake, tags, done) })
	closed := s.commands(c, rig, v, tags)
	close(done)
	_ = c.Close() // ends a push that waits for a stopped owner
	push.Wait()
	if closed {
		_ = rig.Close() // in process: never fails
		log.Info("owner released its lines")
	} else {
		s.died(rig, log)
	}
	s.Wake()
}

func (s *Server) died(rig *ownedRig, log *slog.Logger) {
	now := s.plant.lock()
	bits := rig.o.want
	s.plant.die(rig.o, now)
	s.plant.mu.Unlock()
	log.Warn("owner died", slog.Uint64("open", bits), slog.String("lines", s.plant.rig.Sim.OnOwnerDeath))
}

func writeWelcome(c net.Conn, w welcome) error {
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	_, err = c.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// commands carries out what the owner sends; true when it said good-bye.
func (s *Server) commands(c net.Conn, rig *ownedRig, v *view, tags chan<- tagAnswer) bool {
	var b [commandSize]byte
	var said error
	var saidAt time.Time
	for {
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return false
		}
		cmd := decodeCommand(&b)
		var err error
		switch cmd.op {
		case opApply:
			err = rig.Apply(cmd.a, cmd.b)
		case opSafe:
			err = rig.Safe(nil)
		case opDose, opStop:
			if int(cmd.index) >= len(v.pumps) {
				err = hal.ErrUnknownPart
				break
			}
			u := &ownedPump{rig, v.pumps[cmd.index]}
			if cmd.op == opDose {
				err = u.Dose(int(cmd.n), time.Duration(cmd.a))
			} else {
				err = u.Stop()
			}
		case opTag:
			a := tagAnswer{Request: cmd.a, Error: hal.ErrUnknownPart.Error()}
			if int(cmd.index) < len(v.slots) {
				a = v.tag(cmd.a, v.slots[cmd.index])
			}
			select {
			case tags <- a:
			default:
			}
		case opBeat:
			if rig.Beat() == nil {
				v.done.Add(1)
				continue // nothing to see in a snapshot
			}
		case opClose:
			return true
		default:
			s.log.Warn("unknown command from an owner", slog.Int("op", int(cmd.op)))
			return false
		}
		v.done.Add(1)
		if err != nil && (!errors.Is(err, said) || time.Since(saidAt) > time.Second) {
			said, saidAt = err, time.Now() // a dead-man may try every few milliseconds
			s.log.Warn("command refused", slog.Int("op", int(cmd.op)), slog.Any(logkey.Err, err))
		}
		s.Wake()
	}
}
