package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
	"fountain/internal/strictjson"
)

// CloudName is the file in the state directory that keeps the last good state of the config shadow.
const CloudName = "config-shadow.json"

// Shadow is a desired state of the config shadow: sections and keys as in the configuration file.
type Shadow struct {
	Version int64           `json:"version"` // of the shadow
	Desired json.RawMessage `json:"desired"`
}

// ReadShadow returns what KeepShadow kept; empty when it has kept nothing.
func ReadShadow(path string) (Shadow, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Shadow{}, nil
	}
	var s Shadow
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return Shadow{}, fmt.Errorf("read the last state of the config shadow: %w", err)
	}
	return s, nil
}

// KeepShadow keeps a good state for the next start, durably.
func KeepShadow(path string, s Shadow) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return atomicfile.Write(path, append(b, '\n'), 0o600)
}

// readCloud returns what the kept state sets and everything wrong with it.
func readCloud(path string) (source, []*problem.Problem) {
	none := source{map[string]any{}, originMap{}}
	if path == "" {
		return none, nil
	}
	s, err := ReadShadow(path)
	if err != nil {
		return none, []*problem.Problem{bad(path, err.Error(), "nothing: the cloud sends it again")}
	}
	return s.source()
}

// source checks a desired state for keys and types. The problems' Where is the key.
func (s Shadow) source() (source, []*problem.Problem) {
	out := source{map[string]any{}, originMap{}}
	if len(bytes.TrimSpace(s.Desired)) == 0 {
		return out, nil
	}
	var tree map[string]any
	if err := strictjson.Numbers(bytes.NewReader(s.Desired), &tree); err != nil {
		return out, []*problem.Problem{bad("desired", "this is no object of keys: "+err.Error(), "write sections and keys as in the configuration file")}
	}
	table := map[string]key{}
	sections := map[string]bool{}
	for _, k := range keys() {
		table[k.path] = k
		for i, c := range k.path {
			if c == '.' {
				sections[k.path[:i]] = true
			}
		}
	}
	origin := Origin{FromCloud, fmt.Sprintf("config shadow, version %d", s.Version)}
	var problems []*problem.Problem
	var walk func(tree map[string]any, prefix string)
	walk = func(tree map[string]any, prefix string) {
		for _, name := range slices.Sorted(maps.Keys(tree)) {
			path, v := prefix+name, tree[name]
			k, known := table[path]
			section, isTree := v.(map[string]any)
			switch {
			case v == nil: // nothing is said about it
			case known && !k.cloud:
				problems = append(problems, bad(path, path+" is not the cloud's to set", notTheClouds(k)))
			case known:
				val, ok := k.kind.fromJSON(v)
				if !ok {
					problems = append(problems, bad(path, fmt.Sprintf("%s must be %s", path, k.kind.want()), "correct the value"))
					continue
				}
				if k.check != nil { // also of a key that a technician's value hides
					if why := k.check(val); why != "" {
						problems = append(problems, bad(path, fmt.Sprintf("%s is %v", path, show(val)), why))
						continue
					}
				}
				out.values[path], out.origins[path] = val, origin
			case sections[path] && isTree:
				walk(section, path+".")
			default:
				problems = append(problems, bad(path, "unknown key "+path, suggest(path, table)))
			}
		}
	}
	walk(tree, "")
	if len(problems) > 0 {
		return source{map[string]any{}, originMap{}}, problems
	}
	return out, nil
}

func notTheClouds(k key) string {
	switch {
	case k.file:
		return "delete it: it decides what the machine may do, so only the file on the unit sets it"
	case k.tech:
		return "delete it: a technician sets it on the unit, or the configuration file does"
	}
	return "delete it: the configuration file sets it"
}

