package theme

import (
	"image/color"

	"fyne.io/fyne/v2"
	fynetheme "fyne.io/fyne/v2/theme"
)

// Fyne is the fyne.Theme for the few widgets of Fyne itself that appear (scroll areas). The screens draw the rest.
type Fyne struct {
	Roles Roles
}

var _ fyne.Theme = Fyne{}

// Color implements fyne.Theme.
func (t Fyne) Color(n fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	r := t.Roles
	switch n {
	case fynetheme.ColorNameBackground:
		return r.BG
	case fynetheme.ColorNameForeground:
		return r.Ink
	case fynetheme.ColorNameButton, fynetheme.ColorNameInputBackground:
		return r.Sunk
	case fynetheme.ColorNamePrimary:
		return r.Active
	case fynetheme.ColorNameForegroundOnPrimary:
		return r.OnActive
	case fynetheme.ColorNameDisabled, fynetheme.ColorNamePlaceHolder:
		return r.InkSoft
	case fynetheme.ColorNameSeparator, fynetheme.ColorNameInputBorder:
		return r.Line
	case fynetheme.ColorNameFocus:
		return r.Focus
	case fynetheme.ColorNameError:
		return r.Stop
	case fynetheme.ColorNameSuccess:
		return r.Go
	case fynetheme.ColorNameWarning:
		return r.Warn
	case fynetheme.ColorNameShadow, fynetheme.ColorNameScrollBar, fynetheme.ColorNameScrollBarBackground:
		return color.Transparent // no shadows, no scroll bars
	}
	return fynetheme.DefaultTheme().Color(n, fynetheme.VariantLight)
}

// Font implements fyne.Theme.
func (t Fyne) Font(s fyne.TextStyle) fyne.Resource {
	if s.Bold {
		return fynetheme.DefaultTextBoldFont()
	}
	return fynetheme.DefaultTextFont()
}

// Icon implements fyne.Theme.
func (t Fyne) Icon(n fyne.ThemeIconName) fyne.Resource { return fynetheme.DefaultTheme().Icon(n) }

// Size implements fyne.Theme.
func (t Fyne) Size(n fyne.ThemeSizeName) float32 {
	switch n {
	case fynetheme.SizeNameText:
		return 28
	case fynetheme.SizeNameScrollBar, fynetheme.SizeNameScrollBarSmall, fynetheme.SizeNameScrollBarRadius:
		return 0
	case fynetheme.SizeNamePadding, fynetheme.SizeNameInnerPadding:
		return Unit
	}
	return fynetheme.DefaultTheme().Size(n)
}
