package agent

import (
	"log/slog"
	"time"

	"fountain/agent/api"
	"fountain/internal/logkey"
	"fountain/sync/mqttlink"
)

// States of the link, as api.Cloud tells them.
const (
	cloudOff          = "off"
	cloudProvisioning = "provisioning"
	cloudConnecting   = "connecting"
	cloudOnline       = "online"
	cloudOffline      = "offline"
	cloudLeft         = "decommissioned"
)

func (c *cloud) set(state string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.State = state
	if err != nil {
		if c.now.LastErr != err.Error() {
			c.a.log.Warn("cloud", slog.String(logkey.State, state), slog.Any(logkey.Err, err))
		}
		c.now.LastErr = err.Error()
	}
	close(c.change)
	c.change = make(chan struct{})
}

func (c *cloud) setLink(l *mqttlink.Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = l
	close(c.change)
	c.change = make(chan struct{})
}

// changed is closed at the next change of the link.
func (c *cloud) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		return c.link.Changed()
	}
	return c.change
}

func (c *cloud) status() api.Cloud {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.now
	s.Certificate, s.ValidUntil = c.cert, nil
	if !c.until.IsZero() {
		until := c.until.UTC()
		s.ValidUntil = &until
	}
	if c.link == nil {
		return s
	}
	l := c.link.State()
	s.Endpoint, s.Endpoints = l.Addr, l.Addrs
	s.State = map[mqttlink.Phase]string{mqttlink.Connecting: cloudConnecting, mqttlink.Online: cloudOnline, mqttlink.Offline: cloudOffline}[l.Phase]
	s.LastErr = l.LastErr
	if l.Phase == mqttlink.Online {
		s.LastErr = ""
	}
	return s
}

// confirmed notes that the cloud has confirmed records.
func (c *cloud) confirmed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.synced = time.Now()
}

// lastSync is when it last did; nil: not since the start.
func (c *cloud) lastSync() *time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.synced.IsZero() {
		return nil
	}
	at := c.synced.UTC()
	return &at
}

func (c *cloud) online() bool { return c.status().State == cloudOnline }

func (c *cloud) thing() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.name
}
