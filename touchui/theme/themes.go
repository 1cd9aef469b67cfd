package theme

// Theme is a look as data. Campaigns override tokens of it, never sizes, positions, stop or warn.
type Theme struct {
	Name         string
	Roles        Roles
	HighContrast bool // no motifs, a line around every target, names one step larger
}

// LightTheme is the theme of the consumer screens.
func LightTheme() Theme { return Theme{Name: "light", Roles: Light()} }

// Dark is the theme of the service screens: it is dark and belongs to nobody.
func Dark() Roles {
	return Roles{
		BG: Hex("#0D1514"), Surface: Hex("#18221F"), Sunk: Hex("#070C0B"), Line: Hex("#35443F"),
		Ink: Hex("#EEF5F2"), InkSoft: Hex("#A5B5B0"), Active: Hex("#EEF5F2"), OnActive: Hex("#0D1514"),
		Go: Hex("#4FD69C"), OnGo: Hex("#04231A"), Stop: Hex("#FF7466"), OnStop: Hex("#2A0400"),
		Warn: Hex("#FFC93C"), OnWarn: Hex("#2B1D00"), Focus: Hex("#8FB0FF"),
		Water: Hex("#BFE3F2"), OnWater: Hex("#0B3C5D"),
		Drained: Hex("#51625C"), DrainedTile: Hex("#51625C"), Outline: Hex("#35443F"),
	}
}

// DarkTheme is the theme of the service screens.
func DarkTheme() Theme { return Theme{Name: "dark", Roles: Dark()} }
