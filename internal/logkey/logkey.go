// Package logkey lists the slog keys of Fountain, so that a technician can grep one word over every binary.
package logkey

// Keys of log attributes.
const (
	Err        = "err"
	Path       = "path"
	Unit       = "unit"
	Thing      = "thing"
	Pour       = "pour"
	Beverage   = "beverage"
	Ingredient = "ingredient"
	Line       = "line"
	Reason     = "reason"
	VolumeUL   = "ul"
	Duration   = "took"
	Addr       = "addr"
	Topic      = "topic"
	Log        = "log"
	Seq        = "seq"
	Count      = "count"
	Session    = "session"
	Child      = "child"
	PID        = "pid"
	Alarm      = "alarm"
	State      = "state"
	Version    = "version"
	Person     = "person"
	Action     = "action"
	Key        = "key"
	Language   = "lang"
	Rule       = "rule"
)
