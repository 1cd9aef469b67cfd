package config

import (
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a unit's image may carry no zone files
)

// kind is the type of a value.
type kind int

const (
	text kind = iota
	whole
	number
	boolean
	duration
	words
	sizes
)

// key is one thing that can be configured.
type key struct {
	path  string
	kind  kind
	def   any
	doc   string
	tech  bool             // a technician may set it on the unit
	cloud bool             // the config shadow may set it
	file  bool             // only the file may set it: a limit or what the hardware is (DESIGN 3)
	check func(any) string // what is wrong with a value of the right type; "" = nothing
}

// keys lists every key, in the order Print shows them.
func keys() []key {
	list := []key{
		{path: "unit.serial", kind: text, def: "", doc: "serial number; the thing's name comes from it", check: optional(`^[A-Za-z0-9_-]{1,64}$`, "use 1 to 64 letters, digits, - and _")},
		{path: "unit.venue", kind: text, def: "", doc: "where the unit stands", cloud: true, check: atMost(128)},
		{path: "unit.timezone", kind: text, def: "UTC", doc: "IANA time zone of the venue", tech: true, cloud: true, check: zone},
		{path: "unit.language", kind: text, def: "en", doc: "language of the screen unless a consumer chooses, BCP 47", tech: true, cloud: true, check: language},
		{path: "unit.languages", kind: words, def: []string{}, doc: "languages offered on the screen, in this order; empty: all it has words for; unit.language is always among them", tech: true, cloud: true, check: languages},
		{path: "unit.units", kind: text, def: "ml", doc: "volumes are shown in ml, fl_oz or both", tech: true, cloud: true, check: oneOf("ml", "fl_oz", "both")},
		{path: "unit.panel_mm", kind: text, def: "", doc: "lit area of the screen as it hangs, width x height in mm, such as 398x708; it makes touch targets large enough", tech: true, check: panelSize},
		{path: "unit.phone_url", kind: text, def: "", doc: "address shown as a QR code for a hand-over to a phone; empty: none", tech: true, cloud: true, check: webAddress},
		{path: "unit.mixes", kind: boolean, def: true, doc: "offer mixes of up to three beverages", tech: true, cloud: true},
		{path: "unit.speech", kind: text, def: "", doc: "audio device that speaks the screen, such as default or plughw:1,0; empty: none", tech: true, check: optional(`^[A-Za-z0-9][A-Za-z0-9_.:,=-]{0,63}$`, "must be the name of an audio device, such as default or plughw:1,0")},
		{path: "catalogue.file", kind: text, def: "", doc: "catalogue of beverages; empty: the embedded one"},
		{path: "planogram.file", kind: text, def: "", doc: "which cartridge sits where; empty: the embedded demo"},
		{path: "rig", kind: text, def: RigSim, doc: "sim, or the path of the rig file", file: true, check: notEmpty},
		{path: "cloud.enabled", kind: boolean, def: true, doc: "connect, if an endpoint is known"},
		{path: "cloud.endpoints_file", kind: text, def: "", doc: "endpoints.json of fountain-cloud; fills in the keys below"},
		{path: "cloud.mqtt", kind: text, def: "", doc: "MQTT endpoints, host:port, several with commas, best first; from the config shadow only if a connection by them works", cloud: true, check: hostPorts},
		{path: "cloud.ca", kind: text, def: "", doc: "PEM file of the server's root"},
		{path: "cloud.claim_cert", kind: text, def: "", doc: "PEM file of the claim certificate"},
		{path: "cloud.claim_key", kind: text, def: "", doc: "PEM file of the claim key"},
		{path: "cloud.template", kind: text, def: "", doc: "fleet provisioning template", check: optional(`^[0-9A-Za-z_-]{1,36}$`, "use 1 to 36 letters, digits, - and _")},
		{path: "cloud.proxy", kind: text, def: "", doc: "HTTP proxy to the cloud, http://[user:password@]host:port; empty: none", tech: true, check: proxyAddress},
		{path: "cloud.renew_before", kind: duration, def: 60 * 24 * time.Hour, doc: "the unit's certificate is renewed so long before its end; at most a third of its life", check: within(time.Hour, 2*366*24*time.Hour)},
		{path: "sync.drain_rate", kind: whole, def: 10, doc: "messages a second", cloud: true, check: between(1, 80)},
		{path: "sync.linger", kind: duration, def: time.Second, doc: "how long a record may wait for company", cloud: true, check: within(0, time.Minute)},
		{path: "sync.rule", kind: text, def: "fountain_consumption", doc: "topic rule that takes consumption", check: pattern(`^[A-Za-z0-9_]{1,128}$`, "use 1 to 128 letters, digits and _")},
		{path: "sync.window", kind: whole, def: 20, doc: "messages in flight; more, up to 50, when rate and round trip need it", check: between(1, 50)},
		{path: "sync.ledger_interval", kind: duration, def: 15 * time.Minute, doc: "how often the cloud writes its ledger at most; resend after three of them", check: within(time.Second, 24*time.Hour)},
		{path: "pour.sizes", kind: sizes, def: []Size{{"small", 355}, {"medium", 473}, {"large", 710}}, doc: "portions offered", cloud: true, check: sound},
		{path: "pour.max_ml", kind: number, def: 1000.0, doc: "no pour is larger, ml", file: true, check: between(50, 2000)},
	}
	list = append(list, limitKeys()...)
	return append(list, []key{
		{path: "api.metrics", kind: boolean, def: true, doc: "serve /v1/metrics"},
		{path: "log.level", kind: text, def: "info", doc: "debug, info, warn or error", cloud: true, check: oneOf("debug", "info", "warn", "error")},
		{path: "log.format", kind: text, def: "text", doc: "text or json", check: oneOf("text", "json")},
		{path: "log.file", kind: text, def: "", doc: "log file; empty: standard error, not rotated"},
		{path: "log.rotation.max_size_mb", kind: whole, def: 10, doc: "a log file is closed at this size", check: between(1, 1000)},
		{path: "log.rotation.max_age", kind: duration, def: 30 * 24 * time.Hour, doc: "and deleted at this age", check: within(time.Hour, 366*24*time.Hour)},
		{path: "log.rotation.keep", kind: whole, def: 5, doc: "old log files kept", check: between(0, 100)},
	}...)
}

