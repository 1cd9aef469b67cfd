package wire

// ConfigReport is what a unit reports in the config shadow beside the keys that count, which stand at the places of
// desired, so that the delta is what does not. Desired holds sections and keys as in the configuration file, those the
// unit allows the cloud to set and no others; it is taken as a whole or not at all. What desired does not name falls
// back to the unit's own files.
type ConfigReport struct {
	Version    int64           `json:"version"`              // of the shadow, when this desired state was judged
	Refused    []ConfigRefusal `json:"refused,omitempty"`    // why it is not used: what counted before does
	Overridden []string        `json:"overridden,omitempty"` // keys a technician has set on the unit
	Restart    []string        `json:"restart,omitempty"`    // keys that count from the next start on
}

// ConfigRefusal is one thing that is wrong with a desired state.
type ConfigRefusal struct {
	Key    string `json:"key"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// ConfigStatus is the key of ConfigReport in the reported state.
const ConfigStatus = "status"
