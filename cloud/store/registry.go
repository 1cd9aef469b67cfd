package store

import (
	"context"
	"encoding/json"
	"slices"
)

// States of a certificate, as AWS IoT names them.
const (
	CertPending  = "PENDING_ACTIVATION"
	CertActive   = "ACTIVE"
	CertInactive = "INACTIVE"
	CertRevoked  = "REVOKED"
)

// Certificate is a registered client certificate. Times are milliseconds since 1970.
type Certificate struct {
	ID       string // lower-case hex SHA-256 of the DER form
	PEM      string
	KeyHash  string // lower-case hex SHA-256 of the public key's SPKI
	Status   string
	Things   []string // attached to, in order of attachment
	Sole     bool     // attached to its one thing as AWS's EXCLUSIVE_THING
	Policies []string // attached directly, in order of name; those of thing groups are not among them

	Token        string // hex SHA-256 of the ownership token; empty once used
	TokenExpires int64
	Claim        string // the template, when CreateProvisioningClaim made it
	Created      int64
	Changed      int64
}

// ThingOf is who a client with this certificate is: whatever its client id when the certificate belongs to one thing only,
// else the thing of that name if it is attached. Empty when it is none.
func (c Certificate) ThingOf(clientID string) string {
	if c.Sole {
		return c.Things[0]
	}
	if slices.Contains(c.Things, clientID) {
		return clientID
	}
	return ""
}

// Thing is a unit as the cloud knows it. Times are milliseconds since 1970; 0 means never.
type Thing struct {
	Name           string
	Serial         string // as it was claimed; empty for things not made by provisioning
	Type           string
	Attributes     map[string]string
	Version        int64
	Created        int64
	FirstConnected int64 // first connection with the identity it holds now
	Released       bool  // an operator let the serial be claimed again
	Online         bool
	Changed        int64 // when Online last changed
}

// Presence is a thing that connected or went away at a time.
type Presence struct {
	Thing  string
	Online bool
	At     int64
}

// Registration binds a pending certificate to a thing.
type Registration struct {
	CertificateID string
	Status        string // of the certificate from now on; empty means ACTIVE
	Sole          bool   // the certificate is for this thing only
	Thing         string // empty when the template makes none
	Serial        string // empty when nobody claims
	Type          string
	Attributes    map[string]string
	Groups        []string // nil leaves the thing's groups alone
	Policies      []string
	At            int64
}

// Kinds of Entry.
const (
	KindPolicy      = "policy"
	KindTemplate    = "template"
	KindType        = "type"
	KindGroup       = "group"
	KindJobTemplate = "jobtemplate"
	KindTags        = "tags"   // of another entry or of a job, under the last part of its ARN
	KindEvents      = "events" // which events are published; one entry, EventsName
)

// EventsName is the name of the entry of KindEvents.
const EventsName = "account"

// OriginStack marks what the CloudFormation template says.
const OriginStack = "stack"

// Entry is a thing type, a thing group, a policy or a provisioning template. Times are milliseconds since 1970.
type Entry struct {
	Kind, Name string
	Origin     string          // OriginStack or empty
	Settings   json.RawMessage // an object; what is in it is the caller's business
	Version    int64           // grows with each update
	Default    int             // the body that counts; 0 for kinds without bodies
	Last       int             // the highest number of a body so far
	Created    int64
	Changed    int64
}

// TypeSettings are the settings of a KindType entry.
type TypeSettings struct {
	Description string   `json:"description,omitempty"`
	Searchable  []string `json:"searchable,omitempty"` // attributes
	Deprecated  int64    `json:"deprecated,omitempty"` // since when
}

