package theme

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"slices"
	"strings"

	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/internal/strictjson"
)

//go:embed themes/*.json
var themeFiles embed.FS

// Names of the themes that come with the program. Starfall is the sample of a campaign.
const (
	LightName        = "light"
	DarkName         = "dark" // service
	HighContrastName = "high-contrast"
	StarfallName     = "starfall"
)

// Edge is the line between what is full and what is empty.
type Edge string

// Level edges.
const (
	Wave  Edge = "wave"
	Ridge Edge = "ridge"
)

// Theme is a look as data. Campaigns override tokens of it, never sizes, positions, stop or warn.
type Theme struct {
	Name         string
	Roles        Roles
	HighContrast bool // no motifs, a line around every target, names one step larger; Roles.Plain says the same
	LevelEdge    Edge
	Hero         *Poster  // what a campaign says above the wall; nil: the house's own page
	Posters      []Poster // three at most, below the hero
}

// Poster is a picture with a few words that leads to a beverage.
type Poster struct {
	Title    map[string]string `json:"title"` // by language
	Note     map[string]string `json:"note,omitempty"`
	Beverage beverage.ID       `json:"beverage,omitempty"`
	Palette  beverage.Palette  `json:"palette"`
	Motif    beverage.Motif    `json:"motif"`
}

// In is a text of a poster in the language tag, else in English.
func (p Poster) In(texts map[string]string, tag string) string {
	if s, ok := texts[tag]; ok {
		return s
	}
	return texts["en"]
}

// LightTheme is the theme of the consumer screens.
func LightTheme() Theme { return builtin(LightName) }

// DarkTheme is the theme of the service screens.
func DarkTheme() Theme { return builtin(DarkName) }

// HighContrastTheme is for people who see little.
func HighContrastTheme() Theme { return builtin(HighContrastName) }

// Light is the colours of the consumer screens.
func Light() Roles { return LightTheme().Roles }

// Dark is the colours of the service screens.
func Dark() Roles { return DarkTheme().Roles }

// builtin is an embedded theme; TestThemes opens each, so none can be broken.
func builtin(name string) Theme {
	t, _ := Named(name)
	return t
}

// Names lists the themes that come with the program.
func Names() []string { return []string{LightName, DarkName, HighContrastName, StarfallName} }

// Named is a theme that comes with the program.
func Named(name string) (Theme, error) {
	b, err := themeFiles.ReadFile("themes/" + name + ".json")
	if err != nil {
		return Theme{}, fmt.Errorf("open theme %q: unknown: use one of %s", name, strings.Join(Names(), ", "))
	}
	return decode(b, "theme "+name)
}

// Load reads the theme of a campaign: a file that extends the light or the dark theme. What a campaign may not set, and
// colours that cannot be read on each other, are refused with their place in the file.
func Load(r io.Reader) (Theme, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return Theme{}, fmt.Errorf("read theme: %w", err)
	}
	var f file
	if err := json.Unmarshal(b, &f); err == nil && f.Extends == "" {
		return Theme{}, refuse("extends", "a campaign's theme stands on one of the house's", `add "extends": "light" or "dark"`)
	}
	return decode(b, "theme")
}

const maxFile = 256 << 10 // a hero and three posters take about 10 KiB

// file is a theme as data.
type file struct {
	Name         string            `json:"name"`
	Extends      string            `json:"extends,omitempty"`
	HighContrast bool              `json:"highContrast,omitempty"`
	Roles        map[string]string `json:"roles"`
	LevelEdge    Edge              `json:"levelEdge,omitempty"`
	Hero         *Poster           `json:"hero,omitempty"`
	Posters      []Poster          `json:"posters,omitempty"`
}

// fixedRoles mean danger and must look the same everywhere.
var fixedRoles = []string{"stop", "onStop", "warn", "onWarn"}

