package api

import (
	"context"
	"net/http"
	"time"
)

// A session: a person at the screen who has given the service PIN. The screen talks over the agent socket; with a live
// session's id in the header SessionHeader that socket serves the service API too, and takes pours of source "service".
//
//	GET    /v1/session            SessionState; needs no session
//	POST   /v1/session            OpenSession -> 201 Session; 403 wrong PIN, 409 too early, or a pour or service work is
//	                              under way. A session that is open ends: one at a time
//	GET    /v1/session/{id}       Session; 404 when it is over
//	POST   /v1/session/{id}/touch Session, prolonged; 401 when it is over
//	DELETE /v1/session/{id}       204; also when it is over already
//
// A call with the header that changes something, and a touch, prolongs the session to SessionIdle from now, at most to
// SessionLimit after it was opened; reading does not, so that a screen that refreshes itself keeps nobody logged in: a
// screen touches the session when a finger touches the screen. Service work under way is never cut by the end of a session.
// While it is open the unit is out of order (reason "service") for consumers. Without a live session the service routes
// answer 401. Before a PIN was ever set the setup routes, and they alone, are served without one, so that the first-run
// wizard can run; the PIN is its first step, and the rest of it takes a session.

// SessionHeader carries the id of a session.
const SessionHeader = "Fountain-Session"

// Limits of a session.
const (
	SessionIdle  = 5 * time.Minute  // without a call
	SessionLimit = 30 * time.Minute // in all
)

// OpenSession asks for a session.
type OpenSession struct {
	PIN    string `json:"pin"`
	Person string `json:"person,omitempty"` // for the audit trail; empty: PersonAtScreen
}

// PersonAtScreen is who acts when nobody says a name.
const PersonAtScreen = "screen"

// RoleTechnician is the role of every session: there is one PIN.
const RoleTechnician = "technician"

// Session is one that is open.
type Session struct {
	ID     string    `json:"id"`
	Person string    `json:"person"`
	Role   string    `json:"role"`
	LeftMS int64     `json:"left_ms"` // until it ends unless it is used
	Until  time.Time `json:"until"`   // the same by the unit's clock, which may be wrong
}

// SessionState is what the PIN page needs to know. It never tells anything about the PIN itself.
type SessionState struct {
	PINSet bool  `json:"pin_set"`
	Setup  bool  `json:"setup"`             // no PIN was set: the first-run wizard may run without a session
	Open   bool  `json:"open"`              // somebody is logged in
	WaitMS int64 `json:"wait_ms,omitempty"` // until the next PIN may be tried
	Locked bool  `json:"locked,omitempty"`  // so many wrong ones that the wait is an hour; fountainctl setup sets a new PIN
}

// SessionState tells whether a PIN is set, and when the next one may be tried.
func (c *Client) SessionState(ctx context.Context) (SessionState, error) {
	var s SessionState
	return s, c.do(ctx, c.plain, http.MethodGet, "/v1/session", nil, &s)
}

// OpenSession opens a session with the PIN. A wrong PIN is a *problem.Problem with CodeForbidden, one that comes too
// early, or during a pour, CodeBusy; SessionState tells how long to wait.
func (c *Client) OpenSession(ctx context.Context, pin string) (*Session, error) {
	var s Session
	if err := c.do(ctx, c.plain, http.MethodPost, "/v1/session", OpenSession{PIN: pin}, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Session returns the session as it stands, without prolonging it.
func (c *Client) Session(ctx context.Context, id string) (Session, error) {
	var s Session
	return s, c.do(ctx, c.plain, http.MethodGet, "/v1/session/"+id, nil, &s)
}

// TouchSession says that the person is still there.
func (c *Client) TouchSession(ctx context.Context, id string) (Session, error) {
	var s Session
	return s, c.do(ctx, c.plain, http.MethodPost, "/v1/session/"+id+"/touch", nil, &s)
}

// CloseSession ends a session; one that is over is no error.
func (c *Client) CloseSession(ctx context.Context, id string) error {
	return c.do(ctx, c.plain, http.MethodDelete, "/v1/session/"+id, nil, nil)
}

// WithSession returns a client whose every call carries the session, on the same connections: its service calls work over
// the agent socket, and it pours with source "service". c itself stays without.
func (c *Client) WithSession(s *Session) *Client {
	with := *c
	with.session = s.ID
	return &with
}
