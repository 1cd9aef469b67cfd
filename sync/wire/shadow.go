package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrShadow is wrapped by every error of the shadow decoders.
var ErrShadow = errors.New("bad shadow message")

// ShadowState holds the sections of a shadow; a section that is absent is nil.
type ShadowState struct {
	Desired  json.RawMessage `json:"desired,omitempty"`
	Reported json.RawMessage `json:"reported,omitempty"`
	Delta    json.RawMessage `json:"delta,omitempty"`
}

// ShadowDocument answers a get, and with the fields of the request only, an update.
type ShadowDocument struct {
	State       ShadowState     `json:"state"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Version     int64           `json:"version"`
	Timestamp   int64           `json:"timestamp"` // seconds
	ClientToken string          `json:"clientToken,omitempty"`
}

// ShadowRequest is the body of get and delete; an empty body means the same without a token.
type ShadowRequest struct {
	ClientToken string `json:"clientToken,omitempty"`
}

// ShadowChange asks for an update. A section that is JSON null removes it. Version 0 means no check.
type ShadowChange struct {
	State       ShadowState `json:"state"`
	Version     int64       `json:"version,omitempty"`
	ClientToken string      `json:"clientToken,omitempty"`
}

// ShadowDeltaDocument tells every desired field that differs from reported.
type ShadowDeltaDocument struct {
	State       json.RawMessage `json:"state"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Version     int64           `json:"version"`
	Timestamp   int64           `json:"timestamp"`
	ClientToken string          `json:"clientToken,omitempty"`
}

// ShadowError is the body of a rejected answer.
type ShadowError struct {
	Code        int    `json:"code"` // as HTTP: 400, 401, 403, 404, 409, 413, 415, 429, 500
	Message     string `json:"message"`
	Timestamp   int64  `json:"timestamp,omitempty"`
	ClientToken string `json:"clientToken,omitempty"`
}

// Error implements error.
func (e *ShadowError) Error() string { return fmt.Sprintf("shadow refused: %d %s", e.Code, e.Message) }

// Codes of ShadowError on which a client branches.
const (
	ShadowNotFound = 404
	ShadowConflict = 409
	ShadowThrottle = 429
)

// DecodeShadowDocument parses an accepted get or update.
func DecodeShadowDocument(b []byte) (*ShadowDocument, error) {
	var d ShadowDocument
	if err := decodeShadow(b, &d); err != nil {
		return nil, err
	}
	if err := checkSections(d.State); err != nil {
		return nil, err
	}
	if d.Version < 0 {
		return nil, fmt.Errorf("%w: negative version", ErrShadow)
	}
	d.State.Desired, d.State.Reported, d.State.Delta = drop(d.State.Desired), drop(d.State.Reported), drop(d.State.Delta)
	d.Metadata = drop(d.Metadata)
	return &d, nil
}

// DecodeShadowDelta parses an update/delta message.
func DecodeShadowDelta(b []byte) (*ShadowDeltaDocument, error) {
	var d ShadowDeltaDocument
	if err := decodeShadow(b, &d); err != nil {
		return nil, err
	}
	if !object(d.State) {
		return nil, fmt.Errorf("%w: state is no object", ErrShadow)
	}
	if d.Version < 0 {
		return nil, fmt.Errorf("%w: negative version", ErrShadow)
	}
	d.Metadata = drop(d.Metadata)
	return &d, nil
}

// DecodeShadowChange parses an update request; a section that is null is kept as null.
func DecodeShadowChange(b []byte) (*ShadowChange, error) {
	var d ShadowChange
	if err := decodeShadow(b, &d); err != nil {
		return nil, err
	}
	if err := checkSections(d.State); err != nil {
		return nil, err
	}
	if d.Version < 0 {
		return nil, fmt.Errorf("%w: negative version", ErrShadow)
	}
	if err := CheckClientToken(d.ClientToken); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShadow, err)
	}
	return &d, nil
}

// DecodeShadowRequest parses the body of a get or delete; it may be empty.
func DecodeShadowRequest(b []byte) (*ShadowRequest, error) {
	var d ShadowRequest
	if len(bytes.TrimSpace(b)) == 0 {
		return &d, nil
	}
	if err := decodeShadow(b, &d); err != nil {
		return nil, err
	}
	if err := CheckClientToken(d.ClientToken); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShadow, err)
	}
	return &d, nil
}

// DecodeShadowError parses a rejected answer.
func DecodeShadowError(b []byte) (*ShadowError, error) {
	var d ShadowError
	if err := decodeShadow(b, &d); err != nil {
		return nil, err
	}
	if d.Code == 0 {
		return nil, fmt.Errorf("%w: refusal without code", ErrShadow)
	}
	return &d, nil
}

func decodeShadow(b []byte, into any) error {
	if !object(b) {
		return fmt.Errorf("%w: not an object", ErrShadow)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %w", ErrShadow, err)
	}
	return nil
}

func checkSections(s ShadowState) error {
	for _, sec := range []json.RawMessage{s.Desired, s.Reported, s.Delta} {
		if len(sec) > 0 && !object(sec) && !null(sec) {
			return fmt.Errorf("%w: a section is no object", ErrShadow)
		}
	}
	return nil
}

func object(b []byte) bool { t := bytes.TrimSpace(b); return len(t) > 0 && t[0] == '{' }
func null(b []byte) bool   { return string(bytes.TrimSpace(b)) == "null" }

// drop turns a JSON null into absence: in an answer both mean the same.
func drop(b json.RawMessage) json.RawMessage {
	if null(b) {
		return nil
	}
	return b
}
