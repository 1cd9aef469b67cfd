package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/viper"

	"fountain/internal/problem"
)

// envPrefix begins the names of our variables.
const envPrefix = "FOUNTAIN_"

// Layers are the places values come from, the later over the earlier.
type Layers struct {
	File       string   // YAML; empty: none
	Environ    []string // as os.Environ gives it
	Cloud      string   // last good state of the config shadow (CloudName); one that is not there sets nothing
	Technician string   // technician's file; one that is not there sets nothing
}

// Load reads the file (empty path: none), applies the environment (as os.Environ gives it) and validates. The error is a
// problem of code bad_config that names the first thing wrong and how many more there are.
func Load(path string, environ []string) (*Config, error) {
	return LoadLayers(Layers{File: path, Environ: environ})
}

// LoadLayers is Load with every layer.
func LoadLayers(l Layers) (*Config, error) {
	c, problems := CheckLayers(l)
	switch n := len(problems); n {
	case 0:
		return c, nil
	case 1:
		return nil, problems[0]
	default:
		p := *problems[0]
		p.What += fmt.Sprintf(" (and %d more: fountaind check-config lists them)", n-1)
		return nil, &p
	}
}

// Check is Load with every problem, the file's in its order, then the environment's; the Config is nil when there are any.
func Check(path string, environ []string) (*Config, []*problem.Problem) {
	return CheckLayers(Layers{File: path, Environ: environ})
}

// CheckLayers is LoadLayers with every problem of the file and the environment. What is wrong in the layers over them is
// left out and told in Refused and CloudRefused: each as a whole, the cloud's first, for the technician stands in front
// of the machine.
func CheckLayers(l Layers) (*Config, []*problem.Problem) {
	tech, techBad := readTechnician(l.Technician)
	if len(techBad) > 0 {
		tech = source{}
	}
	cloud, cloudBad := readCloud(l.Cloud)
	if len(cloudBad) > 0 {
		cloud = source{}
	}
	b := readBase(l)
	c, problems := b.merge(cloud, tech)
	if c == nil {
		for _, without := range [][2]source{{{}, tech}, {cloud, {}}, {{}, {}}} {
			if c, _ = b.merge(without[0], without[1]); c == nil {
				continue
			}
			if len(without[0].values) < len(cloud.values) {
				cloudBad = problems
			}
			if len(without[1].values) < len(tech.values) {
				techBad = problems
			}
			break
		}
	}
	if c == nil {
		_, problems = b.merge(source{}, source{})
		return nil, problems
	}
	c.Refused, c.CloudRefused = techBad, cloudBad
	return c, nil
}

// base are the layers that are read once, at the start.
type base struct {
	path     string
	file     source
	env      source
	problems []*problem.Problem
}

func readBase(l Layers) base {
	table := keys()
	b := base{path: l.File}
	if l.File != "" {
		b.file, b.problems = readFile(l.File, table)
	}
	env, bad := readEnv(l.Environ, table)
	b.env, b.problems = env, append(b.problems, bad...)
	return b
}

// merge makes a Config of the layers, or everything wrong with it.
func (b base) merge(over ...source) (*Config, []*problem.Problem) {
	table := keys()
	v := viper.New()
	origins := originMap{}
	for _, k := range table {
		v.SetDefault(k.path, k.def)
		origins[k.path] = Origin{Kind: FromDefault}
	}
	problems := slices.Clone(b.problems)
	tree := map[string]any{}
	for k, val := range b.file.values {
		plant(tree, strings.Split(k, "."), val)
		origins[k] = b.file.origins[k]
	}
	if err := v.MergeConfigMap(tree); err != nil {
		problems = append(problems, problem.From(fmt.Errorf("merge %s: %w", b.path, err)))
	}
	for _, s := range append([]source{b.env}, over...) {
		for k, val := range s.values {
			v.Set(k, val)
			origins[k] = s.origins[k]
		}
	}
	c := &Config{File: b.path, origins: origins, base: b}
	err := v.UnmarshalExact(c)
	if err != nil {
		problems = append(problems, problem.From(fmt.Errorf("read configuration: %w", err)))
	}
	for _, k := range table {
		if k.check != nil {
			if why := k.check(c.value(k.path)); why != "" {
				problems = append(problems, c.wrong(k.path, fmt.Sprintf("%s is %v", k.path, show(c.value(k.path))), why))
			}
		}
	}
	c.resolve()
	problems = append(problems, c.together()...)
	if len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// plant puts a value at its place in a tree of maps.
func plant(tree map[string]any, path []string, v any) {
	for _, p := range path[:len(path)-1] {
		next, ok := tree[p].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[p] = next
		}
		tree = next
	}
	tree[path[len(path)-1]] = v
}