func decode(b []byte, what string) (Theme, error) {
	var f file
	if err := strictjson.Known(bytes.NewReader(b), &f); err != nil {
		if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return Theme{}, refuse(strings.Trim(key, `"`), "not a campaign's to set", "a theme sets roles, levelEdge, hero and posters; sizes and positions are the house's")
		}
		return Theme{}, fmt.Errorf("read %s: %w", what, err)
	}
	t := Theme{Name: f.Name, HighContrast: f.HighContrast, LevelEdge: Wave, Hero: f.Hero, Posters: f.Posters}
	if f.Name == "" {
		return Theme{}, refuse("name", "missing", "give the theme a name")
	}
	if f.Extends != "" {
		if f.Extends != LightName && f.Extends != DarkName {
			return Theme{}, refuse("extends", fmt.Sprintf("%q is no theme to stand on", f.Extends), "use light or dark")
		}
		if f.HighContrast {
			return Theme{}, refuse("highContrast", "not a campaign's to set", "leave it out: high contrast is the guest's choice")
		}
		t.Roles = builtin(f.Extends).Roles
	}
	byName := t.Roles.byName()
	for _, k := range slices.Sorted(keys(f.Roles)) {
		at, ok := byName[k]
		switch {
		case !ok:
			return Theme{}, refuse("roles."+k, "no such role", "the roles are "+strings.Join(slices.Sorted(keys(byName)), ", "))
		case f.Extends != "" && slices.Contains(fixedRoles, k):
			return Theme{}, refuse("roles."+k, "not a campaign's to set", "leave it out: danger looks the same everywhere")
		case !isHex(f.Roles[k]):
			return Theme{}, refuse("roles."+k, fmt.Sprintf("%q is no colour", f.Roles[k]), "write #RRGGBB")
		}
		*at = Hex(f.Roles[k])
	}
	t.Roles.Plain = f.HighContrast
	switch f.LevelEdge {
	case "":
	case Wave, Ridge:
		t.LevelEdge = f.LevelEdge
	default:
		return Theme{}, refuse("levelEdge", fmt.Sprintf("%q is no edge", f.LevelEdge), "use wave or ridge")
	}
	if len(f.Posters) > 3 {
		return Theme{}, refuse("posters[3]", "there is room for three", "take the others out")
	}
	return t, t.Check()
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func isHex(s string) bool {
	return len(s) == 7 && s[0] == '#' && strings.Trim(s[1:], "0123456789abcdefABCDEF") == ""
}

func refuse(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: what, Remedy: remedy}
}

// byName finds the roles by their names in a file.
func (r *Roles) byName() map[string]*color.RGBA {
	return map[string]*color.RGBA{
		"bg": &r.BG, "surface": &r.Surface, "sunk": &r.Sunk, "line": &r.Line, "ink": &r.Ink, "inkSoft": &r.InkSoft,
		"active": &r.Active, "onActive": &r.OnActive, "go": &r.Go, "onGo": &r.OnGo, "stop": &r.Stop, "onStop": &r.OnStop,
		"warn": &r.Warn, "onWarn": &r.OnWarn, "focus": &r.Focus, "water": &r.Water, "onWater": &r.OnWater,
		"drained": &r.Drained, "drainedTile": &r.DrainedTile, "outline": &r.Outline,
	}
}

// Least contrasts of WCAG 2.2 AA: of text, and of large text and what is not text.
const (
	ContrastText  = 4.5
	ContrastLarge = 3.0
)

// Check proves that every pair of colours that meet as text can be read: 4.5, and 3 for the focus ring. All that is
// wrong is told at once.
func (t Theme) Check() error {
	r := t.Roles
	type pair struct {
		name    string
		fg, bg  color.RGBA
		against string
		least   float64
	}
	pairs := []pair{
		{"roles.ink", r.Ink, r.BG, "bg", ContrastText},
		{"roles.ink", r.Ink, r.Surface, "surface", ContrastText},
		{"roles.ink", r.Ink, r.Sunk, "sunk", ContrastText},
		{"roles.inkSoft", r.InkSoft, r.BG, "bg", ContrastText},
		{"roles.inkSoft", r.InkSoft, r.Surface, "surface", ContrastText},
		{"roles.inkSoft", r.InkSoft, r.Sunk, "sunk", ContrastText},
		{"roles.onActive", r.OnActive, r.Active, "active", ContrastText},
		{"roles.onGo", r.OnGo, r.Go, "go", ContrastText},
		{"roles.onStop", r.OnStop, r.Stop, "stop", ContrastText},
		{"roles.onWarn", r.OnWarn, r.Warn, "warn", ContrastText},
		{"roles.onWater", r.OnWater, r.Water, "water", ContrastText},
		{"roles.focus", r.Focus, r.BG, "bg", ContrastLarge},
	}
	poster := func(where string, p beverage.Palette) {
		pairs = append(pairs, pair{where + ".palette.ink", Hex(p.Ink), Hex(p.Primary), "primary", ContrastText})
	}
	if t.Hero != nil {
		poster("hero", t.Hero.Palette)
	}
	for i, p := range t.Posters {
		poster(fmt.Sprintf("posters[%d]", i), p.Palette)
	}
	var errs []error
	for _, p := range pairs {
		if c := Contrast(p.fg, p.bg); c < p.least {
			errs = append(errs, refuse(p.name, fmt.Sprintf("contrast with %s is %.1f", p.against, c), fmt.Sprintf("choose colours with %.1f or more", p.least)))
		}
	}
	return errors.Join(errs...)
}
