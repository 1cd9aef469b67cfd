package wire

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrProvision is wrapped by every error of the provisioning decoders.
var ErrProvision = errors.New("bad provisioning message")

// CreateFromCSR asks for a certificate for a key that stays on the unit.
type CreateFromCSR struct {
	CSR string `json:"certificateSigningRequest"` // PEM
}

// Certificate answers CreateFromCSR. It is inactive until the thing is registered; the token dies after one hour.
type Certificate struct {
	ID    string `json:"certificateId"`
	PEM   string `json:"certificatePem"`
	Token string `json:"certificateOwnershipToken"`
}

// RegisterThing asks the template to make the thing and activate the certificate.
type RegisterThing struct {
	Token      string            `json:"certificateOwnershipToken"`
	Parameters map[string]string `json:"parameters,omitempty"`
}

// RegisteredThing answers RegisterThing.
type RegisteredThing struct {
	Thing  string            `json:"thingName"`
	Device map[string]string `json:"deviceConfiguration,omitempty"`
}

// Error codes of provisioning that a unit tells apart.
const (
	ProvisionInvalidToken = "InvalidCertificateOwnershipToken"
	ProvisionAccessDenied = "AccessDenied"
	ProvisionInvalidCSR   = "InvalidCertificateSigningRequest"
	ProvisionThrottled    = "ThrottlingException"
	ProvisionInvalidJSON  = "InvalidJson"
	ProvisionBadRequest   = "InvalidRequest"
	ProvisionInternal     = "InternalError"
)

// ProvisionError is the body of a rejected provisioning request.
type ProvisionError struct {
	Status  int    `json:"statusCode"`
	Code    string `json:"errorCode"`
	Message string `json:"errorMessage"`
}

// Error implements error.
func (e *ProvisionError) Error() string {
	return fmt.Sprintf("provisioning refused: %d %s: %s", e.Status, e.Code, e.Message)
}

// DecodeCreateFromCSR parses a request for a certificate.
func DecodeCreateFromCSR(b []byte) (*CreateFromCSR, error) {
	return decodeProvision(b, func(v *CreateFromCSR) string { return missing(v.CSR, "certificateSigningRequest") })
}

// DecodeCertificate parses the answer to CreateFromCSR.
func DecodeCertificate(b []byte) (*Certificate, error) {
	return decodeProvision(b, func(v *Certificate) string {
		return missing(v.PEM, "certificatePem") + missing(v.Token, "certificateOwnershipToken")
	})
}

// DecodeRegisterThing parses a registration; an empty token is left to the service to refuse.
func DecodeRegisterThing(b []byte) (*RegisterThing, error) {
	return decodeProvision(b, func(*RegisterThing) string { return "" })
}

// DecodeRegisteredThing parses the answer to RegisterThing.
func DecodeRegisteredThing(b []byte) (*RegisteredThing, error) {
	return decodeProvision(b, func(v *RegisteredThing) string {
		if err := CheckThing(v.Thing); err != nil {
			return err.Error()
		}
		return ""
	})
}

// DecodeProvisionError parses a refusal.
func DecodeProvisionError(b []byte) (*ProvisionError, error) {
	return decodeProvision(b, func(v *ProvisionError) string {
		if v.Status == 0 && v.Code == "" {
			return "refusal without code"
		}
		return ""
	})
}

func decodeProvision[T any](b []byte, check func(*T) string) (*T, error) {
	v := new(T)
	if !object(b) {
		return nil, fmt.Errorf("%w: not an object", ErrProvision)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProvision, err)
	}
	if why := check(v); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrProvision, why)
	}
	return v, nil
}

func missing(s, name string) string {
	if s == "" {
		return name + " is missing "
	}
	return ""
}
