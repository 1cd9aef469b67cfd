package sim

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/hal"
)

// A shut that finds the socket full (the plant was stopped for a while) is not lost: the dead-man goes on trying.
func TestShutIntoAFullSocket(t *testing.T) {
	for name, shut := range map[string]func(r *remoteRig, bit uint64) error{
		"apply": func(r *remoteRig, bit uint64) error { return r.Apply(bit, 0) },
		"safe":  func(r *remoteRig, _ uint64) error { return r.Safe(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, smallPlant(t, "small.yaml", true))
			rig, _, err := Dial(t.Context(), s.socket, hal.OwnerAgent)
			must(t, err)
			defer rig.Close()
			r := rig.(*remoteRig)
			bit := mustBit(t, r, "still")
			must(t, r.Apply(bit, bit))
			full := func(on bool) {
				r.out.Lock()
				defer r.out.Unlock()
				if r.write = r.writeOnce; on {
					r.write = func(uintptr) bool { r.wrote, r.writeErr = 0, unix.EAGAIN; return true }
				}
			}
			full(true)
			if err := shut(r, bit); err == nil {
				t.Error("a command that was not sent is no error")
			}
			time.Sleep(20 * time.Millisecond)
			full(false)
			for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				if v, _ := s.p.Valve("still"); !v.Commanded {
					break
				}
				if time.Now().After(end) {
					t.Fatal("the valve is still open: nobody tried again")
				}
			}
			if r.Commanded() != 0 {
				t.Errorf("commanded %b", r.Commanded())
			}
		})
	}
}
