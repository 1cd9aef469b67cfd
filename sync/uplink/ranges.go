package uplink

import (
	"cmp"
	"slices"
)

// ranges is a set of seqs as sorted, disjoint, inclusive ranges. Damage leaves few long gaps, so it stays short.
type ranges [][2]uint64

func (r *ranges) add(from, to uint64) {
	if from > to {
		return
	}
	out := make(ranges, 0, len(*r)+1)
	for _, x := range *r {
		if x[1]+1 < from || to+1 < x[0] {
			out = append(out, x)
			continue
		}
		from, to = min(from, x[0]), max(to, x[1])
	}
	out = append(out, [2]uint64{from, to})
	slices.SortFunc(out, func(a, b [2]uint64) int { return cmp.Compare(a[0], b[0]) })
	*r = out
}

// end returns the last seq of the range that holds seq.
func (r ranges) end(seq uint64) (uint64, bool) {
	for _, x := range r {
		if seq >= x[0] && seq <= x[1] {
			return x[1], true
		}
	}
	return 0, false
}

func (r ranges) has(seq uint64) bool { _, ok := r.end(seq); return ok }

// trim forgets what lies at or below upto.
func (r *ranges) trim(upto uint64) {
	*r = slices.DeleteFunc(*r, func(x [2]uint64) bool { return x[1] <= upto })
}
