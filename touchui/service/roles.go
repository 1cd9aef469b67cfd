package service

import "image/color"

// roleOf picks a colour of the theme.
type roleOf func(*draw) color.RGBA

func goInk(d *draw) color.RGBA   { return d.Roles.Go }
func warnInk(d *draw) color.RGBA { return d.Roles.Warn }
func stopInk(d *draw) color.RGBA { return d.Roles.Stop }
