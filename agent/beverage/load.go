package beverage

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the default catalogue and its schemas
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"fountain/internal/problem"
)

//go:embed catalogue.json
var defaultCatalogue []byte

//go:embed planogram.json
var demoPlanogram []byte

//go:embed catalogue.schema.json
var catalogueSchema []byte

//go:embed planogram.schema.json
var planogramSchema []byte

// Default is the embedded catalogue.
func Default() (*Catalogue, error) { return Parse(defaultCatalogue, "embedded catalogue") }

// embedded is checked once; whoever loads it shares it.
var embedded = sync.OnceValues(Default)

// Load reads a catalogue file; an empty path is the embedded one. Nobody changes what it returns. A file that breaks the schema or a rule is refused
// whole with problem.CodeBadConfig, the place inside the file and the reason.
func Load(path string) (*Catalogue, error) {
	if path == "" {
		return embedded()
	}
	b, err := read(path, "catalogue.file")
	if err != nil {
		return nil, err
	}
	return Parse(b, path)
}

// Parse reads a catalogue. where names the source in errors.
func Parse(b []byte, where string) (*Catalogue, error) {
	if err := validate(catalogueSchema, b, where); err != nil {
		return nil, err
	}
	var c Catalogue
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, bad(where, "", err.Error())
	}
	if err := c.check(where); err != nil {
		return nil, err
	}
	c.Digest = fmt.Sprintf("sha256:%x", sha256.Sum256(b))
	return &c, nil
}

// LoadPlanogram reads a planogram file and checks it against the catalogue; an empty path is the embedded demo.
func LoadPlanogram(path string, c *Catalogue) (*Planogram, error) {
	if path == "" {
		return ParsePlanogram(demoPlanogram, "embedded planogram", c)
	}
	b, err := read(path, "planogram.file")
	if err != nil {
		return nil, err
	}
	return ParsePlanogram(b, path, c)
}

// ParsePlanogram reads a planogram. where names the source in errors.
func ParsePlanogram(b []byte, where string, c *Catalogue) (*Planogram, error) {
	if err := validate(planogramSchema, b, where); err != nil {
		return nil, err
	}
	var p Planogram
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, bad(where, "", err.Error())
	}
	seen := map[string]bool{}
	for i, s := range p.Slots {
		at := fmt.Sprintf("/slots/%d", i)
		ing, ok := c.Ingredient(s.Ingredient)
		switch {
		case seen[s.Slot]:
			return nil, bad(where, at+"/slot", fmt.Sprintf("slot %q is listed twice", s.Slot))
		case !ok:
			return nil, bad(where, at+"/ingredient", fmt.Sprintf("ingredient %q is not in the catalogue", s.Ingredient))
		case ing.Kind == KindCarrier:
			return nil, bad(where, at+"/ingredient", fmt.Sprintf("%q comes from the water line and needs no slot", s.Ingredient))
		}
		seen[s.Slot] = true
	}
	return &p, nil
}

func read(path, key string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: fmt.Sprintf("cannot read the file: %v", errors.Unwrap(err)), Remedy: "correct " + key + ", or leave it out for the embedded one"}
	}
	return b, nil
}

func bad(where, at, what string) error {
	if at != "" {
		where += "#" + at
	}
	return &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: what, Remedy: "correct the file; nothing of it was applied"}
}

// validate checks b against a schema and names the deepest place that is wrong.
func validate(schema, b []byte, where string) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return bad(where, "", syntaxError(b, err))
	}
	sch, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return fmt.Errorf("read embedded schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", sch); err != nil {
		return fmt.Errorf("read embedded schema: %w", err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		return fmt.Errorf("compile embedded schema: %w", err)
	}
	err = compiled.Validate(doc)
	var v *jsonschema.ValidationError
	if errors.As(err, &v) {
		v = deepest(v)
		return bad(where, "/"+strings.Join(v.InstanceLocation, "/"), v.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
	}
	return err
}

// deepest follows the causes to the most specific complaint: the one with the longest path. Of the alternatives of a
// shape, only the one of its own type speaks.
func deepest(v *jsonschema.ValidationError) *jsonschema.ValidationError {
	_, alternatives := v.ErrorKind.(*kind.OneOf)
	best := v
	for _, c := range v.Causes {
		d := deepest(c)
		if _, other := d.ErrorKind.(*kind.Const); alternatives && other {
			continue
		}
		if best == v || len(d.InstanceLocation) > len(best.InstanceLocation) {
			best = d
		}
	}
	return best
}

func syntaxError(b []byte, err error) string {
	var s *json.SyntaxError
	if errors.As(err, &s) {
		line := 1 + bytes.Count(b[:min(int(s.Offset), len(b))], []byte("\n"))
		return fmt.Sprintf("line %d: %v", line, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("line %d: the file ends in the middle", 1+bytes.Count(b, []byte("\n")))
	}
	return err.Error()
}
