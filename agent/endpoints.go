package agent

import (
	"context"

	"fountain/sync/mqttlink"
)

// newList is a list of endpoints that has to prove itself before it counts.
type newList struct {
	mqtt  string
	reply func(error)
}

// tryLists tries new lists of endpoints by the link of a session. The link ends its connection for it, so this is no work
// of a connection.
func (c *cloud) tryLists(ctx context.Context, link *mqttlink.Link) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-c.lists:
			addrs, err := mqttlink.ParseAddrs(l.mqtt)
			if err == nil {
				err = link.Try(ctx, addrs)
			}
			if ctx.Err() != nil {
				return // it is asked again at the next connection
			}
			if err == nil {
				c.mu.Lock()
				c.at.MQTT = l.mqtt // the session goes on
				c.mu.Unlock()
			}
			l.reply(err)
		}
	}
}
