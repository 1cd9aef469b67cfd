package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"fountain/internal/strictjson"
)

// JobDocumentV is the version of our job documents: {"v":1,"operation":"…", …} (docs/REMOTE.md, schemas/job.schema.json).
const JobDocumentV = 1

// Operations of our job documents.
const (
	OpSelfTest = "selftest"  // a dry one: nothing moves
	OpDiag     = "diag"      // upload the diagnostics
	OpRestart  = "restart"   // end the agent, which is started anew
	OpLogLevel = "log_level" // log more, or less, for a time
	OpReplay   = "replay"    // send again what is kept
	OpRotate   = "rotate"    // renew the unit's certificate

	OpDecommission = "decommission" // take the unit out of service and wipe its identity, once everything is sent
)

// JobDocument is what every job document begins with.
type JobDocument struct {
	V         int    `json:"v"`
	Operation string `json:"operation"`
}

// DiagJob is the document of OpDiag.
type DiagJob struct {
	JobDocument
	URL string `json:"url"` // where to PUT the file; in the job it is ${aws:iot:s3-presigned-url-upload:…}
}

// LogLevelJob is the document of OpLogLevel.
type LogLevelJob struct {
	JobDocument
	Level   string `json:"level"`   // debug, info, warn or error
	Minutes int    `json:"minutes"` // 1 to MaxLogMinutes; then it goes back by itself
}

// MaxLogMinutes is a week.
const MaxLogMinutes = 7 * 24 * 60

// ReplayJob is the document of OpReplay.
type ReplayJob struct {
	JobDocument
	Log  string `json:"log,omitempty"`  // one log; empty: all that are kept
	From uint64 `json:"from,omitempty"` // its first seq; 0: the oldest kept
}

// DecommissionJob is the document of OpDecommission.
type DecommissionJob struct {
	JobDocument
	KeepUnsent bool `json:"keep_unsent,omitempty"` // although pours are on the unit only; they stay in its store
}

// ErrJobDocument is wrapped by every error of the decoders of job documents.
var ErrJobDocument = errors.New("bad job document")

// DecodeJobDocument reads what every document begins with and checks its version.
func DecodeJobDocument(b []byte) (JobDocument, error) {
	var d JobDocument
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("%w: %w", ErrJobDocument, err)
	}
	switch {
	case d.V != JobDocumentV:
		return d, fmt.Errorf("%w: v is %d, %d is known", ErrJobDocument, d.V, JobDocumentV)
	case d.Operation == "":
		return d, fmt.Errorf("%w: it names no operation", ErrJobDocument)
	}
	return d, nil
}

// DecodeJob reads a whole document of an operation; a key it does not know is an error.
func DecodeJob[T any](b []byte) (T, error) {
	var v T
	if _, err := DecodeJobDocument(b); err != nil {
		return v, err
	}
	if err := strictjson.Known(bytes.NewReader(b), &v); err != nil {
		return v, fmt.Errorf("%w: %w", ErrJobDocument, err)
	}
	return v, nil
}
