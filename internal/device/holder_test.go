//go:build linux

package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"fountain/hal"
	"fountain/hal/linux"
	"fountain/hal/rigfile"
)

// A holder is an owner of lines in a process of its own, so that it can be killed and stopped as a process. The suite
// calls its hal.Rig over a pipe.
//
//	haltest ──► remote (hal.Rig) ──net/rpc──► device.test -holder=OWNER ──► hal/linux

// sentinels are the errors whose identity has to cross the pipe.
var sentinels = []error{
	hal.ErrUnknownPart, hal.ErrNotOwner, hal.ErrBusy, hal.ErrClosed, hal.ErrGone, hal.ErrNoTag, hal.ErrForeign, hal.ErrUnreadable,
	hal.ErrNoReader, context.Canceled, context.DeadlineExceeded,
}

// fault is an error on the pipe.
type fault struct {
	Text string
	Is   []int // sentinels it wraps
}

func toFault(err error) (f fault) {
	if err == nil {
		return fault{}
	}
	f.Text = err.Error()
	for i, s := range sentinels {
		if errors.Is(err, s) {
			f.Is = append(f.Is, i)
		}
	}
	return f
}

func (f fault) err() error {
	if f.Text == "" {
		return nil
	}
	e := &remoteError{text: f.Text}
	for _, i := range f.Is {
		e.is = append(e.is, sentinels[i])
	}
	return e
}

type remoteError struct {
	text string
	is   []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.is }

// pipe is one end of the connection.
type pipe struct {
	io.Reader
	io.WriteCloser
}

// hold is the child: it opens the rig and serves it until its end.
func hold(owner, rig string) error {
	h := &Holder{ctx: context.Background()}
	rf, err := rigfile.Load(rig)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h.rig, _, err = linux.Open(h.ctx, rf, hal.Owner(owner), linux.WithLog(log))
	h.opened = toFault(err)
	s := rpc.NewServer()
	if err := s.Register(h); err != nil {
		return err
	}
	s.ServeConn(pipe{os.Stdin, os.Stdout})
	return nil
}

// Holder is what the child serves; exported for net/rpc.
type Holder struct {
	ctx    context.Context
	rig    hal.Rig
	opened fault
}

// Ask is a call's arguments, Answer its results.
type (
	Ask struct {
		ID         string
		Mask, Bits uint64
		N          int
		Every      time.Duration
		Canceled   bool
	}
	Answer struct {
		Err     fault
		Bits    uint64
		Count   hal.Count
		Locks   hal.Interlocks
		Tag     hal.Tag
		Reading hal.Reading
		Faults  []hal.Fault
		Parts   []hal.Part
	}
)

func (h *Holder) Opened(_ Ask, a *Answer) error { a.Err = h.opened; return nil }
func (h *Holder) Parts(_ Ask, a *Answer) error  { a.Parts = h.rig.Parts(); return nil }
func (h *Holder) Health(_ Ask, a *Answer) error { a.Faults = h.rig.Health(); return nil }
func (h *Holder) Close(_ Ask, a *Answer) error  { a.Err = toFault(h.rig.Close()); return nil }
func (h *Holder) Safe(_ Ask, a *Answer) error {
	a.Err = toFault(h.rig.Safe(errors.New("the test asks")))
	return nil
}

func (h *Holder) Apply(q Ask, a *Answer) error {
	a.Err = toFault(h.rig.Outputs().Apply(q.Mask, q.Bits))
	return nil
}

func (h *Holder) Commanded(_ Ask, a *Answer) error { a.Bits = h.rig.Outputs().Commanded(); return nil }

func (h *Holder) Beat(_ Ask, a *Answer) error {
	if heart, ok := h.rig.(hal.Heart); ok {
		a.Err = toFault(heart.Beat())
	}
	return nil
}

func (h *Holder) Bit(q Ask, a *Answer) error {
	bit, err := h.rig.Outputs().Bit(q.ID)
	a.Bits, a.Err = bit, toFault(err)
	return nil
}

func (h *Holder) Count(q Ask, a *Answer) error {
	m, err := h.rig.Meter(q.ID)
	if a.Err = toFault(err); err == nil {
		a.Count = m.Count()
	}
	return nil
}

func (h *Holder) pump(q Ask, a *Answer, f func(hal.Pump) error) error {
	p, err := h.rig.Pump(q.ID)
	if err == nil {
		err = f(p)
	}
	a.Err = toFault(err)
	return nil
}

func (h *Holder) Dose(q Ask, a *Answer) error {
	return h.pump(q, a, func(p hal.Pump) error { return p.Dose(q.N, q.Every) })
}

func (h *Holder) Stop(q Ask, a *Answer) error { return h.pump(q, a, hal.Pump.Stop) }

func (h *Holder) Delivered(q Ask, a *Answer) error {
	return h.pump(q, a, func(p hal.Pump) error { a.Bits = p.Delivered(); return nil })
}

func (h *Holder) Interlocks(_ Ask, a *Answer) error {
	il, err := h.rig.Interlocks().Now()
	a.Locks, a.Err = il, toFault(err)
	return nil
}

