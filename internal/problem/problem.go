// Package problem is the one error shape a person sees: problem+json over HTTP (RFC 9457),
// "what: where: what to do" on a terminal.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Codes a program may branch on. They are part of the local API's contract.
const (
	CodeBadRequest  = "bad_request"  // the request itself is wrong; HTTP 400
	CodeNotFound    = "not_found"    // HTTP 404
	CodeForbidden   = "forbidden"    // foreign origin, foreign host or missing token; HTTP 403
	CodeConflict    = "conflict"     // HTTP 409
	CodeBusy        = "busy"         // a pour is already active; HTTP 409, retry later
	CodeUnavailable = "unavailable"  // beverage sold out or unit out of order; HTTP 409
	CodeUnsafe      = "unsafe"       // refused for safety (interlock, guard gone); HTTP 423, exit code 3
	CodeBadConfig   = "bad_config"   // configuration, rig file or catalogue refused
	CodeNewerSchema = "newer_schema" // written by a newer version
	CodeDamaged     = "damaged"      // a file failed verification
	CodeInternal    = "internal"     // a bug; HTTP 500
	CodeUnreachable = "unreachable"  // the other side does not answer; HTTP 503
	CodeAddrInUse   = "address_in_use"
	CodeNotWritable = "not_writable"
	CodeUnsupported = "unsupported_media_type"
)

// Problem is an error with a place and a remedy.
type Problem struct {
	Code   string `json:"code"`
	Where  string `json:"where,omitempty"` // file:line, key path, URL or part id
	What   string `json:"what"`            // one plain sentence, lower case, no full stop
	Remedy string `json:"remedy,omitempty"`
	Retry  bool   `json:"retry"` // whether the same call may succeed later unchanged
	Status int    `json:"status,omitempty"`
}

// Error formats as "what: where: remedy", leaving out what is empty.
func (p *Problem) Error() string {
	parts := []string{p.What}
	if p.Where != "" {
		parts = append(parts, p.Where)
	}
	if p.Remedy != "" {
		parts = append(parts, p.Remedy)
	}
	return strings.Join(parts, ": ")
}

// HTTPStatus is the status that goes with the code.
func (p *Problem) HTTPStatus() int {
	if p.Status != 0 {
		return p.Status
	}
	switch p.Code {
	case CodeBadRequest, CodeBadConfig:
		return http.StatusBadRequest
	case CodeNotFound:
		return http.StatusNotFound
	case CodeForbidden:
		return http.StatusForbidden
	case CodeConflict, CodeBusy, CodeUnavailable:
		return http.StatusConflict
	case CodeUnsafe:
		return http.StatusLocked
	case CodeUnreachable:
		return http.StatusServiceUnavailable
	case CodeUnsupported:
		return http.StatusUnsupportedMediaType
	default:
		return http.StatusInternalServerError
	}
}

// ExitCode maps an error to the exit code every Fountain command uses:
// 0 done, 1 failed, 2 wrong use (input, configuration), 3 refused for safety.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var p *Problem
	if errors.As(err, &p) {
		switch p.Code {
		case CodeUnsafe:
			return 3
		case CodeBadRequest, CodeBadConfig, CodeNotFound:
			return 2
		}
	}
	return 1
}

// From returns err as a Problem; an error that is none becomes CodeInternal.
func From(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return &Problem{Code: CodeInternal, What: err.Error()}
}

// Write answers an HTTP request with err as application/problem+json.
func Write(w http.ResponseWriter, err error) {
	p := *From(err)
	p.Status = p.HTTPStatus()
	body, merr := json.Marshal(p)
	if merr != nil { // a Problem holds only strings, a bool and an int
		panic(merr)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone; nothing is left to tell it
}
