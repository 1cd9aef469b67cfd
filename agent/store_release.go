package agent

import (
	"errors"
	"log/slog"
	"maps"

	"fountain/internal/logkey"
	"fountain/sync/uplink"
)

// errReleased ends a connection so that the next one sends what was released.
var errReleased = errors.New("records were released to be sent again")

// released says that records of a log were given back: its uplink has taken them for gone.
func (c *cloud) released(log string) {
	c.mu.Lock()
	c.again = append(c.again, log)
	c.mu.Unlock()
	wake(c.release)
}

// forgetReleased makes room for new uplinks of those logs. No uplink runs.
func (c *cloud) forgetReleased() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.release:
	default:
	}
	for _, log := range c.again {
		maps.DeleteFunc(c.uplinks, func(key [2]string, _ *uplink.Uplink) bool { return key[1] == log })
		delete(c.sources, log)
	}
	c.again = nil
}

// renewAhead begins a new log when the cloud has records of the current one that this unit never made: the directory is an
// old image of itself, and its next numbers are taken.
func (c *cloud) renewAhead(log string) {
	if log != c.a.store.Log() {
		return
	}
	if err := c.a.store.Renew(); err != nil {
		c.a.log.Error("begin a new log", slog.Any(logkey.Err, err))
		return
	}
	c.a.log.Warn("the cloud is ahead: a new log begins", slog.String(logkey.Log, c.a.store.Log()))
}
