package agent

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"fountain/agent/access"
	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/problem"
)

// sessions is who has given the PIN at the screen: nobody or one person. While somebody has, consumers pour nothing.
//
//	POST session ──► PIN ──► session ──idle, limit, DELETE──► over
//	service routes of agent.sock ──Use──► person, for the audit trail
//
// State it owns: the session. It ends with the process: whoever was logged in gives the PIN again.
type sessions struct {
	pin     *access.PIN
	busy    func() bool                                // a pour or service work is under way
	working func() bool                                // service work is: no limit cuts that in two
	noted   func(person, action, line string, e error) // in the audit trail
	changed func()

	opening sync.Mutex // one PIN at a time: the hash takes memory and time

	mu    sync.Mutex
	id    string // empty: nobody is logged in
	asked bool   // a PIN is being tried
	by    string
	since time.Time // monotonic, as until
	until time.Time
	timer *time.Timer
}

var _ apiserver.Sessions = (*sessions)(nil)

func newSessions(a *Agent) *sessions {
	return &sessions{
		pin:     a.pin,
		busy:    func() bool { st := a.machine.State(); return st.Busy || st.Service != "" },
		working: func() bool { return a.machine.State().Service != "" },
		noted:   a.audit.noted, changed: func() { a.view.bump() },
	}
}

// State is what the PIN page shows.
func (s *sessions) State() api.SessionState {
	st := s.pin.State()
	return api.SessionState{
		PINSet: st.Set, Setup: st.Never, Open: s.open(), WaitMS: st.Wait.Milliseconds(), Locked: st.Locked,
	}
}

// Open opens a session for who gives the PIN. It takes the place of one that is open, unless that one's work is under way:
// a screen that lost it, or was started again, would have to wait for its end.
func (s *sessions) Open(req api.OpenSession) (api.Session, error) {
	if !s.opening.TryLock() {
		return api.Session{}, &problem.Problem{Code: problem.CodeBusy, Where: "session", What: "a PIN is being tried already", Remedy: "wait for it", Retry: true}
	}
	defer s.opening.Unlock()
	person := strings.TrimSpace(req.Person)
	if person == "" {
		person = api.PersonAtScreen
	}
	if err := apiserver.CheckPerson(&person); err != nil {
		return api.Session{}, err
	}
	s.ask(true) // no consumer begins a pour meanwhile
	defer s.ask(false)
	if s.busy() {
		return api.Session{}, &problem.Problem{
			Code: problem.CodeBusy, Where: "session", What: "the unit is pouring or being serviced", Remedy: "try again when that has ended", Retry: true,
		}
	}
	if err := s.pin.Verify(req.PIN); err != nil {
		if access.Refused(err) {
			s.noted(person, "open session", "", err)
		}
		return api.Session{}, err
	}
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	now := time.Now()
	s.id, s.by, s.since = rand.Text(), person, now
	s.until = now.Add(api.SessionIdle)
	s.timer = time.AfterFunc(api.SessionIdle, s.expire)
	out := s.present(now)
	s.mu.Unlock()
	s.noted(person, "open session", "", nil)
	s.changed()
	return out, nil
}

func (s *sessions) ask(on bool) {
	s.mu.Lock()
	s.asked = on
	s.mu.Unlock()
}

// present is the session as the API tells it; called with mu held.
func (s *sessions) present(now time.Time) api.Session {
	left := max(0, s.until.Sub(now))
	return api.Session{ID: s.id, Person: s.by, Role: api.RoleTechnician, LeftMS: left.Milliseconds(), Until: now.Add(left).UTC().Round(time.Millisecond)}
}

// Session is the open one, unprolonged; not_found when id is none or over.
func (s *sessions) Session(id string) (api.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.is(id, now) {
		return s.present(now), nil
	}
	return api.Session{}, &problem.Problem{Code: problem.CodeNotFound, Where: "session", What: "this session is over", Remedy: "give the PIN again"}
}

// is tells whether id is the live session; called with mu held. It takes as long for a wrong id as for the right one.
func (s *sessions) is(id string, now time.Time) bool {
	return s.id != "" && subtle.ConstantTimeCompare([]byte(id), []byte(s.id)) == 1 && (now.Before(s.until) || s.working())
}

// Use names who acts with the session id; prolong counts the call as a sign of that person.
func (s *sessions) Use(id string, prolong bool) (person string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.is(id, now) {
		return "", &problem.Problem{
			Code: problem.CodeForbidden, Status: http.StatusUnauthorized, Where: api.SessionHeader, What: "nobody is logged in with this session", Remedy: "give the service PIN; on a terminal use " + api.ServiceSocket,
		}
	}
	if prolong {
		s.until = s.since.Add(min(now.Sub(s.since)+api.SessionIdle, api.SessionLimit))
	}
	return s.by, nil
}

// expire ends the session when its time is up, or looks again later.
func (s *sessions) expire() {
	s.mu.Lock()
	if s.id == "" {
		s.mu.Unlock()
		return
	}
	if left := time.Until(s.until); left > 0 || s.working() {
		s.timer.Reset(max(left, time.Second))
		s.mu.Unlock()
		return
	}
	person := s.end()
	s.mu.Unlock()
	s.ended(person, "session timed out")
}

// Close ends a session; one that is over already is none.
func (s *sessions) Close(id string) {
	s.mu.Lock()
	if s.id == "" || subtle.ConstantTimeCompare([]byte(id), []byte(s.id)) != 1 {
		s.mu.Unlock()
		return
	}
	person := s.end()
	s.mu.Unlock()
	s.ended(person, "end session")
}

// end forgets the session; called with mu held.
func (s *sessions) end() (person string) {
	person = s.by
	s.id, s.by = "", ""
	if s.timer != nil {
		s.timer.Stop()
	}
	return person
}

func (s *sessions) ended(person, how string) {
	s.noted(person, how, "", nil)
	s.changed()
}

// quit forgets the session without a word: the unit ends.
func (s *sessions) quit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// open tells whether somebody is logged in.
func (s *sessions) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id != "" && (time.Now().Before(s.until) || s.working())
}

// keeps refuses a consumer's pour while somebody is logged in, or gives the PIN.
func (s *sessions) keeps() error {
	s.mu.Lock()
	asked := s.asked
	s.mu.Unlock()
	if !asked && !s.open() {
		return nil
	}
	return &problem.Problem{
		Code: problem.CodeUnavailable, Where: reasonService, What: "the unit is in the hands of its crew", Remedy: fmt.Sprintf("wait until they are done, or %s later", api.SessionIdle), Retry: true,
	}
}
