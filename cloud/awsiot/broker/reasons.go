package broker

import "fmt"

// Reasons why a connection ended, as AWS names them in lifecycle events.
const (
	ReasonAuth      = "AUTH_ERROR"
	reasonAPI       = "API_INITIATED_DISCONNECT"
	reasonClient    = "CLIENT_ERROR"
	reasonInitiated = "CLIENT_INITIATED_DISCONNECT"
	reasonLost      = "CONNECTION_LOST"
	reasonDuplicate = "DUPLICATE_CLIENTID"
	reasonForbidden = "FORBIDDEN_ACCESS"
	reasonKeepAlive = "MQTT_KEEP_ALIVE_TIMEOUT"
	reasonFailed    = "SERVER_ERROR"
	reasonServer    = "SERVER_INITIATED_DISCONNECT"
	reasonThrottled = "THROTTLED"
)

// Reason codes of MQTT 5 that AWS lists.
const (
	codeOK             = 0x00
	codeNoSubscription = 0x11
	codeUnspecified    = 0x80
	codeMalformed      = 0x81
	codeProtocol       = 0x82
	codeVersion        = 0x84
	codeClientID       = 0x85
	codeNotAuthorized  = 0x87
	codeShutdown       = 0x8b
	codeKeepAlive      = 0x8d
	codeTakenOver      = 0x8e
	codeFilter         = 0x8f
	codeTopic          = 0x90
	codeAlias          = 0x94
	codeTooLarge       = 0x95
	codeQuota          = 0x97
	codeAdministrative = 0x98
	codeQoS            = 0x9b
	codeSubscriptionID = 0xa1
)

// disconnectCode is what an MQTT 5 client is told when the reason says it all.
func disconnectCode(reason string) byte {
	switch reason {
	case ReasonAuth, reasonForbidden:
		return codeNotAuthorized
	case reasonAPI:
		return codeAdministrative
	case reasonDuplicate:
		return codeTakenOver
	case reasonServer:
		return codeShutdown
	case reasonKeepAlive:
		return codeKeepAlive
	case reasonThrottled:
		return codeQuota
	}
	return codeUnspecified
}

// fault is what a client did wrong, or what else ends its connection.
type fault struct {
	reason string // of the lifecycle event
	code   byte   // of MQTT 5
	text   string // for the log, and for the reason string of MQTT 5
}

// Error implements error.
func (f *fault) Error() string { return f.text }

func faultf(reason string, code byte, format string, args ...any) *fault {
	return &fault{reason: reason, code: code, text: fmt.Sprintf(format, args...)}
}
