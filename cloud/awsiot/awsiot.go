// Package awsiot imitates the part of AWS IoT Core that Fountain uses, closely enough that a unit, a stock MQTT client
// or an AWS SDK cannot tell. It reads the CloudFormation template the real cloud is deployed with and enforces it: IoT
// policies, the topic rule's SQL, the provisioning template.
//
//	unit ──TLS, own CA──► broker: limits, policy ──► reserved topics: provision, shadow
//	                                          └──► Basic Ingest ──► rules ──► Config.Deliver
//
// It composes its parts and imports cloud/store, sync/wire and internal packages besides them: broker (MQTT, identities,
// limits), shadow, provision, rules, policy (the language), stack (the template), authority. What must survive is in the
// store. PUBACK means that the rule engine has the message, never that it is stored, exactly as AWS says.
//
// Differences from AWS that are known and kept: no Device Defender, no custom authorisers, no MQTT over WebSocket.
package awsiot

import (
	"context"
	"log/slog"

	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/identity"
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
	// ConnectBurst is broker.Config's.
	ConnectBurst int

	Log *slog.Logger
}

// Core is the running imitation. Make it with New, feed it with Serve or ServeConn, end it with Close.
type Core struct {
	*broker.Broker
	shadows *shadow.Service
}

// New makes a Core. It serves nobody until Serve or ServeConn.
func New(cfg Config) (*Core, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := seed(context.Background(), cfg.Stack, cfg.Store); err != nil {
		return nil, err
	}
	who := identity.New(cfg.Store, cfg.Log)
	engine := &rules.Engine{Rules: cfg.Stack.Rules, Deliver: cfg.Deliver, Drop: cfg.DropAccepted, Match: broker.MatchFilter, Log: cfg.Log}
	b, err := broker.New(broker.Config{
		ARN: cfg.Stack.ARN, Authority: cfg.Authority, Store: cfg.Store,
		Policies: who.Policies, Ingest: engine.Ingest, Published: engine.Published,
		OnPresence: cfg.OnPresence, OnDenied: cfg.OnDenied, ConnectBurst: cfg.ConnectBurst, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	c := &Core{Broker: b, shadows: shadow.New(cfg.Store, b.Publish, cfg.Log)}
	b.Handle(c.shadows, provision.New(provision.Config{
		ARN: cfg.Stack.ARN, Authority: cfg.Authority, Store: cfg.Store, Hook: cfg.Hook, Log: cfg.Log,
		Kick:      func(thing string) { b.Kick(thing, broker.ReasonAuth) },
	}))
	return c, nil
}

// UpdateShadow changes a shadow on behalf of the cloud. state is the "state" object of an update request, for example
// {"desired":{…}}. Subscribed units see accepted, delta and documents as on AWS. It returns the new version.
func (c *Core) UpdateShadow(ctx context.Context, thing, name string, state []byte) (int64, error) {
	return c.shadows.SetState(ctx, thing, name, state)
}

// ReportedShadow returns the "reported" section of a shadow, "{}" when there is none.
func (c *Core) ReportedShadow(ctx context.Context, thing, name string) ([]byte, error) {
	return c.shadows.Reported(ctx, thing, name)
}