// paths lists the keys that name files; relative ones in the file count from its folder.
func (c *Config) paths() map[string]*string {
	return map[string]*string{
		"catalogue.file": &c.Catalogue.File, "planogram.file": &c.Planogram.File, "rig": &c.Rig,
		"cloud.endpoints_file": &c.Cloud.EndpointsFile, "cloud.ca": &c.Cloud.CA, "cloud.claim_cert": &c.Cloud.ClaimCert,
		"cloud.claim_key": &c.Cloud.ClaimKey, "log.file": &c.Log.File,
	}
}

// envName is the variable that sets a key: sync.drain_rate -> FOUNTAIN_SYNC_DRAIN_RATE.
func (k key) envName() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_"))
}

// want says in words what a value of the kind looks like.
func (k kind) want() string {
	switch k {
	case whole:
		return "a whole number"
	case number:
		return "a number"
	case boolean:
		return "true or false"
	case duration:
		return "a duration such as 500ms, 1s or 15m"
	case words:
		return "a list of words"
	case sizes:
		return "a list of {id, ml}"
	default:
		return "text"
	}
}

// parse reads a value from text, as the environment has it.
func (k kind) parse(s string) (any, bool) {
	switch k {
	case whole:
		n, err := strconv.Atoi(s)
		return n, err == nil
	case number:
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
	case boolean:
		return s == "true", s == "true" || s == "false"
	case duration:
		d, err := time.ParseDuration(s)
		return d, err == nil
	case words: // en,de
		list := []string{}
		for w := range strings.SplitSeq(s, ",") {
			if w = strings.TrimSpace(w); w != "" {
				list = append(list, w)
			}
		}
		return list, true
	case sizes: // small:355,medium:473
		var list []Size
		for part := range strings.SplitSeq(s, ",") {
			id, ml, _ := strings.Cut(part, ":")
			f, err := strconv.ParseFloat(ml, 64)
			if err != nil {
				return nil, false
			}
			list = append(list, Size{ID: strings.TrimSpace(id), ML: f})
		}
		return list, true
	default:
		return s, true
	}
}

