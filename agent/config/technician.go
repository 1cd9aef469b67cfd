package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// TechnicianName is the technician's file in the state directory.
const TechnicianName = "technician.yaml"

const technicianHead = "# Set on this unit by a technician (fountainctl setup). These values win over the file, the environment and the cloud.\n"

// readTechnician returns what the technician's file sets and everything wrong with it. No path or no file: nothing.
func readTechnician(path string) (source, []*problem.Problem) {
	none := source{map[string]any{}, originMap{}}
	if path == "" {
		return none, nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	src, problems := readFile(path, keys())
	for _, k := range keys() {
		if _, set := src.values[k.path]; set && !k.tech {
			problems = append(problems, bad(src.origins[k.path].Where, k.path+" is not a technician's to set", "delete the line; it belongs into the configuration file"))
		}
	}
	for k, o := range src.origins {
		src.origins[k] = Origin{FromTechnician, o.Where}
	}
	return src, problems
}

// SetTechnician sets one key in the technician's file at path, which it creates. The value is checked as every other;
// it counts from the next start on. A file that cannot be read is kept as PATH.bad and begun anew.
func SetTechnician(path, name, value string) error {
	var found *key
	for _, k := range keys() {
		if k.path == name && k.tech {
			found = &k
		}
	}
	if found == nil {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: name, What: "this key is not a technician's to set", Remedy: "set it in the configuration file"}
	}
	v, ok := found.kind.parse(value)
	why := "must be " + found.kind.want()
	if ok {
		why = ""
		if found.check != nil {
			why = found.check(v)
		}
	}
	if why != "" {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: name, What: fmt.Sprintf("%s is %q", name, redact(value)), Remedy: why}
	}
	src, problems := readTechnician(path)
	if len(problems) > 0 {
		if err := os.Rename(path, path+".bad"); err != nil {
			return fmt.Errorf("keep the unreadable %s: %w", path, err)
		}
		src = source{map[string]any{}, originMap{}}
	}
	src.values[name] = v
	tree := map[string]any{}
	for k, val := range src.values {
		plant(tree, strings.Split(k, "."), val)
	}
	var b bytes.Buffer
	b.WriteString(technicianHead)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(tree); err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return atomicfile.Write(path, b.Bytes(), 0o600) // cloud.proxy may hold a password
}

// Technician returns the values the technician's file at path sets, by key; what is wrong with it is an error.
func Technician(path string) (map[string]any, error) {
	src, problems := readTechnician(path)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	return src.values, nil
}
