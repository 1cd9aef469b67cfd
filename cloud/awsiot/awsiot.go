// Package awsiot imitates the part of AWS IoT Core that Fountain uses, closely enough that a unit, a stock MQTT client
// or an AWS SDK cannot tell. It reads the CloudFormation template the real cloud is deployed with and enforces it: IoT
// policies, the topic rule's SQL, the provisioning template.
//
//	unit ──TLS, own CA──► broker: limits, policy ──► reserved topics: provision, shadow, jobs
//	                                          └──► Basic Ingest ──► rules ──► Config.Deliver
//
// It composes its parts and imports cloud/store, sync/wire and internal packages besides them: broker (MQTT, identities,
// limits), control (HTTP), shadow, jobs, objects, provision, rules, identity, policy (the language), stack (the template),
// authority. What must survive is in the store. PUBACK means that the rule engine has the message, never that it is stored,
// exactly as AWS says.
//
// Differences from AWS that are known and kept: no Device Defender, no custom authorisers, no MQTT over WebSocket.
package awsiot

import (
	"context"
	"errors"
	"log/slog"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/identity"
	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/awsiot/objects"
	"fountain/cloud/awsiot/provision"
	"fountain/cloud/awsiot/rules"
	"fountain/cloud/awsiot/shadow"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
)

// Store is what the imitation keeps.
type Store interface {
	store.Registry
	store.Shadows
	store.Jobs
	store.RetainedMessages
}

// Presence is a unit that came or went.
type Presence = broker.Presence

// QueueMessage is a rule's result for a queue.
type QueueMessage = rules.Message

// Config of a Core.
type Config struct {
	Stack     *stack.Stack
	Authority *authority.Authority
	Store     Store

	// Deliver takes what a rule's SQS action sends. It may block: the publisher then waits for its PUBACK. An error
	// closes the publisher's connection before PUBACK.
	Deliver func(ctx context.Context, m QueueMessage) error
	// Hook decides who may claim. Nil means provision.ClaimOnce.
	Hook provision.Hook
	// OnPresence is called in order for one thing; it must not block for long. May be nil.
	OnPresence func(Presence)
	// DropAccepted is a test seam: a message for which it returns true is acknowledged and then lost, which AWS is
	// allowed to do. Nil in production.
	DropAccepted func(rule, topic string) bool
	// OnDenied is a test seam: it is told the reason of every connection this side closes. May be nil.
	OnDenied func(clientID, reason string)
	// Objects serves what job documents point at. Nil leaves their placeholders as they are.
	Objects *objects.Store
	// ConnectBurst is broker.Config's.
	ConnectBurst int

	Log *slog.Logger
}

// Core is the running imitation. Make it with New, feed it with Serve or ServeConn, end it with Close.
type Core struct {
	*broker.Broker
	cfg       Config
	who       *identity.Source
	rules     *rules.Engine
	shadows   *shadow.Service
	jobs      *jobs.Service
	provision *provision.Service
	stop      func() // ends what the clock drives, and waits
}

// New makes a Core. It serves nobody until Serve or ServeConn.
func New(cfg Config) (*Core, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := seed(context.Background(), cfg.Stack, cfg.Store); err != nil {
		return nil, err
	}
	who := identity.New(cfg.Store, cfg.Stack.ARN, cfg.Log)
	engine := &rules.Engine{Rules: cfg.Stack.Rules, Deliver: cfg.Deliver, Drop: cfg.DropAccepted, Match: broker.MatchFilter, Log: cfg.Log}
	b, err := broker.New(broker.Config{
		ARN: cfg.Stack.ARN, Authority: cfg.Authority, Store: cfg.Store,
		Policies: who.Policies, Ingest: engine.Ingest, Published: engine.Published,
		OnPresence: cfg.OnPresence, OnDenied: cfg.OnDenied, ConnectBurst: cfg.ConnectBurst, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	engine.Republish = func(topic string, qos byte, payload []byte) error {
		return b.Inject(context.Background(), "", broker.Message{Topic: topic, QoS: qos, Payload: payload})
	}
	c := &Core{Broker: b, cfg: cfg, who: who, rules: engine, shadows: shadow.New(shadow.Config{Store: cfg.Store, Publish: b.Publish, Log: cfg.Log})}
	if err := c.startJobs(cfg); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	c.provision = provision.New(provision.Config{
		ARN: cfg.Stack.ARN, Authority: cfg.Authority, Store: cfg.Store, Hook: cfg.Hook, Log: cfg.Log,
		Kick:    func(thing string) { b.Kick(thing, broker.ReasonAuth) },
		Refresh: b.Refresh,
	})
	engine.Invoke = func(ctx context.Context, _ string, event []byte) error { return c.provision.Lifecycle(ctx, event) }
	b.Handle(c.shadows, c.jobs, c.provision)
	return c, nil
}

// startJobs makes the job service and lets its clock run until Close.
func (c *Core) startJobs(cfg Config) (err error) {
	j := jobs.Config{ARN: cfg.Stack.ARN, Store: cfg.Store, Fleet: jobs.Registered{Store: cfg.Store}, Publish: c.Publish, Log: cfg.Log}
	j.Events = func(ctx context.Context) (jobs, executions bool, err error) {
		_, wanted, err := store.Events(ctx, cfg.Store)
		return wanted[store.EventsJob], wanted[store.EventsExecution], err
	}
	if cfg.Objects != nil {
		j.Presign, j.Source = cfg.Objects, cfg.Objects.Read
	}
	if c.jobs, err = jobs.New(j); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.jobs.Run(ctx) // ends without an error when ctx does
	}()
	c.stop = func() { cancel(); <-done }
	return nil
}

// Close ends every connection and listener and what the clock drives, and waits for them.
func (c *Core) Close() error {
	c.stop()
	return c.Broker.Close()
}

// RuleCounts returns the figures of every rule that ran or was asked for, by name.
func (c *Core) RuleCounts() map[string]rules.Counts { return c.rules.Counts() }

// Jobs is the job service, for REST.
func (c *Core) Jobs() *jobs.Service { return c.jobs }

// Shadows is the shadow service, for REST.
func (c *Core) Shadows() *shadow.Service { return c.shadows }

// UpdateShadow changes a shadow on behalf of the cloud. state is the "state" object of an update request, for example
// {"desired":{…}}. Subscribed units see accepted, delta and documents as on AWS. It returns the new version.
func (c *Core) UpdateShadow(ctx context.Context, thing, name string, state []byte) (int64, error) {
	return c.shadows.SetState(ctx, thing, name, state)
}

// ReportedShadow returns the "reported" section of a shadow, "{}" when there is none.
func (c *Core) ReportedShadow(ctx context.Context, thing, name string) ([]byte, error) {
	return c.shadows.Reported(ctx, thing, name)
}
