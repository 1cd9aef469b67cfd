package uplink

import (
	"context"
	"errors"
)

// The cloud answers a message it does not like by closing the socket, and says no more. suspect finds the record
// that makes it do so and carries what is known from one connection to the next:
//
//	hang-up with messages in flight   the zone is everything that was in flight; from now on its batches go alone
//	batch of the zone acknowledged    the zone shrinks from below
//	batch hung up 3 times             the zone is that batch; half the size from here
//	single record hung up 8 times     quarantine, but only if another record was acknowledged on the same connection
//	                                  (a wrong rule or policy hangs up on every record: that is no record's fault)
//
// A bad line looks like a hang-up, too. Halving too early costs nothing; a record set aside does: on a line that takes
// every third message with it, 8 in a row happen to one record in 6,000 that are sent alone.
type suspect struct {
	first, last uint64 // the zone; last 0: nobody is suspected
	head        uint64 // first seq of the batch that hung up last
	hangups     int    // in a row with that head and size
	size        int    // most records in a batch of the zone; 0: as many as fit
	tries       int    // how many records were tried in vain for comparison
}

const (
	hangupLimit  = 3
	convictLimit = 8
)

func (s *suspect) active() bool { return s.last != 0 }

// touches says whether a batch reaches into the zone.
func (s *suspect) touches(first, last uint64) bool {
	return s.active() && first <= s.last && last >= s.first
}

// single says whether one record alone is left to judge.
func (s *suspect) single() bool {
	return s.active() && s.first == s.last && s.hangups >= hangupLimit
}

// passed takes note of an acknowledged batch.
func (s *suspect) passed(first, last uint64) {
	if !s.active() || first > s.first || last < s.first {
		return
	}
	s.first, s.head, s.hangups, s.tries = last+1, 0, 0, 0
	if s.first > s.last {
		*s = suspect{}
	}
}

// hungUp takes note of the batches that were in flight when the peer closed. It returns the seq to quarantine, if
// one is convicted. compared says whether another record was acknowledged on this connection.
func (s *suspect) hungUp(flight []*batch, compared bool) (guilty uint64) {
	if len(flight) == 0 {
		return 0
	}
	if len(flight) == 1 && flight[0].control {
		s.tries++
		return 0
	}
	first, last := flight[0].first(), flight[0].last()
	for _, b := range flight {
		first, last = min(first, b.first()), max(last, b.last())
	}
	if len(flight) > 1 || !s.touches(first, last) {
		if s.active() {
			first, last = min(first, s.first), max(last, s.last)
		}
		*s = suspect{first: first, last: last}
		if len(flight) > 1 {
			return 0
		}
	}
	b := flight[0]
	if s.head != b.first() {
		s.head, s.hangups = b.first(), 0
	}
	s.hangups++
	if s.hangups < hangupLimit {
		return 0
	}
	s.first, s.last = b.first(), b.last()
	if n := len(b.entries); n > 1 {
		s.size, s.hangups = n/2, 0
		return 0
	}
	if !compared || s.hangups < convictLimit {
		return 0
	}
	*s = suspect{}
	return b.first()
}

// hungUp says whether err means that the peer closed. A publisher whose errors do not tell is believed to mean it.
func hungUp(err error) bool {
	var h interface{ HungUp() bool }
	switch {
	case err == nil, errors.Is(err, errLost), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &h):
		return h.HungUp()
	}
	return true
}
