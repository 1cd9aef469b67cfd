package shadow

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"fountain/sync/wire"
)

// Get is GetThingShadow. The error is always a *wire.ShadowError; Exception names it.
func (s *Service) Get(ctx context.Context, thing, name string) ([]byte, error) {
	return s.rest(ctx, wire.ShadowTopic{Thing: thing, Name: name, Op: wire.ShadowGet}, nil)
}

// Update is UpdateThingShadow: request is a whole request document. Subscribers are told as after an update over MQTT;
// of a refusal only the caller is.
func (s *Service) Update(ctx context.Context, thing, name string, request []byte) ([]byte, error) {
	return s.rest(ctx, wire.ShadowTopic{Thing: thing, Name: name, Op: wire.ShadowUpdate}, request)
}

// Delete is DeleteThingShadow.
func (s *Service) Delete(ctx context.Context, thing, name string) ([]byte, error) {
	return s.rest(ctx, wire.ShadowTopic{Thing: thing, Name: name, Op: wire.ShadowDelete}, nil)
}

func (s *Service) rest(ctx context.Context, t wire.ShadowTopic, request []byte) (answer []byte, err error) {
	s.limited(t, request, func() (failed error) {
		answer, failed = s.request(ctx, t, request)
		return failed
	}, func(refusal *wire.ShadowError) {
		answer, err = nil, refusal
	})
	return answer, err
}

// NamedShadows answers ListNamedShadowsForThing.
type NamedShadows struct {
	Results   []string `json:"results"`
	NextToken string   `json:"nextToken,omitempty"`
	Timestamp int64    `json:"timestamp"`
}

// maxPage is the largest and the usual page of ListNamedShadows.
const maxPage = 100

// ListNamedShadows lists a thing's named shadows by name. pageSize 0 means the usual page.
func (s *Service) ListNamedShadows(ctx context.Context, thing, token string, pageSize int) (*NamedShadows, error) {
	if wire.CheckThing(thing) != nil {
		return nil, refuse(400, "", "Invalid thing name")
	}
	if pageSize < 0 || pageSize > maxPage {
		return nil, refuse(400, "", "Invalid pageSize: 1 to %d are allowed", maxPage)
	}
	if pageSize == 0 {
		pageSize = maxPage
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, refuse(400, "", "Invalid nextToken")
	}
	names, err := s.cfg.Store.ShadowNames(ctx, thing)
	if err != nil {
		return nil, refuse(500, "", "Internal service failure")
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" || n <= string(after) })
	list := &NamedShadows{Results: names, Timestamp: time.Now().Unix()}
	if list.Results == nil {
		list.Results = []string{}
	}
	if len(names) > pageSize {
		list.Results = names[:pageSize]
		list.NextToken = base64.RawURLEncoding.EncodeToString([]byte(names[pageSize-1]))
	}
	return list, nil
}

// Exception is the REST name of a ShadowError's code.
func Exception(code int) string {
	switch code {
	case 400:
		return "InvalidRequestException"
	case 401:
		return "UnauthorizedException"
	case 403:
		return "ForbiddenException"
	case wire.ShadowNotFound:
		return "ResourceNotFoundException"
	case 405:
		return "MethodNotAllowedException"
	case wire.ShadowConflict:
		return "ConflictException"
	case 413:
		return "RequestEntityTooLargeException"
	case 415:
		return "UnsupportedDocumentEncodingException"
	case wire.ShadowThrottle:
		return "ThrottlingException"
	}
	return "InternalFailureException"
}
