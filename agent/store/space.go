package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// Room on the disk. A pour is never dropped; what makes room for it goes in this order:
//
//	free ≥ low        ok         nothing
//	free < low        low        shedders for low, in their order: caches, then logs
//	free < critical   critical   shedders for critical too, then the ballast: pours and acknowledgements still fit
//	free < PourRoom, no ballast  no pour begins: PutIntent refuses, before a valve has opened
const (
	LowSpace      = 64 << 20 // bytes free, or 2 % of the partition if that is more
	CriticalSpace = 16 << 20
	lowShare      = 50      // of the partition: one of so many parts
	Ballast       = 8 << 20 // a file that holds nothing, to be deleted when nothing else is left
	BallastSpace  = 4 << 20 // free, below which it is
	PourRoom      = 1 << 20 // what an intent, its record, an acknowledgement and a new segment may need
)

const ballastFile = "ballast"

// SpaceState is how much room is left.
type SpaceState string

// States.
const (
	SpaceOK       SpaceState = "ok"
	SpaceLow      SpaceState = "low"
	SpaceCritical SpaceState = "critical"
)

// Space is the room on the disk of the directory.
type Space struct {
	State    SpaceState
	Free     uint64 // bytes, beside the ballast
	Size     uint64 // of the partition; 0: not known, and then State is ok
	Ballast  bool   // it is in place
	Refusing bool   // no pour begins
}

// Shedder gives up something that is less worth than a pour.
type Shedder struct {
	Name string
	At   SpaceState // SpaceLow or SpaceCritical: from when on
	Shed func(context.Context) error
}

// Shed is what a Shedder brought.
type Shed struct {
	Name  string
	Freed uint64 // bytes
	Err   error
}

// Space measures the room there is.
func (s *Store) Space() Space {
	free, size, err := s.o.Statfs(s.dir)
	if err != nil || size == 0 {
		return Space{State: SpaceOK}
	}
	sp := Space{State: SpaceOK, Free: free, Size: size, Ballast: s.ballast.Load()}
	switch {
	case free < s.o.CriticalSpace:
		sp.State = SpaceCritical
	case free < max(s.o.LowSpace, size/lowShare):
		sp.State = SpaceLow
	}
	sp.Refusing = !sp.Ballast && free < PourRoom
	return sp
}

// MakeRoom gives up what it has to, in the order given, and puts the ballast in place when there is plenty. It yields
// before every step. It is called every few seconds, by one goroutine.
func (s *Store) MakeRoom(ctx context.Context, shedders []Shedder) (Space, []Shed, error) {
	var done []Shed
	sp := s.Space()
	for _, x := range shedders {
		if sp.State == SpaceOK || x.At == SpaceCritical && sp.State != SpaceCritical {
			continue
		}
		if err := s.yield(ctx); err != nil {
			return sp, done, err
		}
		err := x.Shed(ctx)
		now := s.Space()
		if now.Free > sp.Free || err != nil {
			done = append(done, Shed{Name: x.Name, Freed: now.Free - min(sp.Free, now.Free), Err: err})
		}
		sp = now
	}
	if sp.Size == 0 || s.o.Ballast <= 0 {
		return sp, done, nil
	}
	switch {
	case sp.Ballast && sp.Free < BallastSpace:
		err := s.dropBallast()
		return s.Space(), done, err
	case !sp.Ballast && sp.Free >= s.o.CriticalSpace+2*uint64(s.o.Ballast):
		if err := s.yield(ctx); err != nil {
			return sp, done, err
		}
		err := s.takeBallast()
		return s.Space(), done, err
	}
	return sp, done, nil
}

func (s *Store) takeBallast() error {
	path := filepath.Join(s.dir, ballastFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("reserve room: %w", err)
	}
	err = allocate(f, s.o.Ballast)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("reserve room: %w", errors.Join(err, s.dropBallast()))
	}
	s.ballast.Store(true)
	return nil
}

func (s *Store) dropBallast() error {
	s.ballast.Store(false)
	if err := os.Remove(filepath.Join(s.dir, ballastFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("release reserved room: %w", err)
	}
	return atomicfile.SyncDir(s.dir)
}

// findBallast looks at what an earlier process left.
func (s *Store) findBallast() {
	st, err := os.Stat(filepath.Join(s.dir, ballastFile))
	s.ballast.Store(err == nil && st.Size() > 0)
}

// releaseForPour gives up the ballast if there is no room without it; true says that it did.
func (s *Store) releaseForPour() bool {
	if sp := s.Space(); !sp.Ballast || sp.Free >= PourRoom {
		return false
	}
	return s.dropBallast() == nil
}

// roomForPour refuses a pour that could not be recorded.
func (s *Store) roomForPour() error {
	if s.releaseForPour() || !s.Space().Refusing {
		return nil
	}
	return &problem.Problem{
		Code: problem.CodeNotWritable, Where: s.dir, What: "the disk has no room to record another pour", Retry: true,
		Remedy: "connect the unit so that its pours can leave, or free space on the data partition",
	}
}

// withRoom runs a write, and once more if it failed for want of room and the ballast could be given up.
func (s *Store) withRoom(write func() error) error {
	err := write()
	if err != nil && s.releaseForPour() {
		err = write()
	}
	return err
}