// readEnv takes our variables. Others that begin with FOUNTAIN_ belong to other programs, unless they begin like one of
// our sections: then they are a slip.
func readEnv(environ []string, table []key) (source, []*problem.Problem) {
	out := source{map[string]any{}, originMap{}}
	var problems []*problem.Problem
	known := map[string]key{}
	var sections []string
	for _, k := range table {
		known[k.envName()] = k
		if section, _, ok := strings.Cut(k.path, "."); ok {
			sections = append(sections, envPrefix+strings.ToUpper(section)+"_")
		}
	}
	for _, kv := range slices.Sorted(slices.Values(environ)) {
		name, s, _ := strings.Cut(kv, "=")
		k, ok := known[name]
		if !ok {
			if slices.ContainsFunc(sections, func(p string) bool { return strings.HasPrefix(name, p) }) {
				problems = append(problems, bad(name, "unknown variable "+name, suggest(name, known)))
			}
			continue
		}
		if k.file {
			problems = append(problems, bad(name, k.path+" cannot be set by the environment: it decides what the machine may do",
				"unset the variable and set "+k.path+" in the configuration file"))
			continue
		}
		v, ok := k.kind.parse(s)
		if !ok {
			problems = append(problems, bad(name, fmt.Sprintf("%s must be %s, not %q", k.path, k.kind.want(), s), "correct the variable or unset it"))
			continue
		}
		out.values[k.path] = v
		out.origins[k.path] = Origin{FromEnv, name}
	}
	return out, problems
}

// wrong makes a problem about the value of a key, where it came from.
func (c *Config) wrong(k, what, remedy string) *problem.Problem {
	where := k
	if o := c.origins[k]; o.Where != "" && o.Kind != FromCloud { // the cloud is told the key
		where = o.Where
	}
	return bad(where, what, remedy)
}

// resolve makes relative paths of the file absolute.
func (c *Config) resolve() {
	for k, p := range c.paths() {
		if *p == "" || k == "rig" && *p == RigSim || filepath.IsAbs(*p) {
			continue
		}
		base := ""
		if c.origins[k].Kind == FromFile {
			base = filepath.Dir(c.File)
		}
		if abs, err := filepath.Abs(filepath.Join(base, *p)); err == nil { // fails only without a working directory
			*p = abs
		}
	}
}

// together checks what no key can tell by itself.
func (c *Config) together() []*problem.Problem {
	var out []*problem.Problem
	for _, s := range c.Pour.Sizes {
		if s.ML > c.Pour.MaxML {
			out = append(out, c.wrong("pour.sizes", fmt.Sprintf("pour.sizes: %s is %g ml, more than pour.max_ml %g", s.ID, s.ML, c.Pour.MaxML), "make the size smaller, or raise pour.max_ml"))
		}
	}
	out = append(out, c.limitsTogether()...)
	if c.Cloud.Configured() && c.Unit.Serial == "" {
		out = append(out, c.wrong("unit.serial", "unit.serial is empty", "set unit.serial in the configuration file, or FOUNTAIN_UNIT_SERIAL: a unit cannot be claimed without its serial number"))
	}
	if c.Cloud.Enabled && c.Cloud.EndpointsFile == "" && c.Cloud.MQTT != "" {
		for _, k := range []string{"cloud.ca", "cloud.claim_cert", "cloud.claim_key", "cloud.template"} {
			if c.value(k) == "" {
				out = append(out, c.wrong(k, k+" is empty although cloud.mqtt is set", "set it, or give cloud.endpoints_file instead"))
			}
		}
	}
	for _, k := range []string{"rig", "catalogue.file", "planogram.file"} {
		path := *c.paths()[k]
		if path == "" || k == "rig" && path == RigSim {
			continue
		}
		if st, err := os.Stat(path); err != nil || st.IsDir() {
			out = append(out, c.wrong(k, fmt.Sprintf("%s: there is no file %s", k, path), "correct the path; one in a configuration file counts from its folder"))
		}
	}
	return out
}

