// Package assets keeps composed pictures in a file that is mapped at the start: a pack. A wall of 120 tiles takes
// seconds to compose on a device and milliseconds to map. A pack fits one panel, one theme and one catalogue; anything
// else about it refuses it, with the reason, and the pictures are composed live as if there were none.
//
//	content installed ─► Build (temporary file, fsync, rename) ─► DIR/….pack
//	start ─► Open (map, check header and index) ─► Picture(key): pixels checked at first use ─► paint.Bitmap, not copied
//
// The file: header (magic, version, sizes, checksums), index (key, size, place, checksum of each picture), then pixels,
// each picture from a page boundary on, turned and ordered as the panel has them. It may import touchui/kiosk/paint,
// touchui/display and internal/atomicfile. A Pack owns the mapping and gives it back when nothing shows a picture of it.
package assets

import (
	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// Meta is what a pack was made for. Open refuses a pack of another Meta.
type Meta struct {
	Width, Height int // of the screen as seen, pixels
	Rotation      paint.Rotation
	Format        display.PixelFormat
	Theme         string // everything about the look: roles, fonts, language
	Catalogue     string // digest of what is shown
}