func (h *Holder) Slot(q Ask, a *Answer) error {
	_, err := h.rig.Slot(q.ID)
	a.Err = toFault(err)
	return nil
}

func (h *Holder) Tag(q Ask, a *Answer) error {
	s, err := h.rig.Slot(q.ID)
	if err == nil {
		ctx, cancel := context.WithTimeout(h.ctx, 5*time.Second)
		defer cancel()
		if q.Canceled {
			cancel()
		}
		a.Tag, err = s.Tag(ctx)
	}
	a.Err = toFault(err)
	return nil
}

func (h *Holder) Sensor(q Ask, a *Answer) error {
	s, err := h.rig.Sensor(q.ID)
	if a.Err = toFault(err); err == nil {
		a.Reading = s.Read()
	}
	return nil
}

// remote is the suite's side.
type remote struct {
	t   *testing.T
	c   *rpc.Client
	cmd *exec.Cmd
}

var (
	_ hal.Rig   = (*remote)(nil)
	_ hal.Heart = (*remote)(nil)
)

// openRemote starts a holder. Its process ends with the test at the latest.
func openRemote(t *testing.T, rig string, owner hal.Owner) (*remote, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-holder="+string(owner), "-rig="+rig)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &remote{t: t, c: rpc.NewClient(pipe{out, in}), cmd: cmd}
	t.Cleanup(r.kill)
	if err := r.ask("Opened", Ask{}).Err.err(); err != nil {
		r.kill()
		return nil, err
	}
	return r, nil
}

// kill ends the process as kill -9 does and waits until the kernel has taken its lines back.
func (r *remote) kill() {
	_ = r.cmd.Process.Kill() // may be dead
	_ = r.cmd.Wait()         // and waited for
	_ = r.c.Close()
}

func (r *remote) signal(s syscall.Signal) {
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Errorf("%v: %v", s, err)
	}
}

func (r *remote) ask(method string, q Ask) (a Answer) {
	if err := r.c.Call("Holder."+method, q, &a); err != nil {
		a.Err = fault{Text: fmt.Sprintf("call %s: %v", method, err)}
	}
	return a
}

func (r *remote) Parts() []hal.Part             { return r.ask("Parts", Ask{}).Parts }
func (r *remote) Outputs() hal.Outputs          { return r }
func (r *remote) Interlocks() hal.InterlockBank { return remoteLocks{r} }
func (r *remote) Health() []hal.Fault           { return r.ask("Health", Ask{}).Faults }
func (r *remote) Safe(error) error              { return r.ask("Safe", Ask{}).Err.err() }
func (r *remote) Close() error                  { return r.ask("Close", Ask{}).Err.err() }
func (r *remote) Commanded() uint64             { return r.ask("Commanded", Ask{}).Bits }
func (r *remote) Apply(mask, bits uint64) error {
	return r.ask("Apply", Ask{Mask: mask, Bits: bits}).Err.err()
}

func (r *remote) Bit(id string) (uint64, error) {
	a := r.ask("Bit", Ask{ID: id})
	return a.Bits, a.Err.err()
}

func (r *remote) Meter(id string) (hal.FlowMeter, error) {
	return remoteMeter{r, id}, r.ask("Count", Ask{ID: id}).Err.err()
}

func (r *remote) Pump(id string) (hal.Pump, error) {
	return remotePump{r, id}, r.ask("Delivered", Ask{ID: id}).Err.err()
}

func (r *remote) Slot(id string) (hal.CartridgeSlot, error) {
	return remoteSlot{r, id}, r.ask("Slot", Ask{ID: id}).Err.err()
}

func (r *remote) Sensor(id string) (hal.Sensor, error) {
	return remoteSensor{r, id}, r.ask("Sensor", Ask{ID: id}).Err.err()
}

func (r *remote) Beat() error { return r.ask("Beat", Ask{}).Err.err() }

type remoteLocks struct{ r *remote }

func (l remoteLocks) Now() (hal.Interlocks, error) {
	a := l.r.ask("Interlocks", Ask{})
	return a.Locks, a.Err.err()
}

type remoteMeter struct {
	r  *remote
	id string
}

func (m remoteMeter) Count() hal.Count { return m.r.ask("Count", Ask{ID: m.id}).Count }

type remotePump struct {
	r  *remote
	id string
}

func (p remotePump) Dose(n int, every time.Duration) error {
	return p.r.ask("Dose", Ask{ID: p.id, N: n, Every: every}).Err.err()
}
func (p remotePump) Delivered() uint64 { return p.r.ask("Delivered", Ask{ID: p.id}).Bits }
func (p remotePump) Stop() error       { return p.r.ask("Stop", Ask{ID: p.id}).Err.err() }

type remoteSlot struct {
	r  *remote
	id string
}

func (s remoteSlot) Tag(ctx context.Context) (hal.Tag, error) {
	a := s.r.ask("Tag", Ask{ID: s.id, Canceled: ctx.Err() != nil})
	return a.Tag, a.Err.err()
}

type remoteSensor struct {
	r  *remote
	id string
}

func (s remoteSensor) Read() hal.Reading { return s.r.ask("Sensor", Ask{ID: s.id}).Reading }
