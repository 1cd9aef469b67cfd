package theme

// Theme is a look as data. Campaigns override tokens of it, never sizes, positions, stop or warn.
type Theme struct {
	Name         string
	Roles        Roles
	HighContrast bool // no motifs, a line around every target, names one step larger
}

// LightTheme is the theme of the consumer screens.
func LightTheme() Theme { return Theme{Name: "light", Roles: Light()} }
