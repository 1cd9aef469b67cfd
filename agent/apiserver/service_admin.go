package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// maxPerson bounds the name of the person who acts, in bytes.
const maxPerson = 64

// Admin is what the service API has beside operations. A part that is nil is answered with unavailable.
type Admin struct {
	Cartridges Cartridges
	Alarms     Alarms
	Setup      Setup
	Audit      Audit
	Home       Home
	Logs       Logs
	Settings   Settings
	Diag       Diag
	Store      Store
	Leave      Leave
}

// Cartridges are the slots and what sits in them.
type Cartridges interface {
	List(ctx context.Context) ([]api.Cartridge, error)
	// Change takes in what a person did; errors are *problem.Problem.
	Change(ctx context.Context, slot string, c api.CartridgeChange) (api.Cartridge, error)
}

// Alarms are the conditions that stand.
type Alarms interface {
	List() []api.Alarm
	// Clear is refused while the cause stands.
	Clear(ctx context.Context, c api.ClearAlarm) error
}

// Setup is the first-run wizard's side of the unit.
type Setup interface {
	State(ctx context.Context) (api.Setup, error)
	Answer(ctx context.Context, step string, a api.SetupAnswer) (api.Setup, error)
}

// Audit is the trail of service actions.
type Audit interface {
	// List returns the newest first.
	List() ([]api.AuditEntry, error)
}

// adminRoutes serves what is no operation.
func (s *Server) adminRoutes(mux *http.ServeMux) {
	a := s.cfg.Admin
	mux.HandleFunc("GET /v1/service/cartridges", func(w http.ResponseWriter, r *http.Request) {
		if there(w, "cartridges", a.Cartridges != nil) {
			list, err := a.Cartridges.List(r.Context())
			answer(w, orNone(list), err)
		}
	})
	mux.HandleFunc("PUT /v1/service/cartridges/{slot}", func(w http.ResponseWriter, r *http.Request) {
		var c api.CartridgeChange
		if there(w, "cartridges", a.Cartridges != nil) && read(w, r, &c, &c.Person) {
			out, err := a.Cartridges.Change(r.Context(), r.PathValue("slot"), c)
			answer(w, out, err)
		}
	})
	mux.HandleFunc("GET /v1/service/alarms", func(w http.ResponseWriter, _ *http.Request) {
		if there(w, "alarms", a.Alarms != nil) {
			answer(w, orNone(a.Alarms.List()), nil)
		}
	})
	mux.HandleFunc("POST /v1/service/alarms/clear", func(w http.ResponseWriter, r *http.Request) {
		var c api.ClearAlarm
		if !there(w, "alarms", a.Alarms != nil) || !read(w, r, &c, &c.Person) {
			return
		}
		if err := a.Alarms.Clear(r.Context(), c); err != nil {
			problem.Write(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /v1/service/setup", func(w http.ResponseWriter, r *http.Request) {
		if there(w, "setup", a.Setup != nil) {
			out, err := a.Setup.State(r.Context())
			answer(w, out, err)
		}
	})
	mux.HandleFunc("POST /v1/service/setup/{step}", func(w http.ResponseWriter, r *http.Request) {
		var in api.SetupAnswer
		if there(w, "setup", a.Setup != nil) && read(w, r, &in, &in.Person) {
			out, err := a.Setup.Answer(r.Context(), r.PathValue("step"), in)
			answer(w, out, err)
		}
	})
	mux.HandleFunc("GET /v1/service/audit", func(w http.ResponseWriter, _ *http.Request) {
		if there(w, "the audit trail", a.Audit != nil) {
			list, err := a.Audit.List()
			answer(w, orNone(list), err)
		}
	})
}

// orNone makes an empty list of no list: [] for scripts.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func there(w http.ResponseWriter, what string, ok bool) bool {
	if !ok {
		problem.Write(w, &problem.Problem{
			Code: problem.CodeUnavailable, Where: what, What: "this agent cannot do that", Remedy: "see fountainctl status for its version",
		})
	}
	return ok
}

// read reads the body and checks that it, or else a session, names who acts.
func read(w http.ResponseWriter, r *http.Request, in any, person *string) bool {
	err := readJSON(r, in)
	if *person == "" {
		*person = personOf(r)
	}
	if err == nil {
		err = CheckPerson(person)
	}
	if err != nil {
		problem.Write(w, err)
	}
	return err == nil
}

// CheckPerson trims the name of the person who acts and refuses none, or one that is too long for the trail.
func CheckPerson(name *string) error {
	*name = strings.TrimSpace(*name)
	switch {
	case *name == "":
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: "person", What: "nobody is named", Remedy: "say who does it, for the audit trail",
		}
	case len(*name) > maxPerson:
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: "person", What: fmt.Sprintf("the name is longer than %d bytes", maxPerson), Remedy: "use a shorter one",
		}
	}
	return nil
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		problem.Write(w, err)
		return
	}
	writeJSON(w, http.StatusOK, v)
}
