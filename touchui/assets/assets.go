// Package assets keeps composed pictures in a file that is mapped at the start: a pack. A wall of 120 tiles takes
// seconds to compose on a device and milliseconds to map. A pack fits one panel, one theme and one catalogue; anything
// else about it refuses it, with the reason, and the pictures are composed live as if there were none.
//
//	content installed ─► Build (temporary file, fsync, rename) ─► DIR/….pack
//	start ─► Open (header, index) ─► Picture(key): pixels checked at first use ─► paint.Bitmap, mapped, not copied
//
// The file: header (magic, version, sizes, checksums), pixels, each picture from a page boundary on, turned and ordered
// as the panel has them, then the index (what the pack is for; key, size, place and checksum of each picture). All
// numbers are little-endian. It may import touchui/kiosk/paint, touchui/display and internal/atomicfile. A Pack owns the
// mapping and gives it back when nothing shows a picture of it. Safe for concurrent use.
package assets

import (
	"errors"
	"fmt"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// Meta is what a pack was made for. Open refuses a pack of another Meta.
type Meta struct {
	Width, Height int // of the screen as seen, pixels
	Rotation      paint.Rotation
	Format        display.PixelFormat
	Look          string // everything about how pictures look: roles, fonts, language, the program's version
	Catalogue     string // digest of what is shown
}

// Errors of Open and Picture. What is wrong with a file is told by the text around them.
var (
	ErrDamaged = errors.New("the asset pack is damaged")           // checksum, structure or length
	ErrForeign = errors.New("the asset pack was made for another") // screen, look, catalogue or program
	ErrMissing = errors.New("the asset pack has no such picture")  // by Picture
)

func (m Meta) check() error {
	if m.Width <= 0 || m.Width > sideMax || m.Height <= 0 || m.Height > sideMax || m.Rotation > paint.Rotate270 ||
		m.Format > display.XRGB8888 || len(m.Look) > nameMax || len(m.Catalogue) > nameMax {
		return fmt.Errorf("%w: it says that it is for %dx%d, rotation %d, pixel format %d", ErrDamaged, m.Width, m.Height, m.Rotation, m.Format)
	}
	return nil
}

// differs says what makes a pack of m useless where want is needed, "" if nothing.
func (m Meta) differs(want Meta) string {
	switch {
	case m == want:
		return ""
	case m.Width != want.Width || m.Height != want.Height:
		return fmt.Sprintf("screen: %dx%d, not %dx%d", m.Width, m.Height, want.Width, want.Height)
	case m.Rotation != want.Rotation:
		return fmt.Sprintf("rotation: %d degrees, not %d", m.Rotation.Degrees(), want.Rotation.Degrees())
	case m.Format != want.Format:
		return fmt.Sprintf("order of bytes: %s, not %s", m.Format, want.Format)
	case m.Look != want.Look:
		return fmt.Sprintf("look: %s, not %s", m.Look, want.Look)
	}
	return fmt.Sprintf("catalogue: %s, not %s", m.Catalogue, want.Catalogue)
}
