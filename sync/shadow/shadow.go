// Package shadow speaks to the named shadows of one thing over one connection: get, update with version check, and
// the deltas.
//
//	Client("config") ─┐ request, clientToken                          ┌ accepted, rejected ─► the waiting call, by token
//	Client("recall") ─┼─► Mux ──► Conn ──► service ──► Conn ──► Mux ──┤
//	Client("ledger") ─┘   one set of 5 filters for all                └ delta ─► one slot per Client, newest wins ─► Next
//
// It may import wire. A Mux and its Clients live as long as their connection; a new connection gets a new Mux. Their
// state is guarded by one mutex of the Mux and changed by the connection's handler, which never blocks: a waiting call
// has room for its one answer, and a newer delta replaces an older one because a delta tells every difference. AWS
// promises no order, so a delta whose version is not above the last seen is dropped. Of one shadow one request is under
// way at a time, of all together at most ten, which is what AWS allows.
package shadow

import (
	"context"
	"errors"
	"time"
)

// Conn is what a Mux needs of a connection.
type Conn interface {
	// Publish returns nil once this very connection has the PUBACK.
	Publish(ctx context.Context, topic string, qos byte, payload []byte) error
	// Subscribe returns nil once every filter is granted. The handler must not block.
	Subscribe(ctx context.Context, handler func(topic string, payload []byte), filters ...string) error
	// Lost is closed when the connection has ended.
	Lost() <-chan struct{}
}

// AnswerTimeout is how long Get and Update wait for an answer.
const AnswerTimeout = 10 * time.Second

// InFlight is how many requests of one thing may be under way (spec/awsiot.md 3).
const InFlight = 10

// Errors of a Client.
var (
	ErrNoAnswer = errors.New("the shadow service does not answer") // after AnswerTimeout; retry
	ErrLost     = errors.New("the connection has ended")
)