func notEmpty(v any) string {
	if v.(string) == "" {
		return "must not be empty"
	}
	return ""
}

func atMost(n int) func(any) string {
	return func(v any) string {
		if len(v.(string)) > n {
			return fmt.Sprintf("must not be longer than %d bytes", n)
		}
		return ""
	}
}

func pattern(re, say string) func(any) string {
	return func(v any) string {
		if !regexp.MustCompile(re).MatchString(v.(string)) {
			return say
		}
		return ""
	}
}

func optional(re, say string) func(any) string {
	return func(v any) string {
		if v.(string) == "" {
			return ""
		}
		return pattern(re, say)(v)
	}
}

func oneOf(list ...string) func(any) string {
	return func(v any) string {
		if !slices.Contains(list, v.(string)) {
			return "must be one of " + strings.Join(list, ", ")
		}
		return ""
	}
}

func between(lo, hi float64) func(any) string {
	return func(v any) string {
		var f float64
		switch n := v.(type) {
		case int:
			f = float64(n)
		case float64:
			f = n
		}
		if !(f >= lo && f <= hi) { // also not a number
			return fmt.Sprintf("must lie between %g and %g", lo, hi)
		}
		return ""
	}
}

func within(lo, hi time.Duration) func(any) string {
	return func(v any) string {
		if d := v.(time.Duration); d < lo || d > hi {
			return fmt.Sprintf("must lie between %s and %s", lo, hi)
		}
		return ""
	}
}

func zone(v any) string {
	s := v.(string)
	if s == "" || s == "Local" {
		return "must name an IANA time zone such as Europe/Berlin"
	}
	if _, err := time.LoadLocation(s); err != nil {
		return "must name an IANA time zone such as Europe/Berlin"
	}
	return ""
}

// mostEndpoints is how many endpoints may be named: each costs three attempts before the next is tried.
const mostEndpoints = 8

func hostPorts(v any) string {
	s := v.(string)
	if s == "" {
		return ""
	}
	list := strings.Split(s, ",")
	if len(list) > mostEndpoints {
		return fmt.Sprintf("must name at most %d endpoints", mostEndpoints)
	}
	for _, one := range list {
		if one = strings.TrimSpace(one); one == "" {
			return "must be host:port, such as localhost:8883, several with commas"
		}
		if why := hostPort(one); why != "" {
			return why
		}
	}
	return ""
}

func hostPort(v any) string {
	s := v.(string)
	if s == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.Atoi(port)
	if err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
		return "must be host:port, such as localhost:8883"
	}
	return ""
}

var sizeID = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func sound(v any) string {
	list := v.([]Size)
	if len(list) < 1 || len(list) > 3 {
		return "must list 1 to 3 sizes: a screen shows them side by side"
	}
	seen := map[string]bool{}
	for _, s := range list {
		switch {
		case !sizeID.MatchString(s.ID):
			return fmt.Sprintf("id %q: use 1 to 32 lower-case letters, digits and -", s.ID)
		case seen[s.ID]:
			return fmt.Sprintf("id %q appears twice", s.ID)
		case s.ML < 20 || math.IsNaN(s.ML):
			return fmt.Sprintf("%s: ml must be 20 or more", s.ID)
		}
		seen[s.ID] = true
	}
	return ""
}
