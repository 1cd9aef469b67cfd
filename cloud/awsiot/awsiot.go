// Package awsiot imitates the part of AWS IoT Core that Fountain uses, closely enough that a unit, a stock MQTT client
// or an AWS SDK cannot tell. It reads the CloudFormation template the real cloud is deployed with and enforces it: IoT
// policies, the topic rule's SQL, the provisioning template.
//
//	unit ──TLS, own CA──► session ──► mochi ──► hook: limits, policy ──► reserved topics: provisioning, shadows
//	                                                                └──► Basic Ingest ──► rule SQL ──► Config.Deliver
//
// It may import cloud/store, sync/wire, internal packages and mochi (nobody else may). The Broker owns sessions and
// shadows; what must survive is in the store. PUBACK means that the rule engine has the message, never that it is
// stored, exactly as AWS says.
//
// Differences from AWS that are known and kept: no MQTT 5 topic aliases, no Jobs, no Device Defender, no HTTPS
// endpoint, no lifecycle topics (Config.OnPresence instead). Topic, filter and size violations close the connection
// without a word; the reason is in the log.
package awsiot

import (
	"context"
	"log/slog"
	"net"
	"time"

	"fountain/cloud/store"
)

// Store is what the broker keeps.
type Store interface {
	store.Registry
	store.Shadows
}

// Presence is a unit that came or went. It is only told for connections whose client id is their thing's name.
type Presence struct {
	Thing  string
	Online bool
	At     time.Time
	Reason string // as AWS names it, for Online false: CONNECTION_LOST, AUTH_ERROR, …
}

// Config of a Broker.
type Config struct {
	Stack     *Stack
	Authority *Authority
	Store     Store

	// Deliver takes what a rule's SQS action sends. It may block: the publisher then waits for its PUBACK. An error
	// closes the publisher's connection before PUBACK.
	Deliver func(ctx context.Context, m QueueMessage) error
	// Hook decides who may claim. Nil means ClaimOnce(Store).
	Hook ProvisioningHook
	// OnPresence is called in order for one thing; it must not block for long. May be nil.
	OnPresence func(Presence)
	// DropAccepted is a test seam: a message for which it returns true is acknowledged and then lost, which AWS is
	// allowed to do. Nil in production.
	DropAccepted func(rule, topic string) bool
	// OnDenied is a test seam: it is told the reason of every connection this side closes. May be nil.
	OnDenied func(clientID, reason string)

	Log *slog.Logger
}

// QueueMessage is a rule's result for a queue.
type QueueMessage struct {
	Queue string // name of the queue in the template (logical id)
	Error bool   // sent by the rule's error action
	Body  []byte
}

// HookRequest is what AWS hands a pre-provisioning hook, plus the registry.
type HookRequest struct {
	ClaimCertificateID string
	CertificateID      string
	CertificatePEM     string
	TemplateName       string
	ClientID           string
	Parameters         map[string]string
	Thing              string // the name the template would give
	Serial             string
}

// ProvisioningHook decides whether a unit may be registered. A nil error allows; the error's text is logged and the
// unit sees AccessDenied.
type ProvisioningHook interface {
	Allow(ctx context.Context, r HookRequest) error
}

// Broker is the running imitation. Make it with New, feed it with Serve or ServeConn, end it with Close.
type Broker struct {
	cfg Config
	brokerState
}

// Serve accepts connections from l (plain TCP or in memory; TLS is added here) until Close. It closes l.
func (b *Broker) Serve(l net.Listener) error { return b.serve(l) }

// ServeConn serves one connection, the server end of a net.Pipe for instance, until it ends.
func (b *Broker) ServeConn(c net.Conn) { b.serveConn(c) }

// UpdateShadow changes a shadow on behalf of the cloud. state is the "state" object of an update request, for example
// {"desired":{…}}. Subscribed units see accepted, delta and documents as on AWS. It returns the new version.
func (b *Broker) UpdateShadow(ctx context.Context, thing, name string, state []byte) (int64, error) {
	return b.updateShadow(ctx, thing, name, state)
}

// ReportedShadow returns the "reported" section of a shadow, "{}" when there is none.
func (b *Broker) ReportedShadow(ctx context.Context, thing, name string) ([]byte, error) {
	return b.reportedShadow(ctx, thing, name)
}
