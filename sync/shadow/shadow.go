// Package shadow speaks to one device shadow over one connection: get, update with version check, and the deltas.
//
//	Get, Update, Report ──request, clientToken──► Conn ──► service
//	                                               │ accepted, rejected ──► the waiting call, by clientToken
//	                                               └ delta ──► one slot, newest version wins ──► Next
//
// It may import wire. A Client lives as long as its connection; a new connection gets a new one. Its state is guarded
// by one mutex and changed by the connection's handler, which never blocks: a waiting call has room for its one
// answer, and a newer delta replaces an older one because a delta tells every difference. AWS promises no order, so a
// delta whose version is not above the last seen is dropped. One request is under way at a time.
package shadow

import (
	"context"
	"errors"
	"time"
)

// Conn is what a shadow needs of a connection.
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

// Errors of a Client.
var (
	ErrNoAnswer = errors.New("the shadow service does not answer") // after AnswerTimeout; retry
	ErrLost     = errors.New("the connection has ended")
)
