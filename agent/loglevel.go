package agent

import (
	"log/slog"
	"sync"
	"time"
)

// logLevel is how much is logged: as configured, or for a time as somebody far away asked for.
type logLevel struct {
	mu    sync.Mutex
	v     *slog.LevelVar
	base  slog.Level
	timer *time.Timer // of what was asked for; nil: as configured
}

func newLogLevel(v *slog.LevelVar) *logLevel {
	if v == nil { // nobody listens, in tests
		v = new(slog.LevelVar)
	}
	return &logLevel{v: v, base: v.Level()}
}

// configured follows the configuration; what somebody asked for meanwhile goes on until its time is up.
func (l *logLevel) configured(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	level, ok := levels[name]
	if !ok {
		return // an empty one is the default
	}
	l.base = level
	if l.timer == nil {
		l.v.Set(level)
	}
}

// ask logs at a level for a time, then as configured again.
func (l *logLevel) ask(level slog.Level, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.v.Set(level)
	var own *time.Timer
	own = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.timer == own { // else somebody has asked again meanwhile
			l.timer = nil
			l.v.Set(l.base)
		}
	})
	l.timer = own
}
