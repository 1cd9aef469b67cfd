package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/awsiot/policy"
	"fountain/cloud/awsiot/provision"
	"fountain/cloud/awsiot/shadow"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// failure is an error as AWS tells it: HTTP status, name of the exception, message, further members of the body.
type failure struct {
	status  int
	code    string
	message string
	more    obj
}

// Error implements error.
func (f *failure) Error() string { return f.code + ": " + f.message }

func invalid(format string, args ...any) error {
	return &failure{status: 400, code: "InvalidRequestException", message: fmt.Sprintf(format, args...)}
}

func absent(format string, args ...any) error {
	return &failure{status: 404, code: "ResourceNotFoundException", message: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &failure{status: 403, code: "ForbiddenException", message: fmt.Sprintf(format, args...)}
}

// exists names the resource that is in the way.
func exists(id, arn, format string, args ...any) error {
	return &failure{
		status: 409, code: "ResourceAlreadyExistsException", message: fmt.Sprintf(format, args...),
		more: obj{"resourceId": id, "resourceArn": arn},
	}
}

func inUse(format string, args ...any) error {
	return &failure{status: 409, code: "DeleteConflictException", message: fmt.Sprintf(format, args...)}
}

// ofStack tells why something cannot be deleted.
func ofStack(kind, name string) string {
	return fmt.Sprintf("%s %s belongs to the CloudFormation stack that this cloud runs: take it out of the template instead", kind, name)
}

// failureOf finds what AWS would say.
func failureOf(err error) *failure {
	var f *failure
	var job *jobs.Error
	var sh *wire.ShadowError
	var doc *policy.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &job):
		f := &failure{status: job.Status, code: job.Code, message: job.Message, more: obj{}}
		if job.ResourceID != "" {
			f.more["resourceId"], f.more["resourceArn"] = job.ResourceID, job.ResourceARN
		}
		return f
	case errors.As(err, &sh):
		return &failure{status: sh.Code, code: shadow.Exception(sh.Code), message: sh.Message}
	case errors.As(err, &doc):
		return &failure{status: 400, code: "MalformedPolicyException", message: "Policy document is Malformed: " + doc.Error()}
	case errors.Is(err, provision.ErrTemplate):
		return &failure{status: 400, code: "InvalidRequestException", message: err.Error()}
	case errors.Is(err, broker.ErrForbidden):
		return &failure{status: 403, code: "ForbiddenException", message: err.Error()}
	case errors.Is(err, broker.ErrInvalid):
		return &failure{status: 400, code: "InvalidRequestException", message: err.Error()}
	case errors.Is(err, broker.ErrTooLarge):
		return &failure{status: 413, code: "RequestEntityTooLargeException", message: err.Error()}
	case errors.Is(err, store.ErrRevoked):
		return &failure{status: 406, code: "CertificateStateException", message: plain(err)}
	case errors.Is(err, store.ErrGroups), errors.Is(err, store.ErrSole):
		return &failure{status: 400, code: "InvalidRequestException", message: plain(err)}
	case errors.Is(err, store.ErrNotFound):
		return &failure{status: 404, code: "ResourceNotFoundException", message: plain(err)}
	case errors.Is(err, store.ErrExists):
		return &failure{status: 409, code: "ResourceAlreadyExistsException", message: plain(err)}
	case errors.Is(err, store.ErrInUse):
		return &failure{status: 409, code: "DeleteConflictException", message: plain(err)}
	case errors.Is(err, store.ErrVersion):
		return &failure{status: 409, code: "VersionConflictException", message: plain(err)}
	case errors.Is(err, store.ErrLimit):
		return &failure{status: 410, code: "LimitExceededException", message: plain(err)}
	}
	return &failure{status: 500, code: "InternalFailureException", message: "the request failed inside; the log of the cloud says why"}
}

// plain begins a message with a capital letter, as a sentence.
func plain(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:]
}

func writeError(w http.ResponseWriter, f *failure) {
	body := obj{"message": f.message}
	for k, v := range f.more {
		body[k] = v
	}
	id := uuid.NewString()
	if f.code == "ForbiddenException" {
		body["traceId"] = id
	}
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("X-Amzn-Errortype", f.code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}
