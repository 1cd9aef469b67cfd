// Package config is the configuration of fountaind: typed, every key with a default, every value with its origin.
// It is the only package that imports viper; besides that it may import internal packages.
//
//	defaults < file (YAML) < environment FOUNTAIN_<SECTION>_<KEY> < config shadow < technician's file
//	                                         └──Load──► *Config, or every problem ──Now──► what counts after a change
//
// The config shadow sets the keys that the table allows it to; its last good state lies in STATE/config-shadow.json, so
// that it counts offline too. The technician's file (STATE/technician.yaml) holds the few keys that are set on the unit
// itself. Neither keeps a unit from starting: what is wrong in one is left out as a whole and told in Config.CloudRefused
// or Refused. Unknown keys and wrong types are refused with file, line and key. A loaded Config is not changed any more.
// Safety (rig, bounds, interlocks) is not configured here but in the rig file; the limits of temperature and pressure are,
// by the file alone.
package config

import (
	"time"

	"fountain/internal/problem"
)

// Config is everything fountaind is told. Fields follow the keys: Sync.DrainRate is sync.drain_rate.
type Config struct {
	Unit      Unit               `mapstructure:"unit"`
	Catalogue FileRef            `mapstructure:"catalogue"`
	Planogram FileRef            `mapstructure:"planogram"`
	Rig       string             `mapstructure:"rig"` // RigSim, or the path of a rig file
	Cloud     Cloud              `mapstructure:"cloud"`
	Sync      Sync               `mapstructure:"sync"`
	Pour      Pour               `mapstructure:"pour"`
	Limits    Limits             `mapstructure:"limits"`
	Stock     Stock              `mapstructure:"stock"`
	API       API                `mapstructure:"api"`
	Log       Log                `mapstructure:"log"`
	File      string             `mapstructure:"-"` // the file it was loaded from; empty: none
	Refused   []*problem.Problem `mapstructure:"-"` // why the technician's values were left out; empty: they were not
	origins   originMap          // by key path

	CloudRefused []*problem.Problem `mapstructure:"-"` // why the cloud's were
	base         base               // the layers beneath them
}

// RigSim is the value of rig that means the simulated machine.
const RigSim = "sim"

// Unit says which machine this is and where it stands.
type Unit struct {
	Serial   string `mapstructure:"serial"`
	Venue    string `mapstructure:"venue"`
	Timezone string `mapstructure:"timezone"` // IANA name
	Language string `mapstructure:"language"` // BCP 47

	// What the screen shows and offers.
	Languages []string `mapstructure:"languages"` // BCP 47; empty: all it has words for
	Units     string   `mapstructure:"units"`     // ml | fl_oz | both
	PanelMM   string   `mapstructure:"panel_mm"`  // lit area as it hangs, width x height; empty: unknown. See Panel
	PhoneURL  string   `mapstructure:"phone_url"` // of the hand-over to a phone; empty: none
	Mixes     bool     `mapstructure:"mixes"`     // mixes are offered and poured
	Speech    string   `mapstructure:"speech"`    // audio device; empty: no speech
}

// Panel is PanelMM in numbers, width and height in mm; 0 when it is unknown.
func (u Unit) Panel() (w, h float64) {
	w, h, _ = panel(u.PanelMM) // checked by Load
	return w, h
}

// FileRef names a file; empty means the embedded one. Relative paths are relative to the configuration file.
type FileRef struct {
	File string `mapstructure:"file"`
}

// Cloud says how to reach the cloud.
type Cloud struct {
	Enabled       bool   `mapstructure:"enabled"`
	EndpointsFile string `mapstructure:"endpoints_file"` // written by fountain-cloud; fills in what is empty below
	MQTT          string `mapstructure:"mqtt"`           // host:port, several with commas, best first
	CA            string `mapstructure:"ca"`             // PEM file
	ClaimCert     string `mapstructure:"claim_cert"`     // PEM file
	ClaimKey      string `mapstructure:"claim_key"`      // PEM file
	Template      string `mapstructure:"template"`       // provisioning template name
	Proxy         string `mapstructure:"proxy"`          // http://[user:password@]host:port, asked to CONNECT; empty: none
	// RenewBefore is how long before its end the unit's certificate is renewed.
	RenewBefore time.Duration `mapstructure:"renew_before"`
}

// Sync tunes the uplink.
type Sync struct {
	DrainRate      int           `mapstructure:"drain_rate"` // messages per second
	Linger         time.Duration `mapstructure:"linger"`     // how long a record may wait for company
	Rule           string        `mapstructure:"rule"`       // topic rule of Basic Ingest
	Window         int           `mapstructure:"window"`     // messages in flight
	LedgerInterval time.Duration `mapstructure:"ledger_interval"`
}

// Pour says what portions are offered.
type Pour struct {
	Sizes []Size  `mapstructure:"sizes"`
	MaxML float64 `mapstructure:"max_ml"` // no pour is larger
}

// Size is one cup size.
type Size struct {
	ID string  `mapstructure:"id" yaml:"id" json:"id"`
	ML float64 `mapstructure:"ml" yaml:"ml" json:"ml"`
}

// API tunes the local API.
type API struct {
	Metrics bool `mapstructure:"metrics"` // serve /v1/metrics
}

// Log says what is logged and where.
type Log struct {
	Level    string   `mapstructure:"level"`  // debug | info | warn | error
	Format   string   `mapstructure:"format"` // text | json
	File     string   `mapstructure:"file"`   // empty: standard error, no rotation
	Rotation Rotation `mapstructure:"rotation"`
}

// Rotation bounds the log files.
type Rotation struct {
	MaxSizeMB int           `mapstructure:"max_size_mb"`
	MaxAge    time.Duration `mapstructure:"max_age"`
	Keep      int           `mapstructure:"keep"` // old files kept
}

// Kinds of origin.
const (
	FromDefault = "default"
	FromFile    = "file"
	FromEnv     = "env"
	FromCloud   = "cloud"

	FromTechnician = "technician"
)

// Origin says where a value came from.
type Origin struct {
	Kind  string `json:"kind"`            // default | file | env | cloud | technician
	Where string `json:"where,omitempty"` // path:line, the variable's name or the shadow's version
}

type originMap map[string]Origin

// Origin of the value of a key such as "sync.drain_rate".
func (c *Config) Origin(key string) Origin { return c.origins[key] }
