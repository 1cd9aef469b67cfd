package uplink

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// Pace is the rate of messages that the uplinks of a unit share. It is safe for concurrent use.
type Pace struct{ limiter *rate.Limiter }

// NewPace returns a pace of so many messages a second, 1 to 80 (sync.drain_rate); 0 means 10.
func NewPace(drainRate float64) (*Pace, error) {
	if drainRate == 0 {
		drainRate = 10
	}
	if drainRate < 1 || drainRate > 80 {
		return nil, fmt.Errorf("sync.drain_rate is %g messages a second: 1 to 80 are allowed", drainRate)
	}
	return &Pace{rate.NewLimiter(rate.Limit(drainRate), 8)}, nil // 8: a late wake-up catches up
}

// take takes the right to send one message, or says how long it takes until there is one.
func (p *Pace) take() time.Duration {
	res := p.limiter.Reserve()
	d := res.Delay()
	if d > 0 {
		res.Cancel()
	}
	return d
}

// Set changes the pace at once, within what NewPace allows.
func (p *Pace) Set(drainRate float64) error {
	next, err := NewPace(drainRate)
	if err == nil {
		p.limiter.SetLimit(next.limiter.Limit())
	}
	return err
}

// Wait returns when one more message may be sent.
func (p *Pace) Wait(ctx context.Context) error { return p.limiter.Wait(ctx) }