// fromJSON reads a value of the kind.
func (k kind) fromJSON(v any) (any, bool) {
	switch k {
	case boolean:
		b, ok := v.(bool)
		return b, ok
	case whole, number:
		n, ok := v.(json.Number)
		if !ok {
			return nil, false
		}
		return k.parse(n.String())
	case text, duration:
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		return k.parse(s)
	case words:
		list, ok := v.([]any)
		out := []string{}
		for _, e := range list {
			s, isText := e.(string)
			if !isText {
				return nil, false
			}
			out = append(out, s)
		}
		return out, ok
	default: // sizes
		list, ok := v.([]any)
		var out []Size
		for _, e := range list {
			m, isSize := e.(map[string]any)
			id, hasID := m["id"].(string)
			n, hasML := m["ml"].(json.Number)
			f, err := n.Float64()
			if !isSize || !hasID || !hasML || err != nil || len(m) != 2 {
				return nil, false
			}
			out = append(out, Size{ID: id, ML: f})
		}
		return out, ok
	}
}

// Now is c with what the config shadow and the technician's file (none: "") say by now. A technician's file that is no
// good sets nothing, as at a start. The shadow is taken as a whole or not at all: the problems name its keys.
func (c *Config) Now(s Shadow, technician string) (*Config, []*problem.Problem) {
	cloud, problems := s.source()
	if len(problems) > 0 {
		return nil, problems
	}
	tech, techBad := readTechnician(technician)
	if len(techBad) > 0 {
		tech = source{}
	}
	merged, problems := c.base.merge(cloud, tech)
	if merged == nil && len(tech.values) > 0 { // a technician's value must not keep the cloud from setting others
		var without []*problem.Problem
		if merged, without = c.base.merge(cloud); merged != nil {
			problems, tech = without, source{}
		}
	}
	if merged == nil {
		return nil, problems
	}
	next := *c
	next.origins = maps.Clone(c.origins)
	if next.origins == nil {
		next.origins = originMap{}
	}
	for _, k := range keys() {
		_, said := cloud.values[k.path]
		_, set := tech.values[k.path]
		was := c.origins[k.path].Kind
		if f := next.field(k.path); f != nil && (said || set || was == FromCloud || was == FromTechnician) {
			reflect.ValueOf(f).Elem().Set(reflect.ValueOf(merged.field(k.path)).Elem())
			next.origins[k.path] = merged.origins[k.path]
		}
	}
	return &next, nil
}

// Differs lists the keys that the cloud or a technician may set and that differ from another Config's.
func (c *Config) Differs(other *Config) []string {
	var out []string
	for _, k := range keys() {
		if (k.cloud || k.tech) && Show(c.value(k.path)) != Show(other.value(k.path)) {
			out = append(out, k.path)
		}
	}
	return out
}

// Applied is what of a desired state counts in c, in sections and word by word, so that a shadow that reports it has no
// delta.
func (c *Config) Applied(s Shadow) map[string]any {
	out := map[string]any{}
	cloud, _ := s.source()
	for path := range cloud.values {
		if c.origins[path].Kind == FromCloud {
			plant(out, strings.Split(path, "."), s.raw(path))
		}
	}
	return out
}

// raw is the value of a key as it was written.
func (s Shadow) raw(path string) json.RawMessage {
	raw := s.Desired
	for name := range strings.SplitSeq(path, ".") {
		var section map[string]json.RawMessage
		if json.Unmarshal(raw, &section) != nil {
			return nil // source has read it
		}
		raw = section[name]
	}
	return raw
}

// Overridden lists the keys of a desired state that a technician has set on the unit.
func (c *Config) Overridden(s Shadow) []string {
	cloud, _ := s.source()
	var out []string
	for _, path := range slices.Sorted(maps.Keys(cloud.values)) {
		if c.origins[path].Kind == FromTechnician {
			out = append(out, path)
		}
	}
	return out
}

// field is where a key that the cloud or a technician may set is kept; nil: it is none.
func (c *Config) field(key string) any {
	if f := c.Unit.field(key); f != nil {
		return f
	}
	switch key {
	case "unit.venue":
		return &c.Unit.Venue
	case "unit.timezone":
		return &c.Unit.Timezone
	case "cloud.proxy":
		return &c.Cloud.Proxy
	case "cloud.mqtt":
		return &c.Cloud.MQTT
	case "sync.drain_rate":
		return &c.Sync.DrainRate
	case "sync.linger":
		return &c.Sync.Linger
	case "pour.sizes":
		return &c.Pour.Sizes
	case "log.level":
		return &c.Log.Level
	}
	return nil
}
