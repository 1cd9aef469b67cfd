package screens

import (
	"time"

	"fountain/agent/api"
)

// How long a cup may be away after its drink before the visit is over. A person who is done walks away with a full one;
// one who only looks, stirs or swaps hands puts it back.
const (
	awayFull = 3 * time.Second
	awayRoom = 8 * time.Second
)

// The least that follows, µL: of an ordinary pour as the agent's limits have it, and of a top-off (recipe.TopOffMinUL).
const (
	leastPour   = 15_000
	leastTopOff = 2_000
)

// topOff is the agent's offer for the drink in its cup, with the moments that its milliseconds mean.
type topOff struct {
	id    string
	ul    int64
	foam  time.Time // until then foam settles
	until time.Time // so long the offer stands
}

// heard is the offer after a snapshot that came at now. The countdown of one offer never goes up: snapshots are late by
// more or less.
func (o topOff) heard(p *api.Pour, now time.Time) topOff {
	if p == nil || p.TopOffID == "" {
		return topOff{}
	}
	next := topOff{
		id: p.TopOffID, ul: p.TopOffUL,
		foam:  now.Add(time.Duration(p.FoamMS) * time.Millisecond),
		until: now.Add(time.Duration(p.TopOffMS) * time.Millisecond),
	}
	if o.id == next.id && o.ul == next.ul {
		if o.foam.Before(next.foam) {
			next.foam = o.foam
		}
		if o.until.Before(next.until) {
			next.until = o.until
		}
	}
	return next
}

// visit is what becomes of a cup after a pour, as pure rules. A pour of it may begin in last and room only.
//
//	pour ends ─► settling ─0 s─► last (top-off) ─► …      nothing fits, or nothing is left: served
//	                 └─────────► room (pour on) ─► …
//	     any ─cup away─► taken ─back─► as before
//	                       └─ awayFull, awayRoom ─► over: the screen goes home
type visit struct {
	offer topOff
	stood bool      // a cup was seen
	away  time.Time // since when it is gone; zero: it stands, or nobody can tell
}

type visitState uint8

const (
	served   visitState = iota
	settling            // foam: the dome waits
	last                // a top-off may follow
	room                // an ordinary pour may follow
	taken
	over
)

// serving is what the page shows of a visit.
type serving struct {
	state   visitState
	seconds int   // settling: the number on the screen, at least 1
	ul      int64 // last, room, settling: what may follow
	topOff  string
}

// heard is the visit after a snapshot that came at now. A cup that is away while its drink is poured is the agent's business.
func (v visit) heard(p *api.Pour, cup, pouring bool, now time.Time) visit {
	v.offer = v.offer.heard(p, now)
	switch {
	case cup:
		v.stood, v.away = true, time.Time{}
	case pouring:
		v.away = time.Time{}
	case v.stood && v.away.IsZero():
		v.away = now
	}
	return v
}

// at is what is so at now: leftUL more would fill the cup, and more tells whether the drink can still be poured.
func (v visit) at(now time.Time, leftUL int64, more bool) serving {
	s := serving{ul: leftUL}
	standing := v.offer.id != "" && now.Before(v.offer.until)
	switch {
	case !more:
	case standing && leftUL <= v.offer.ul && leftUL >= leastTopOff:
		s.state, s.topOff = last, v.offer.id
	case leftUL >= leastPour:
		s.state = room
	}
	if s.state != served && standing && now.Before(v.offer.foam) {
		s.state, s.seconds = settling, int((v.offer.foam.Sub(now)+time.Second-1)/time.Second)
	}
	if s.state == served {
		s.ul = 0
	}
	if !v.away.IsZero() {
		limit := awayRoom
		if s.state == served {
			limit = awayFull
		}
		s.state, s.seconds, s.topOff = taken, 0, ""
		if now.Sub(v.away) >= limit {
			s.state = over
		}
	}
	return s
}
