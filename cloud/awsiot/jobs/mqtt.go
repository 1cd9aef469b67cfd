package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fountain/cloud/awsiot/broker"
	"fountain/internal/logkey"
	"fountain/internal/strictjson"
	"fountain/sync/wire"
)

var _ broker.Service = (*Service)(nil)

// Serve implements broker.Service. Answers go to the connection that asked, before others are told what changed.
func (s *Service) Serve(ctx context.Context, r broker.Request) bool {
	things := strings.SplitN(r.Topic, "/", 5) // $aws/things/T/jobs/…
	if len(things) < 5 || things[0] != "$aws" || things[1] != "things" || things[3] != "jobs" {
		return false
	}
	topic, ok := wire.ParseJobs(r.Topic)
	if !ok || topic.Kind != "" || strings.HasPrefix(topic.Op, "notify") {
		s.answer(r, r.Topic, "", nil, refuse(wire.JobInvalidTopic, "No operation of jobs has the topic '%s'", r.Topic))
		return true
	}
	q, err := decodeRequest(r.Payload)
	if err != nil {
		s.answer(r, r.Topic, q.token, nil, err)
		return true
	}
	var after *txn // what to tell others
	var body any
	err = s.limited(ctx, topic.Thing, operation(topic), func() (err error) {
		if body, after, err = s.request(ctx, topic, q); err != nil {
			return err
		}
		s.answer(r, r.Topic, q.token, body, nil)
		if after != nil {
			s.tell(ctx, after, topic.Thing)
		}
		return nil
	})
	if err != nil {
		s.answer(r, r.Topic, q.token, nil, err)
		return true
	}
	if after != nil {
		if err := s.follows(ctx, after); err != nil {
			s.cfg.Log.Error("a job does not go on; Run tries again", logkey.Err, err)
		}
	}
	return true
}

func operation(t wire.JobTopic) string {
	switch {
	case t.Op == wire.JobStartNext:
		return opStart
	case t.Op == wire.JobUpdate:
		return opUpdate
	case t.ID == "":
		return opPending
	}
	return opDescribe
}

func (s *Service) request(ctx context.Context, t wire.JobTopic, q request) (body any, after *txn, err error) {
	switch operation(t) {
	case opPending:
		out, err := s.pending(ctx, t.Thing)
		if err == nil {
			out.ClientToken = q.token
		}
		return out, nil, err
	case opStart:
		out, after, err := s.startNext(ctx, t.Thing, wire.StartNextJob{StatusDetails: q.details, StepTimeout: q.step})
		if err == nil {
			out.ClientToken = q.token
		}
		return out, after, err
	case opDescribe:
		out, err := s.describe(ctx, t.Thing, t.ID, wire.DescribeJob{ExecutionNumber: q.number, IncludeDocument: q.document})
		if err == nil {
			out.ClientToken = q.token
		}
		return out, nil, err
	}
	out, after, err := s.update(ctx, t.Thing, t.ID, wire.UpdateJob{
		Status: q.status, StatusDetails: q.details, ExpectedVersion: q.version, ExecutionNumber: q.number, StepTimeout: q.step,
		IncludeState: q.state != nil && *q.state, IncludeDocument: q.document != nil && *q.document,
	})
	if err == nil {
		out.ClientToken = q.token
	}
	return out, after, err
}

// answer sends the answer or, when err is set, the refusal.
func (s *Service) answer(r broker.Request, topic, token string, body any, err error) {
	suffix := "/accepted"
	if err != nil {
		var refusal *wire.JobError
		if !errors.As(err, &refusal) {
			s.cfg.Log.Error("job request failed", logkey.Topic, topic, logkey.Err, err)
			refusal = refuse(wire.JobInternal, "Internal error")
		}
		refusal.ClientToken, refusal.Timestamp = token, time.Now().Unix()
		suffix, body = "/rejected", refusal
	}
	b, err := encode(body)
	if err != nil {
		s.cfg.Log.Error("cannot encode", logkey.Topic, topic, logkey.Err, err)
		return
	}
	r.Answer(topic+suffix, b)
}

// request is what a unit's message may hold; each operation takes what it knows.
type request struct {
	token                 string
	status                string
	details               map[string]string
	version, number, step *int64
	state, document       *bool
}

// decodeRequest reads a message of a unit. Like AWS it takes a number for the text of one, and ignores what it does not
// know. An empty message is an empty request.
func decodeRequest(payload []byte) (q request, err error) {
	if len(payload) == 0 {
		return q, nil
	}
	if !utf8.Valid(payload) {
		return q, refuse(wire.JobInvalidJSON, "The message is not UTF-8")
	}
	var body map[string]any
	if err := strictjson.Numbers(bytes.NewReader(payload), &body); err != nil || body == nil {
		return q, refuse(wire.JobInvalidJSON, "The message is not one JSON object")
	}
	var bad error
	wrong := func(field, want string) {
		if bad == nil {
			bad = refuse(wire.JobInvalidRequest, "%s must be %s", field, want)
		}
	}
	text := func(field string) string {
		switch v := body[field].(type) {
		case nil:
		case string:
			return v
		default:
			wrong(field, "a string")
		}
		return ""
	}
	number := func(field string) *int64 {
		var s string
		switch v := body[field].(type) {
		case nil:
			return nil
		case json.Number:
			s = v.String()
		case string:
			s = v
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			wrong(field, "a whole number")
			return nil
		}
		return &n
	}
	flag := func(field string) *bool {
		switch v := body[field].(type) {
		case nil:
		case bool:
			return &v
		default:
			wrong(field, "true or false")
		}
		return nil
	}
	if token := text("clientToken"); wire.CheckClientToken(token) == nil {
		q.token = token
	} else {
		wrong("clientToken", "at most 64 bytes long")
	}
	q.status = text("status")
	q.version, q.number, q.step = number("expectedVersion"), number("executionNumber"), number("stepTimeoutInMinutes")
	q.state, q.document = flag("includeJobExecutionState"), flag("includeJobDocument")
	switch v := body["statusDetails"].(type) {
	case nil:
	case map[string]any:
		q.details = make(map[string]string, len(v))
		for key, value := range v {
			s, ok := value.(string)
			if !ok {
				wrong("statusDetails", "an object of strings")
			}
			q.details[key] = s
		}
	default:
		wrong("statusDetails", "an object of strings")
	}
	return q, bad
}
