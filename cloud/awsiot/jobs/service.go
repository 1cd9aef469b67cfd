package jobs

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"fountain/cloud/awsiot/throttle"
	"fountain/cloud/store"
)

// requestsPerSecond bounds each of the four requests of units over the whole account (service quotas).
const requestsPerSecond = 200

// Config of a Service.
type Config struct {
	ARN   string // "arn:aws:iot:REGION:ACCOUNT:"
	Store store.Jobs
	Fleet Fleet
	// Presign makes the URLs of placeholders. Nil leaves them as they are.
	Presign Presigner
	// Source reads the document of a job made with documentSource. The error is fs.ErrNotExist when there is none. Nil
	// refuses such jobs.
	Source func(ctx context.Context, bucket, key string) ([]byte, error)
	// Publish tells subscribers.
	Publish func(topic string, payload []byte)
	// Events says which events are wanted: of jobs, and of executions. Nil: none.
	Events func(ctx context.Context) (jobs, executions bool, err error)
	// RequestRate bounds each kind of a unit's requests, all units together, in a second. 0 means AWS's 200.
	RequestRate int
	Log         *slog.Logger // nil discards
}

// Service answers job requests. Make it with New; it is safe for concurrent use. Run drives what the clock does.
type Service struct {
	cfg   Config
	gate  *throttle.Gate // by kind of request
	wake  chan struct{}  // one is enough: Run looks for everything
	locks throttle.Locks // order answers and notifications
}

// New makes a Service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Fleet == nil || cfg.Publish == nil {
		return nil, errors.New("make job service: Store, Fleet and Publish are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.RequestRate == 0 {
		cfg.RequestRate = requestsPerSecond
	}
	return &Service{cfg: cfg, gate: throttle.New(cfg.RequestRate, math.MaxInt), wake: make(chan struct{}, 1)}, nil
}
