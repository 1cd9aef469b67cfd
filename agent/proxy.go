package agent

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"fountain/sync/mqttlink"
)

// dialer is how the unit gets to the cloud: as a test says, through the proxy that is configured, or directly (nil).
func (c *cloud) dialer() mqttlink.DialFunc {
	proxy := c.a.cfg.Config.Cloud.Proxy
	if c.a.deps.Dial != nil || proxy == "" {
		return c.a.deps.Dial
	}
	u, err := url.Parse(proxy)
	if err != nil { // checked by config
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, fmt.Errorf("read cloud.proxy: %w", err)
		}
	}
	return mqttlink.Proxy(u)
}
