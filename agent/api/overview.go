package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// What the service home and its pages show.
//
//	GET /v1/service/overview               Overview
//	GET /v1/service/network                Network
//	PUT /v1/service/network/proxy          SetProxy -> 200 Network; counts from the next start on
//	GET /v1/service/logs?since=N&level=L   Logs: what is newer than entry N (0: all that is kept) and at least L
//	GET /v1/service/diag                   application/gzip: a tar file, at most MaxDiag
//	GET /v1/service/diag?short=1           text/plain, at most MaxDiagShort bytes: fits a QR code
//	GET /v1/service/config                 []ConfigValue, secrets masked
//	PUT /v1/service/config/{key}           SetConfig -> 200 ConfigValue; a technician's keys only; those of the screen count at
//	                                       once, the others from the next start on

// Bounds of diagnostics.
const (
	MaxDiag      = 4 << 20
	MaxDiagShort = 800
)

// Overview is the service home.
type Overview struct {
	At       time.Time   `json:"at"`    // the unit's clock, in the venue's zone
	Place    string      `json:"place"` // unit.venue
	Serial   string      `json:"serial"`
	Thing    string      `json:"thing,omitempty"` // empty before it was claimed
	Todos    []Todo      `json:"todos"`           // what harms most first
	Slots    []SlotLevel `json:"slots"`           // in the planogram's order
	Figures  Figures     `json:"figures"`
	Versions Versions    `json:"versions"`
	Network  Network     `json:"network"`
}

// Todo is one thing for the crew to do. Alarm and Scope let the screen show its own words for the alarm; What and Remedy
// are English.
type Todo struct {
	Severity string `json:"severity"` // blocks | warns
	Alarm    string `json:"alarm"`    // name of the alarm
	Scope    string `json:"scope"`
	What     string `json:"what"`
	Evidence string `json:"evidence,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
	Line     string `json:"line,omitempty"`   // valve, meter, pump, slot or nozzle it is about; empty: the unit, or several at once
	Action   string `json:"action"`           // one of Action…
	Hidden   int    `json:"hidden,omitempty"` // beverages that are not offered because of it
}

// The one action of a Todo: where its button leads.
const (
	ActionCartridge = "cartridge" // swap or read the cartridge of Line
	ActionClean     = "clean"     // start OpClean of Line
	ActionCalibrate = "calibrate" // start OpCalibrate of Line
	ActionPrime     = "prime"     // start OpPrime of Line
	ActionBrix      = "brix"      // start OpBrix
	ActionSelfTest  = "selftest"  // start OpSelfTest
	ActionNetwork   = "network"   // the network page
	ActionShow      = "show"      // the alarm's page: its remedy, and clearing where a person has to
)

// SlotLevel is one cartridge slot as a level.
type SlotLevel struct {
	Slot       string `json:"slot"`
	Ingredient string `json:"ingredient,omitempty"`
	Name       string `json:"name,omitempty"` // of the ingredient, in English
	LeftUL     int64  `json:"left_ul"`
	FullUL     int64  `json:"full_ul"`
	Percent    int    `json:"percent"`       // 0 to 100; 0 means empty
	State      string `json:"state"`         // as Cartridge.State
	Low        bool   `json:"low,omitempty"` // few drinks are left
}

// Figures are measured. A pointer is nil when the unit has no such sensor, or it gives no good reading.
type Figures struct {
	WaterC      *float64   `json:"water_c,omitempty"`
	GasKPa      *float64   `json:"gas_kpa,omitempty"`
	InletKPa    *float64   `json:"inlet_kpa,omitempty"`
	DrinksToday int        `json:"drinks_today"` // since midnight in the venue's zone
	Online      bool       `json:"online"`
	LastSync    *time.Time `json:"last_sync,omitempty"` // when the cloud last confirmed pours
	Backlog     uint64     `json:"backlog"`             // pours it has not confirmed
	FreeBytes   uint64     `json:"free_bytes"`          // of the storage the state directory lies on
	TotalBytes  uint64     `json:"total_bytes"`
	UptimeS     int64      `json:"uptime_s"` // of the agent
}

// Versions are what runs.
type Versions struct {
	Software  string `json:"software"`
	BootSlot  string `json:"boot_slot,omitempty"` // where the unit has two
	Catalogue string `json:"catalogue"`           // digest
	Planogram string `json:"planogram"`           // its name
	Campaign  string `json:"campaign,omitempty"`
	Rig       string `json:"rig"` // sim | hw
}

// Network is how the unit reaches the cloud.
type Network struct {
	Links     []NetLink `json:"links"`
	Proxy     string    `json:"proxy,omitempty"`      // in use; its password masked
	NextProxy string    `json:"next_proxy,omitempty"` // set, but in use from the next start on only; "none" for no proxy
	Cloud     string    `json:"cloud"`                // as Cloud.State
	Endpoint  string    `json:"endpoint,omitempty"`
	LastErr   string    `json:"last_error,omitempty"`
}

// NetLink is one network interface.
type NetLink struct {
	Name      string   `json:"name"`
	Up        bool     `json:"up"`
	MAC       string   `json:"mac,omitempty"`
	Addresses []string `json:"addresses"` // with their prefix length
}

// SetProxy names the proxy; empty: none.
type SetProxy struct {
	Proxy  string `json:"proxy"` // http://host:port
	Person string `json:"person,omitempty"`
}

// Logs are lines of the unit's log.
type Logs struct {
	Next    uint64    `json:"next"`           // give it as since to get what comes after
	Lost    uint64    `json:"lost,omitempty"` // lines after since that the ring no longer has
	Entries []LogLine `json:"entries"`        // oldest first
}

// LogLine is one line.
type LogLine struct {
	N     uint64    `json:"n"`
	At    time.Time `json:"at"`
	Level string    `json:"level"` // debug | info | warn | error
	Text  string    `json:"text"`
	Attrs string    `json:"attrs,omitempty"` // key=value …
}

// ConfigValue is one key of the configuration.
type ConfigValue struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin"` // default | file | env | cloud | technician
	Where  string `json:"where,omitempty"`
	Doc    string `json:"doc"`
	Tech   bool   `json:"tech"`           // a technician may set it here
	Cloud  bool   `json:"cloud"`          // the config shadow may set it
	Next   any    `json:"next,omitempty"` // what it will be from the next start on, if it was set meanwhile
}

