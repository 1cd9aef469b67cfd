package shadow

import (
	"context"

	"fountain/sync/wire"
)

// Get is GetThingShadow. The error is a *wire.ShadowError when the caller is to be told; Exception names it. The methods
// of the REST interface check names and answer as over MQTT.
func (s *Service) Get(ctx context.Context, thing, name string) ([]byte, error) {
	return nil, &wire.ShadowError{Code: 500, Message: "not built yet"}
}

// Update is UpdateThingShadow: request is a whole request document. Subscribers are told as after an update over MQTT.
func (s *Service) Update(ctx context.Context, thing, name string, request []byte) ([]byte, error) {
	return nil, &wire.ShadowError{Code: 500, Message: "not built yet"}
}

// Delete is DeleteThingShadow.
func (s *Service) Delete(ctx context.Context, thing, name string) ([]byte, error) {
	return nil, &wire.ShadowError{Code: 500, Message: "not built yet"}
}

// NamedShadows answers ListNamedShadowsForThing.
type NamedShadows struct {
	Results   []string `json:"results"`
	NextToken string   `json:"nextToken,omitempty"`
	Timestamp int64    `json:"timestamp"`
}

// ListNamedShadows lists a thing's named shadows by name. pageSize 0 means 25.
func (s *Service) ListNamedShadows(ctx context.Context, thing, token string, pageSize int) (*NamedShadows, error) {
	return nil, &wire.ShadowError{Code: 500, Message: "not built yet"}
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
