package mqttlink

import (
	"context"
	"sync"
	"time"
)

// The quota counts messages of both directions, and breaking it loses messages (spec/awsiot.md 3). A link therefore
// keeps two buckets, messages and bytes, over all its connections, with two classes:
//
//	urgent   shadow, jobs, subscriptions: may empty the buckets
//	bulk     a drain: leaves the reserve alone, so an urgent message never waits behind it
//	arrived  what the service sends: is spent when it comes, whatever the bucket holds
const (
	messageBurst   = 10 // with the default rate at most 100 in any second
	messageReserve = 5
	byteBurst      = 64 * 1024 // likewise 512 KiB
	byteReserve    = 16 * 1024
)

type budget struct {
	messages bucket
	bytes    bucket
}

func newBudget(cfg Config) *budget {
	return &budget{
		messages: bucket{rate: cfg.MessageRate, burst: messageBurst, reserve: messageReserve, tokens: messageBurst, at: time.Now()},
		bytes:    bucket{rate: cfg.ByteRate, burst: byteBurst, reserve: byteReserve, tokens: byteBurst, at: time.Now()},
	}
}

// wait returns when a message of size bytes may go.
func (b *budget) wait(ctx context.Context, bulk bool, size int) error {
	if err := b.messages.wait(ctx, bulk, 1); err != nil {
		return err
	}
	return b.bytes.wait(ctx, bulk, float64(size))
}

// arrived takes note of a message from the service.
func (b *budget) arrived(size int) {
	b.messages.spend(1)
	b.bytes.spend(float64(size))
}

type bucket struct {
	rate    float64 // tokens a second
	burst   float64 // tokens it holds
	reserve float64 // tokens that bulk leaves in it

	mu     sync.Mutex // guards what follows
	tokens float64
	at     time.Time // when tokens was right
}

// wait takes n tokens when they are there.
func (b *bucket) wait(ctx context.Context, bulk bool, n float64) error {
	for {
		d := b.take(bulk, n)
		if d == 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// take takes n tokens, or says how long it takes until they are there. What is larger than the bucket goes when the
// bucket is full and leaves a debt.
func (b *bucket) take(bulk bool, n float64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	need := n
	if bulk {
		need += b.reserve
	}
	need = min(need, b.burst)
	if b.tokens >= need {
		b.tokens -= n
		return 0
	}
	return time.Duration((need-b.tokens)/b.rate*float64(time.Second)) + 1 // rounded up: never wait for nothing
}

// spend takes n tokens whether they are there or not. A flood leaves a debt of one second at most.
func (b *bucket) spend(n float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.tokens = max(b.tokens-n, min(b.tokens, -b.rate))
}

func (b *bucket) refill() {
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
}