// SetConfig sets one key.
type SetConfig struct {
	Value  string `json:"value"`
	Person string `json:"person,omitempty"`
}

// Overview returns what the service home shows.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	var o Overview
	return o, c.do(ctx, c.plain, http.MethodGet, "/v1/service/overview", nil, &o)
}

// Network tells how the unit reaches the cloud.
func (c *Client) Network(ctx context.Context) (Network, error) {
	var n Network
	return n, c.do(ctx, c.plain, http.MethodGet, "/v1/service/network", nil, &n)
}

// SetProxy names the proxy from the next start on; empty: none.
func (c *Client) SetProxy(ctx context.Context, in SetProxy) (Network, error) {
	var n Network
	return n, c.do(ctx, c.plain, http.MethodPut, "/v1/service/network/proxy", in, &n)
}

// Logs returns the lines after since (0: all that are kept) of at least level ("" = all).
func (c *Client) Logs(ctx context.Context, since uint64, level string) (Logs, error) {
	var l Logs
	q := url.Values{"since": {strconv.FormatUint(since, 10)}}
	if level != "" {
		q.Set("level", level)
	}
	return l, c.do(ctx, c.plain, http.MethodGet, "/v1/service/logs?"+q.Encode(), nil, &l)
}

// Config lists every key of the configuration.
func (c *Client) Config(ctx context.Context) ([]ConfigValue, error) {
	var l []ConfigValue
	return l, c.do(ctx, c.plain, http.MethodGet, "/v1/service/config", nil, &l)
}

// SetConfig sets one key: at once when it is the screen's, else from the next start on.
func (c *Client) SetConfig(ctx context.Context, key string, in SetConfig) (ConfigValue, error) {
	var v ConfigValue
	return v, c.do(ctx, c.plain, http.MethodPut, "/v1/service/config/"+url.PathEscape(key), in, &v)
}

// Diag returns the diagnostics: a gzipped tar file of at most MaxDiag bytes.
func (c *Client) Diag(ctx context.Context) ([]byte, error) {
	return c.bytes(ctx, "/v1/service/diag")
}

// DiagShort returns the diagnostics as a text of at most MaxDiagShort bytes.
func (c *Client) DiagShort(ctx context.Context) (string, error) {
	b, err := c.bytes(ctx, "/v1/service/diag?short=1")
	return string(b), err
}
