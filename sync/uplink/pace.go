package uplink

import "context"

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
