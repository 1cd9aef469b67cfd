package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/sync/errgroup"

	"fountain/cloud/awsiot/awsiottest"
	"fountain/sync/mqttlink"
	"fountain/sync/shadow"
	"fountain/sync/uplink"
	"fountain/sync/wire"
)

// serve is the work on one connection: an uplink for every log, and the recall shadow followed.
func (u *unit) serve(ctx context.Context, conn *mqttlink.Conn, shadows *shadow.Mux, ups map[string]*uplink.Uplink, pace *uplink.Pace) error {
	recall, err := shadows.Client(wire.RecallShadow)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return u.follow(ctx, recall) })
	g.Go(func() error {
		served := map[string]bool{}
		for {
			for _, p := range u.all() {
				if served[p.name] {
					continue
				}
				ledger, err := shadows.Client(wire.LedgerShadow)
				if err != nil {
					return err
				}
				if ups[p.name] == nil {
					up, err := uplink.New(uplink.Config{
						Thing: u.id.Thing, Rule: awsiottest.Rule, Pace: pace, LedgerInterval: u.w.interval, Gate: &u.busy,
						Keeps: func(string) bool { return true },
					}, p)
					if err != nil {
						return err
					}
					ups[p.name] = up
				}
				served[p.name] = true
				up := ups[p.name]
				g.Go(func() error { return up.Serve(ctx, conn.Bulk(), ledger) })
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(2 * time.Second):
			}
		}
	})
	return g.Wait()
}

// follow keeps to the recall shadow: by get on connect, by delta from then on.
func (u *unit) follow(ctx context.Context, recall *shadow.Client) error {
	doc, err := recall.Get(ctx)
	var refused *wire.ShadowError
	switch {
	case errors.As(err, &refused) && refused.Code == wire.ShadowNotFound:
	case err != nil:
		return err
	default:
		u.recalled(doc.State.Desired)
	}
	for {
		d, err := recall.Next(ctx)
		if err != nil {
			return err
		}
		u.recalled(d)
	}
}

func (u *unit) recalled(state []byte) {
	var s struct {
		N int `json:"n"`
	}
	if json.Unmarshal(state, &s) == nil {
		u.mu.Lock()
		u.recall = s.N
		u.mu.Unlock()
	}
}

// gate is shut while a pour is active.
type gate struct{ pouring atomic.Bool }

func (g *gate) Idle(ctx context.Context) error {
	for g.pouring.Load() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

// naive brings a log up the way others do: one message at a time, off the log when the client says it was delivered.
// The judge has to catch it.
func (u *unit) naive(ctx context.Context) {
	if u.w.how == pahosWay {
		u.paho(ctx)
		return
	}
	cfg := u.config(u.id.Thing, u.cert)
	cfg.Dial = u.dial
	link, err := mqttlink.New(cfg)
	u.w.cloud.must(err)
	link.Handle("outbox", func(ctx context.Context, c *mqttlink.Conn) error {
		return u.outbox(ctx, func(topic string, payload []byte) error { return c.Publish(ctx, topic, 1, payload) })
	})
	if err := link.Run(ctx); err != nil {
		u.w.t.Error(err)
	}
}

func (u *unit) outbox(ctx context.Context, publish func(topic string, payload []byte) error) error {
	for {
		p := u.current()
		got, _ := p.Read(p.Acked()+1, 5, 4000) // never fails
		if len(got) == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
			continue
		}
		var bodies [][]byte
		for _, e := range got {
			bodies = append(bodies, e.Body)
		}
		if err := publish(wire.BasicIngest(awsiottest.Rule, u.id.Thing), wire.AppendBatch(nil, bodies...)); err != nil {
			return err
		}
		if err := p.SetAcked(got[len(got)-1].Seq); err != nil {
			return err
		}
	}
}

// paho sends with paho's defaults: it reconnects by itself and completes tokens when it does.
func (u *unit) paho(ctx context.Context) {
	o := mqtt.NewClientOptions().AddBroker("tcp://localhost:8883").SetClientID(u.id.Thing)
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return u.dial(ctx, "", "") })
	c := mqtt.NewClient(o)
	defer c.Disconnect(0)
	for token := c.Connect(); token.Wait() && token.Error() != nil && ctx.Err() == nil; token = c.Connect() {
		time.Sleep(time.Second)
	}
	_ = u.outbox(ctx, func(topic string, payload []byte) error { // ends with ctx
		for {
			token := c.Publish(topic, 1, false, payload)
			select {
			case <-token.Done():
				if token.Error() == nil {
					return nil
				}
			case <-time.After(time.Minute): // it does not always complete
			case <-ctx.Done():
				return ctx.Err()
			}
			time.Sleep(time.Second)
		}
	})
}