// GroupSettings are the settings of a KindGroup entry.
type GroupSettings struct {
	Description string            `json:"description,omitempty"`
	Parent      string            `json:"parent,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

// TemplateSettings are the settings of a KindTemplate entry.
type TemplateSettings struct {
	Description string `json:"description,omitempty"`
	Enabled     bool   `json:"enabled"`
	RoleARN     string `json:"roleArn,omitempty"`
	HookARN     string `json:"hookArn,omitempty"` // empty: whoever holds a claim certificate may register
	HookVersion string `json:"hookVersion,omitempty"`
	Type        string `json:"type"` // FLEET_PROVISIONING or JITP
}

// EventSettings are the settings of the KindEvents entry: what is published, by AWS's names of kinds of events.
type EventSettings map[string]bool

// Kinds of events that are published when they are asked for.
const (
	EventsJob       = "JOB"
	EventsExecution = "JOB_EXECUTION"
)

// Body is one numbered text of an entry: a policy document, a template's body.
type Body struct {
	Version int
	Text    string
	Created int64
}

// Seed is an entry as the stack says it.
type Seed struct {
	Kind, Name string
	Settings   json.RawMessage
	Body       string // empty for kinds without bodies
}

// Quotas of AWS IoT that the store keeps.
const (
	MaxBodies              = 5  // versions of a policy or template
	MaxCertificatePolicies = 10 // policies attached to one certificate or group
	MaxThingGroups         = 10 // groups of one thing
)

// CertTarget and GroupTarget name what a policy is attached to, as the last part of its ARN does.
func CertTarget(id string) string    { return "cert/" + id }
func GroupTarget(name string) string { return "thinggroup/" + name }

// Registry keeps things, certificates and what is attached to them.
type Registry interface {
	Certificates
	Things
	Fleet
	Entries
	Links
	// Revision grows with every change of what decides about a connection: certificates, policies, attachments, things,
	// groups. Who keeps a copy compares it; reading it costs nothing.
	Revision() int64
}

// Certificates keeps client certificates.
type Certificates interface {
	// PutCertificate stores a certificate and adds the attachments it names.
	PutCertificate(ctx context.Context, c Certificate) error
	Certificate(ctx context.Context, id string) (Certificate, error)
	CertificateByToken(ctx context.Context, tokenHash string) (Certificate, error)
	// ListCertificates lists in order of creation, beginning after the certificate given; empty: at the beginning.
	ListCertificates(ctx context.Context, after string, limit int, newestFirst bool) ([]Certificate, error)
	// SetCertificateStatus refuses with ErrRevoked to change what is revoked; Register and Release leave it, too.
	SetCertificateStatus(ctx context.Context, id, status string, at int64) error
	// DeleteCertificate refuses with ErrInUse what is attached to a thing or, without force, has policies.
	DeleteCertificate(ctx context.Context, id string, force bool) error
	// DeleteExpired deletes pending certificates whose token has expired and claims that are older than a day.
	DeleteExpired(ctx context.Context, now int64) error
}

// Things keeps things.
type Things interface {
	CreateThing(ctx context.Context, t Thing) error
	Thing(ctx context.Context, name string) (Thing, error)
	Things(ctx context.Context) ([]Thing, error)
	// ListThings lists those with a name after the given one, in order of name.
	ListThings(ctx context.Context, after string, limit int) ([]Thing, error)
	// UpdateThing stores what f makes of type and attributes. expected 0 takes any version.
	UpdateThing(ctx context.Context, name string, expected int64, f func(*Thing) error) error
	// DeleteThing refuses with ErrInUse a thing with certificates.
	DeleteThing(ctx context.Context, name string, expected int64) error
	// SetPresences records in order who connected or went away, in one transaction: a fleet that comes back does not keep
	// pours waiting.
	SetPresences(ctx context.Context, changes []Presence) error
	// AllOffline is called at start: nobody is connected yet.
	AllOffline(ctx context.Context, at int64) error
}

// Fleet keeps who may be which thing.
type Fleet interface {
	// Register settles the certificate and makes the thing, or takes it up again, in one transaction. With a serial it is
	// a claim: every other certificate of the thing is deactivated, FirstConnected and Released are reset.
	Register(ctx context.Context, r Registration) error
	// Release lets a serial be claimed again and deactivates the thing's certificates.
	Release(ctx context.Context, serial string) error
}

// Entries keeps thing types, thing groups, policies and templates.
type Entries interface {
	// CreateEntry makes an entry; a body, if not empty, becomes its version 1 and default.
	CreateEntry(ctx context.Context, e Entry, body string) error
	Entry(ctx context.Context, kind, name string) (Entry, error)
	// ListEntries lists those with a name after the given one, in order of name.
	ListEntries(ctx context.Context, kind, after string, limit int) ([]Entry, error)
	// UpdateEntry stores what f makes of the settings. expected 0 takes any version.
	UpdateEntry(ctx context.Context, kind, name string, expected, at int64, f func(*Entry) error) error
	// DeleteEntry refuses with ErrInUse a policy that is attached or has several versions, and a type that things have.
	DeleteEntry(ctx context.Context, kind, name string) error
	// AddBody refuses with ErrLimit a sixth version.
	AddBody(ctx context.Context, kind, name, text string, setDefault bool, at int64) (Body, error)
	Body(ctx context.Context, kind, name string, version int) (Body, error)
	// Bodies lists all, oldest first.
	Bodies(ctx context.Context, kind, name string) ([]Body, error)
	SetDefaultBody(ctx context.Context, kind, name string, version int, at int64) error
	// DeleteBody refuses with ErrInUse the default.
	DeleteBody(ctx context.Context, kind, name string, version int) error
	// Seed makes the stack's entries. One that was changed since stands until the stack itself changes; one that the
	// stack no longer says loses its mark.
	Seed(ctx context.Context, seeds []Seed, at int64) error
}

// Links keeps what is attached to what. Attaching twice is no error; detaching what is not attached is ErrNotFound.
type Links interface {
	// AttachPolicy refuses with ErrNotFound a policy that is not there, with ErrLimit an eleventh of one target.
	AttachPolicy(ctx context.Context, policy, target string, at int64) error
	DetachPolicy(ctx context.Context, policy, target string) error
	PoliciesOf(ctx context.Context, target string) ([]string, error)
	TargetsOf(ctx context.Context, policy string) ([]string, error)

	// AttachThing refuses with ErrSole what would give another thing to a certificate that is attached as sole, or is to be.
	AttachThing(ctx context.Context, thing, certificateID string, sole bool, at int64) error
	DetachThing(ctx context.Context, thing, certificateID string) error
	// CertificatesOf lists a thing's certificates, newest first.
	CertificatesOf(ctx context.Context, thing string) ([]Certificate, error)

	// AddToGroup refuses with ErrGroups an eleventh group of a thing and a second one of the same hierarchy.
	AddToGroup(ctx context.Context, group, thing string, at int64) error
	RemoveFromGroup(ctx context.Context, group, thing string) error
	GroupsOf(ctx context.Context, thing string) ([]string, error)
	// ThingsIn lists members with a name after the given one, in order.
	ThingsIn(ctx context.Context, group, after string, limit int) ([]string, error)
}
