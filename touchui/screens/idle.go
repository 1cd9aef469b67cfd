package screens

import "time"

// IdleAfter is how long nobody touches before the screen returns to the start.
const IdleAfter = 60 * time.Second

// Idle is the rule of the idle return: never while a cup stands, a pour is active or a finger rests, and only
// IdleAfter after the last of these.
type Idle struct {
	busy time.Time // last moment something kept the screen
}

// Due reports whether the screen should return now, given what is so at now.
func (i *Idle) Due(now, lastTouch time.Time, cup, pouring, touching bool) bool {
	if cup || pouring || touching || i.busy.IsZero() {
		i.busy = now
	}
	if lastTouch.After(i.busy) {
		i.busy = lastTouch
	}
	return now.Sub(i.busy) >= IdleAfter
}
