// Package crash lets tests take the power away, and kill a process, at every moment that matters. Nothing outside tests
// imports it. It knows files and disks, not what is on them.
//
//	Watch        in a process of its own: each system call that changes a file stops before it happens, and the test
//	             says: go on, pretend, or kill. A seccomp filter with a listener; needs no root and no strace.
//	Files        the calls Watch saw, and the promises given in between ─► directories as a power cut may leave them
//	Disk         a block device (FUSE file under a loop device; root only) that keeps every write, flush and promise in order
//	Blocks       what Disk kept ─► disks as a power cut may leave them
//
// A power cut keeps everything before the last flush, and of what followed any part, in any order, torn at sectors of
// 512 bytes. Files is the model of a file system without a journal's favours: what was not flushed by a call on that very
// file or directory may be missing. Blocks is exact: the real file system replays its journal on the real image.
//
// The package owns no state; mounts and loop devices vanish with the process that made them.
package crash

import (
	"math/rand/v2"
)

// Sector is what a disk writes whole or not at all, in bytes.
const Sector = 512

// tear calls put for the sectors of b, written at off, that reached the disk before the cut. A write is torn only
// between sectors of the disk.
func tear(rnd *rand.Rand, off int64, b []byte, put func(off int64, b []byte)) {
	for len(b) > 0 {
		n := min(int64(len(b)), Sector-off%Sector)
		if rnd.IntN(2) == 0 {
			put(off, b[:n])
		}
		off, b = off+n, b[n:]
	}
}

// fate says what a cut does to one write that was not flushed.
type fate int

const (
	lost fate = iota
	torn
	kept
)

// fates draws fates with odds that differ from cut to cut: cuts that lose nearly all, and nearly nothing, happen too.
func fates(rnd *rand.Rand) func() fate {
	keep, half := rnd.Float64(), 0.3*rnd.Float64()
	return func() fate {
		switch x := rnd.Float64(); {
		case x < half:
			return torn
		case rnd.Float64() < keep:
			return kept
		}
		return lost
	}
}
