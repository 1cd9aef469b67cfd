package sim

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal"
	"fountain/internal/problem"
)

const (
	staleAfter = 300 * time.Millisecond // no snapshot for so long: the plant is gone (it sends one every 20 ms)
	busyRetry  = 250 * time.Millisecond // a predecessor that was just killed may not be buried yet
	byeWait    = 200 * time.Millisecond // Close waits so long for the plant to let go of the lines
	retrySafe  = 5 * time.Millisecond   // dead-man: next try when the socket was full
)

// Dial opens the lines of owner at a fountain-plant. The rig behaves as one in process: calls of the control loop write
// to the socket without ever waiting and read the newest snapshot, at most about 2 ms old while something moves. The
// dead-man runs in this process. When the plant dies, Apply, Interlocks and Health say so at once (hal.ErrGone).
// Times are CLOCK_MONOTONIC, the same in every process of the host.
//
// Errors: hal.ErrBusy while another process holds the lines, hal.ErrNotOwner for an owner that does not exist,
// hal.ErrGone with a problem.Problem when no plant answers at socket.
func Dial(ctx context.Context, socket string, owner hal.Owner) (hal.Rig, hal.Pacer, error) {
	give := time.Now().Add(busyRetry)
	for {
		rig, err := dial(ctx, socket, owner)
		if err == nil {
			return rig, Pacer{rig.now}, nil
		}
		if !errors.Is(err, hal.ErrBusy) || !time.Now().Before(give) {
			return nil, nil, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func gone(socket string, err error) error {
	p := &problem.Problem{
		Code: problem.CodeUnreachable, Where: socket, What: "no plant answers",
		Remedy: "start fountain-plant with this --socket, or name a rig file of real hardware", Retry: true,
	}
	return fmt.Errorf("%w (%w: %w)", p, hal.ErrGone, err)
}

// errMissing is ErrGone of a plant that answers: a chip is not there.
var errMissing = fmt.Errorf("a chip is missing: %w", hal.ErrGone)

func dial(ctx context.Context, socket string, owner hal.Owner) (*remoteRig, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, gone(socket, err)
	}
	rig, err := greet(ctx, conn.(*net.UnixConn), owner)
	if err != nil {
		_ = conn.Close() // nothing was opened
		if errors.Is(err, hal.ErrBusy) || errors.Is(err, hal.ErrNotOwner) || errors.Is(err, errMissing) {
			return nil, fmt.Errorf("open the lines of %s at %s: %w", owner, socket, err)
		}
		return nil, gone(socket, err)
	}
	return rig, nil
}

// greet says who we are and waits for the welcome and the first snapshot.
func greet(ctx context.Context, c *net.UnixConn, owner hal.Owner) (*remoteRig, error) {
	if len(owner) > 255 {
		return nil, hal.ErrNotOwner
	}
	deadline := time.Now().Add(5 * time.Second)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := c.Write(append([]byte(magic), append([]byte{byte(len(owner))}, owner...)...)); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(c, 64<<10)
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > maxBody {
		return nil, fmt.Errorf("welcome of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, err
	}
	var w welcome
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("read welcome: %w", err)
	}
	switch w.Error {
	case "":
	case refusedBusy:
		return nil, hal.ErrBusy
	case refusedNotOwner:
		return nil, hal.ErrNotOwner
	case refusedGone:
		return nil, errMissing
	default:
		return nil, errors.New(w.Error)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &remoteRig{
		owner: owner, w: w, conn: c, raw: raw, now: clock(true), deadline: make([]time.Duration, len(w.Valves)), maxOpen: make([]time.Duration, len(w.Valves)),
		arm: make(chan struct{}, 1), stop: make(chan struct{}), tags: map[uint64]chan tagAnswer{},
	}
	for i, id := range w.Valves {
		for _, p := range w.Parts {
			if p.ID == id {
				r.maxOpen[i] = p.MaxOpen
			}
		}
	}
	r.write = r.writeOnce
	r.snap.counts = make([]hal.Count, len(w.Meters))
	r.snap.delivered = make([]uint64, len(w.Pumps))
	r.snap.sensors = make([]reading, len(w.Sensors))
	rd := &frameReader{rig: r, in: in}
	if err := rd.next(); err != nil { // the first snapshot
		return nil, err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	r.wg.Go(rd.run)
	r.wg.Go(r.watchDeadlines)
	return r, nil
}

// remoteRig is the hal.Rig of one owner at a fountain-plant.
type remoteRig struct {
	owner   hal.Owner
	w       welcome
	conn    *net.UnixConn
	raw     syscall.RawConn
	now     func() time.Duration
	maxOpen []time.Duration
	arm     chan struct{} // wakes watchDeadlines
	stop    chan struct{} // closed by Close
	wg      sync.WaitGroup

	// out guards what goes to the plant; it is held only for one non-blocking write.
	out       sync.Mutex
	write     func(fd uintptr) bool
	buf       [commandSize]byte
	wrote     int
	writeErr  error
	sent      uint64 // commands
	commanded uint64
	deadline  []time.Duration
	nextBeat  time.Duration
	closed    bool

	// in guards what came from the plant.
	in    sync.Mutex
	snap  snapshot
	lost  bool // the connection ended
	tags  map[uint64]chan tagAnswer
	tagID uint64
}

var (
	_ hal.Rig           = (*remoteRig)(nil)
	_ hal.Outputs       = (*remoteRig)(nil)
	_ hal.InterlockBank = remoteLocks{}
	_ hal.FlowMeter     = (*remoteMeter)(nil)
	_ hal.Pump          = (*remotePump)(nil)
	_ hal.CartridgeSlot = (*remoteSlot)(nil)
	_ hal.Sensor        = (*remoteSensor)(nil)
	_ hal.Heart         = (*remoteRig)(nil)
)

func (r *remoteRig) writeOnce(fd uintptr) bool {
	r.wrote, r.writeErr = unix.Write(int(fd), r.buf[:])
	return true // never wait
}

// send writes one command; out is held. ErrGone when the plant does not take it at once.
func (r *remoteRig) send(c command) error {
	c.encode(&r.buf)
	if err := r.raw.Write(r.write); err != nil {
		return hal.ErrGone
	}
	if r.writeErr != nil {
		return hal.ErrGone
	}
	if r.wrote != commandSize { // a unix socket takes 32 bytes whole; were it not so, the stream would be out of step
		_ = r.conn.Close()
		return hal.ErrGone
	}
	r.sent++
	return nil
}

// answers tells whether the plant is alive: connected and heard of lately.
func (r *remoteRig) answers() bool {
	r.in.Lock()
	defer r.in.Unlock()
	return !r.lost && r.now()-r.snap.at < staleAfter
}

// Parts implements hal.Rig.
func (r *remoteRig) Parts() []hal.Part { return slices.Clone(r.w.Parts) }

// Outputs implements hal.Rig.
func (r *remoteRig) Outputs() hal.Outputs { return r }

// Apply implements hal.Outputs.
func (r *remoteRig) Apply(mask, bits uint64) error {
	if n := len(r.deadline); n < 64 && mask>>n != 0 {
		return hal.ErrUnknownPart
	}
	r.in.Lock()
	lost, goneMask, deadMask := r.lost, r.snap.goneMask, r.snap.deadMask
	r.in.Unlock()
	r.out.Lock()
	defer r.out.Unlock()
	switch {
	case r.closed:
		return hal.ErrClosed
	case lost:
		return hal.ErrGone
	}
	if err := r.send(command{op: opApply, a: mask, b: bits}); err != nil {
		r.overdue(mask &^ bits)
		return err
	}
	r.note(mask&^bits&^deadMask, 0)
	r.note(mask&bits&^goneMask, bits)
	if mask&goneMask != 0 {
		return hal.ErrGone
	}
	return nil
}

// overdue leaves it to the dead-man to shut what could not be told to shut; out is held.
func (r *remoteRig) overdue(mask uint64) {
	for i, d := range r.deadline {
		if mask&(1<<i) != 0 && d > 0 {
			r.deadline[i] = r.now()
		}
	}
	select {
	case r.arm <- struct{}{}:
	default:
	}
}

// note keeps what was commanded and until when; out is held.
func (r *remoteRig) note(mask, bits uint64) {
	r.commanded = r.commanded&^mask | bits&mask
	now := r.now()
	armed := false
	for i := range r.deadline {
		bit := uint64(1) << i
		switch {
		case mask&bit == 0:
		case bits&bit == 0:
			r.deadline[i] = 0
		default:
			armed = armed || r.deadline[i] == 0
			r.deadline[i] = now + r.maxOpen[i]
		}
	}
	if armed {
		select {
		case r.arm <- struct{}{}:
		default:
		}
	}
}

// Commanded implements hal.Outputs.
func (r *remoteRig) Commanded() uint64 {
	r.out.Lock()
	defer r.out.Unlock()
	return r.commanded
}

// Bit implements hal.Outputs.
func (r *remoteRig) Bit(id string) (uint64, error) {
	if i := slices.Index(r.w.Valves, id); i >= 0 {
		return 1 << i, nil
	}
	return 0, refuse(r.w.Parts, id, hal.KindValve, hal.KindAgitator)
}

// Beat implements hal.Heart: at most one edge a heartbeat period.
func (r *remoteRig) Beat() error {
	r.out.Lock()
	defer r.out.Unlock()
	now := r.now()
	switch {
	case r.closed:
		return hal.ErrClosed
	case r.w.Heartbeat == 0 || now < r.nextBeat:
		return nil
	}
	r.nextBeat = now + r.w.Heartbeat
	return r.send(command{op: opBeat})
}

// Safe implements hal.Rig.
func (r *remoteRig) Safe(error) error {
	r.in.Lock()
	deadMask, open := r.snap.deadMask, r.snap.commanded
	r.in.Unlock()
	r.out.Lock()
	defer r.out.Unlock()
	if r.closed {
		return hal.ErrClosed
	}
	if err := r.send(command{op: opSafe}); err != nil {
		r.overdue(^uint64(0))
		return err
	}
	stays := (r.commanded | open) & deadMask // behind a chip that does not answer, also if it was told to shut before that was known
	r.note(^stays, 0)
	if stays != 0 {
		r.note(stays, stays)
		r.overdue(stays)
		return hal.ErrGone
	}
	return nil
}

// Close implements hal.Rig. It waits until the plant has let go of the lines, at most 200 ms.
func (r *remoteRig) Close() error {
	r.out.Lock()
	if r.closed {
		r.out.Unlock()
		return nil
	}
	r.closed = true
	r.commanded = 0
	clear(r.deadline)
	err := r.send(command{op: opClose})
	r.out.Unlock()
	close(r.stop)
	// The plant answers by closing; the reader ends then, or here. A connection that is open takes a deadline.
	_ = r.conn.SetReadDeadline(time.Now().Add(byeWait))
	r.wg.Wait()
	_ = r.conn.Close() // ends the owner's hold in any case
	if err != nil {
		return fmt.Errorf("close rig: %w", err)
	}
	return nil
}

// Health implements hal.Rig.
func (r *remoteRig) Health() []hal.Fault {
	if !r.answers() {
		return []hal.Fault{{Part: "plant", What: "the simulated hardware does not answer", Kind: hal.FaultGone}}
	}
	r.in.Lock()
	defer r.in.Unlock()
	var out []hal.Fault
	for i, c := range r.w.Chips {
		if i < 64 && r.snap.goneChips&(1<<i) != 0 {
			out = append(out, hal.Fault{Part: c, What: "the chip does not answer", Kind: hal.FaultGone})
		} else if i < 64 && r.snap.faulty&(1<<i) != 0 {
			out = append(out, hal.Fault{Part: c, What: "the chip lost its settings and was set up again", Kind: hal.FaultReset})
		} else if i < 64 && r.snap.slow&(1<<i) != 0 {
			out = append(out, hal.Fault{Part: c, What: "the chip answers late", Kind: hal.FaultSlow})
		}
	}
	return out
}
