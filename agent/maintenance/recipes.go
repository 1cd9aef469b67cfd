package maintenance

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"fountain/internal/problem"
)

//go:embed recipes/*.yaml
var recipeFiles embed.FS

// What a recipe applies to.
const (
	AppliesValve  = "valve"
	AppliesPump   = "pump"
	AppliesNozzle = Nozzle
)

// Recipe is a cleaning as data.
type Recipe struct {
	ID      string       `yaml:"id"`
	Title   string       `yaml:"title"`
	Applies string       `yaml:"applies"` // Applies…
	Source  string       `yaml:"source"`  // where its figures come from
	Steps   []RecipeStep `yaml:"steps"`
}

// RecipeStep is one step of a Recipe. Volumes are millilitres, or multiples of the line's own volume.
type RecipeStep struct {
	Do    string        `yaml:"do"` // flush, dose, dwell, confirm or rinse
	ML    float64       `yaml:"ml"`
	Lines float64       `yaml:"lines"`
	For   time.Duration `yaml:"for"`
	MinC  float64       `yaml:"min_c"`
	MaxC  float64       `yaml:"max_c"`
	Say   string        `yaml:"say"`
}

// Words of RecipeStep.Do. flush, dose and rinse all let something flow; only the last rinse proves that a line is clean.
const (
	doFlush   = "flush"
	doDose    = "dose"
	doDwell   = "dwell"
	doConfirm = "confirm"
	doRinse   = "rinse"
)

// Recipes are the built-in recipes, sorted by id.
func Recipes() ([]*Recipe, error) {
	names, err := fs.Glob(recipeFiles, "recipes/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list cleaning recipes: %w", err)
	}
	var out []*Recipe
	for _, name := range names {
		raw, err := recipeFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read cleaning recipe: %w", err)
		}
		r, err := ParseRecipe(name, raw)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Recipe) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	return out, nil
}

// ParseRecipe reads one recipe; an unknown key, a missing figure or a recipe that does not end in a proven rinse is
// refused with the step's number.
func ParseRecipe(name string, raw []byte) (*Recipe, error) {
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	var r Recipe
	if err := d.Decode(&r); err != nil {
		return nil, badCleaning(name, err.Error())
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, badCleaning(name, "something follows the recipe")
	}
	if err := r.check(); err != nil {
		return nil, badCleaning(name, err.Error())
	}
	return &r, nil
}

func (r *Recipe) check() error {
	switch {
	case r.ID == "" || r.Title == "" || r.Source == "":
		return errors.New("id, title and source have to be given")
	case r.Applies != AppliesValve && r.Applies != AppliesPump && r.Applies != AppliesNozzle:
		return fmt.Errorf("applies: %q is none of valve, pump, nozzle", r.Applies)
	case len(r.Steps) == 0:
		return errors.New("it has no steps")
	}
	last := "" // that lets something flow
	for i, s := range r.Steps {
		if err := s.check(r.Applies); err != nil {
			return fmt.Errorf("steps[%d]: %w", i, err)
		}
		if s.flows() {
			last = s.Do
		}
	}
	if last != doRinse {
		return errors.New("the last that flows has to be a rinse: nothing else proves that the line is clean")
	}
	return nil
}

func (s RecipeStep) flows() bool { return s.Do == doFlush || s.Do == doDose || s.Do == doRinse }

func (s RecipeStep) check(applies string) error {
	switch {
	case s.Say == "":
		return errors.New("say: what a person reads is missing")
	case s.flows() && (s.ML > 0) == (s.Lines > 0):
		return errors.New("give either ml or lines")
	case s.flows() && s.Lines > 0 && applies != AppliesPump:
		return errors.New("lines: only the line of a pump has a known volume")
	case s.ML < 0 || s.ML > 10_000 || s.Lines < 0 || s.Lines > 50:
		return errors.New("the volume has to be more than nothing, at most 10 l or 50 lines")
	case !s.flows() && (s.ML != 0 || s.Lines != 0):
		return fmt.Errorf("a %s takes no volume", s.Do)
	case s.Do == doDwell && (s.For < time.Second || s.For > 2*time.Hour):
		return errors.New("for: give 1 s to 2 h")
	case s.Do != doDwell && s.For != 0:
		return fmt.Errorf("a %s takes no time", s.Do)
	case s.Do != doDwell && s.Do != doConfirm && !s.flows():
		return fmt.Errorf("do: %q is none of flush, dose, dwell, confirm, rinse", s.Do)
	case (s.MinC != 0) != (s.MaxC != 0), s.MinC > s.MaxC, s.MaxC > scaldC, s.MinC < 0:
		return errors.New("min_c and max_c go together, at most 60 °C")
	case s.MaxC != 0 && (s.Do == doConfirm || s.Do == doDwell && applies == AppliesPump):
		return errors.New("min_c, max_c: nothing measures the temperature there")
	}
	return nil
}

func badCleaning(name, what string) error {
	return &problem.Problem{Code: problem.CodeBadConfig, Where: name, What: what, Remedy: "correct the cleaning recipe"}
}
