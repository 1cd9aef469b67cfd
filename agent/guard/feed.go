package guard

import (
	"log/slog"
	"time"

	"fountain/internal/logkey"
)

// Dog is the kernel's watchdog: the machine resets when it is not fed. *linux.Watchdog is the real one.
type Dog interface{ Feed() error }

// Resets keeps the count of the resets the guard let happen; *Ledger is the real one. Neither method blocks.
type Resets interface {
	// Ask wants leave for one more reset. The answer comes when it is on the disk.
	Ask()
	// Answer tells what became of the newest Ask; done is false while it is not known.
	Answer() (granted, done bool)
}

const (
	feedEvery = 500 * time.Millisecond // a quarter of the shortest timeout a rig file may have
	downLimit = 10 * time.Minute       // an agent that is down for longer needs a reset
	askEvery  = time.Hour              // a refusal is for today: the next day has resets again
)

// feeder is the rule of the watchdog.
//
//	up ──agent silent for downLimit──► asked ──granted──► starving (no food: the machine resets)
//	 ▲                                 ▲ └────refused───► spent    (fed on; told once)
//	 │                                 └───after askEvery───┘
//	 └─────────── a beat, from any state
//
// Besides, there is no food while MASTER is neither commanded shut nor leased.
type feeder struct {
	dog    Dog
	resets Resets // nil: a silent agent resets nothing
	log    *slog.Logger

	state  feedState
	seen   time.Duration // last beat, or the start
	fed    time.Duration
	askAt  time.Duration // spent: when to ask again
	told   bool          // that no reset is left
	hungry bool          // the last Feed failed
}

type feedState uint8

const (
	up feedState = iota
	asked
	starving
	spent
)

func newFeeder(dog Dog, resets Resets, log *slog.Logger, now time.Duration) *feeder {
	return &feeder{dog: dog, resets: resets, log: log, seen: now, fed: now - feedEvery}
}

// turn runs once in every turn of the guard's loop. beaten says that the agent beat since the last one, safe that MASTER
// is commanded shut or leased.
func (f *feeder) turn(now time.Duration, beaten, safe bool) {
	if f == nil || f.dog == nil {
		return
	}
	if beaten {
		if f.state == starving {
			f.log.Warn("the agent is back: watchdog is fed again")
		}
		f.seen, f.state, f.told = now, up, false
	}
	switch {
	case f.state == up && f.resets != nil && now-f.seen > downLimit, f.state == spent && now >= f.askAt:
		f.state = asked
		f.resets.Ask()
	case f.state == asked:
		f.answered(now)
	}
	if safe && f.state != starving && now-f.fed >= feedEvery {
		f.feed(now)
	}
}

func (f *feeder) answered(now time.Duration) {
	granted, done := f.resets.Answer()
	switch {
	case !done:
	case granted:
		f.state = starving
		f.log.Error("agent is down: the watchdog resets the machine", slog.Duration("silent", now-f.seen))
	default:
		f.state, f.askAt = spent, now+askEvery
		if f.told {
			return
		}
		f.told = true
		f.log.Error("agent is down, and the machine has been reset for it as often as it may be today: it stays up",
			slog.Duration("silent", now-f.seen), slog.Int(logkey.Count, maxResets))
	}
}

func (f *feeder) feed(now time.Duration) {
	err := f.dog.Feed()
	if (err != nil) != f.hungry {
		f.hungry = err != nil
		if f.hungry {
			f.log.Error("watchdog cannot be fed", slog.Any(logkey.Err, err))
		} else {
			f.log.Info("watchdog is fed again")
		}
	}
	f.fed = now
}

// unfed tells that there is a watchdog and that its food does not arrive.
func (f *feeder) unfed() bool { return f != nil && f.dog != nil && f.hungry }