// Configured says whether there is a cloud to connect to.
func (c Cloud) Configured() bool { return c.Enabled && (c.EndpointsFile != "" || c.MQTT != "") }

// Location is the venue's time zone.
func (c *Config) Location() *time.Location {
	loc, err := time.LoadLocation(c.Unit.Timezone)
	if err != nil {
		return time.UTC // checked by Load
	}
	return loc
}

// Value is one key as it stands.
type Value struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin Origin `json:"origin"`
	Doc    string `json:"doc"`
	Tech   bool   `json:"tech"`  // a technician may set it on the unit
	Cloud  bool   `json:"cloud"` // the config shadow may set it
}

// Values lists every key in the order of the table.
func (c *Config) Values() []Value {
	var out []Value
	for _, k := range keys() {
		v := c.value(k.path)
		if d, ok := v.(time.Duration); ok {
			v = d.String()
		}
		out = append(out, Value{k.path, Masked(v), c.origins[k.path], k.doc, k.tech, k.cloud})
	}
	return out
}

// Print writes every key with its value and origin, secrets redacted.
func (c *Config) Print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, v := range c.Values() {
		from := v.Origin.Kind
		if v.Origin.Where != "" {
			from += " " + v.Origin.Where
		}
		if _, err := fmt.Fprintf(tw, "%s:\t%s\t# %s\n", v.Key, show(v.Value), from); err != nil {
			return fmt.Errorf("print configuration: %w", err)
		}
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// Masked is a value without the secrets that may be in it.
func Masked(v any) any {
	if s, ok := v.(string); ok {
		return redact(s)
	}
	return v
}

// Show formats a value as one would write it, secrets masked.
func Show(v any) string { return show(v) }

// show formats a value as one would write it.
func show(v any) string {
	switch x := v.(type) {
	case string:
		return fmt.Sprintf("%q", redact(x))
	case []string:
		return "[" + strings.Join(x, ", ") + "]"
	case []Size:
		var parts []string
		for _, s := range x {
			parts = append(parts, fmt.Sprintf("{id: %s, ml: %g}", s.ID, s.ML))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return fmt.Sprint(v)
	}
}

// redact keeps key material that landed in a value, and passwords of addresses, out of every output.
func redact(s string) string {
	if strings.Contains(s, "-----BEGIN") {
		return "(secret)"
	}
	scheme, rest, address := strings.Cut(s, "://")
	switch {
	case address && strings.Contains(rest, "@") && !strings.ContainsAny(scheme, ":/@"):
		return MaskProxy(s)
	case strings.Contains(s, "@") && strings.Contains(s, ":"): // an address that was mistyped
		return "(secret)"
	}
	return s
}

// value is the field of a key.
func (c *Config) value(path string) any {
	if f := c.field(path); f != nil {
		return reflect.ValueOf(f).Elem().Interface()
	}
	switch path {
	case "unit.serial":
		return c.Unit.Serial
	case "cloud.enabled":
		return c.Cloud.Enabled
	case "cloud.template":
		return c.Cloud.Template
	case "cloud.renew_before":
		return c.Cloud.RenewBefore
	case "sync.rule":
		return c.Sync.Rule
	case "sync.window":
		return c.Sync.Window
	case "sync.ledger_interval":
		return c.Sync.LedgerInterval
	case "pour.max_ml":
		return c.Pour.MaxML
	case "api.metrics":
		return c.API.Metrics
	case "log.format":
		return c.Log.Format
	case "log.rotation.max_size_mb":
		return c.Log.Rotation.MaxSizeMB
	case "log.rotation.max_age":
		return c.Log.Rotation.MaxAge
	case "log.rotation.keep":
		return c.Log.Rotation.Keep
	default:
		if v, ok := c.limit(path); ok {
			return v
		}
		return *c.paths()[path]
	}
}
