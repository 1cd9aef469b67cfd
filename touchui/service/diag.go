package service

import (
	"context"
	"fmt"
	"image"
	"log/slog"
	"os"
	"path/filepath"
	"sort"

	"fountain/internal/atomicfile"
	"fountain/internal/logkey"
	"fountain/touchui/art"
	"fountain/touchui/qr"
	"fountain/touchui/sheet"
)

// diagPage hands diagnostics over: as a file on a medium, or as QR codes for a phone.
type diagPage struct {
	s      *Service
	says   string
	bad    bool
	busy   bool
	frames [][][]bool // modules of the codes; empty: none were asked for
	at     int
}

func newDiag(s *Service) *diagPage { return &diagPage{s: s} }

func (p *diagPage) name() string { return "diag" }
func (p *diagPage) close()       {}

func (p *diagPage) build(sh *sheet.Sheet) {
	s, d := p.s, p.s.on(sh)
	m := d.m
	area := d.header(d.T("service.diag.title"), d.T("service.diag.say"), s.showMenu)
	foot := area.bottom(max(m.v(150, 70), m.key), m.gap*2)
	cells := foot.columns(2, m.gap)
	k := strong
	if p.busy {
		k = off
	}
	d.button("service.diag.file", d.T("service.diag.file"), "down", cells[0], k, p.file)
	d.button("service.diag.qr", d.T("service.diag.qr"), "all", cells[1], k, p.code)
	y := area.y
	if p.says != "" {
		c := d.Roles.Go
		if p.bad {
			c = d.Roles.Warn
		}
		y += d.para(p.says, area.x, y, area.w, 5, m.body, c) + m.gap
	}
	if len(p.frames) == 0 {
		if p.says == "" {
			d.para(d.T("service.diag.what"), area.x, y, area.w, 8, m.body, d.Roles.InkSoft)
		}
		return
	}
	side := min(area.w, area.y+area.h-y)
	if len(p.frames) > 1 {
		side = min(side, area.y+area.h-y-m.key-m.gap)
	}
	code := p.frames[p.at]
	img := qrPicture(d, code, side)
	c := sheet.NewControl("service.diag.code", "image", d.T("service.diag.code", "n", p.at+1, "of", len(p.frames)), img, area.x+(area.w-img.Rect.Dx())/2, y, nil)
	d.Control(c)
	if len(p.frames) > 1 {
		r := rect{area.x, area.y + area.h - m.key, area.w, m.key}
		d.button("service.diag.next", d.T("service.diag.code", "n", p.at+1, "of", len(p.frames)), "next", r, plain, func() {
			p.at = (p.at + 1) % len(p.frames)
			s.redraw()
		})
	}
}

// qrPicture draws the modules as large as whole pixels allow, dark on light whatever the theme is: readers want it so.
func qrPicture(d *draw, code [][]bool, side int) *image.RGBA {
	const quiet = 4 // modules of margin
	n := len(code) + 2*quiet
	px := max(1, side/n)
	q := art.NewPicture(d.Fonts, n*px, n*px, d.Roles.Active)
	for y, row := range code {
		for x, dark := range row {
			if dark {
				q.Box((x+quiet)*px, (y+quiet)*px, px, px, d.Roles.OnActive)
			}
		}
	}
	return q.RGBA
}

// file fetches the whole of it and writes it to the first medium that takes it.
func (p *diagPage) file() {
	s := p.s
	p.busy, p.frames, p.says = true, nil, ""
	c := s.agent()
	name := fmt.Sprintf("fountain-%s-%s.tar.gz", fileSafe(s.view.Serial), s.now().UTC().Format("20060102-150405"))
	path, removable := "", false
	s.call(func(ctx context.Context) error {
		b, err := c.Diag(ctx)
		if err != nil {
			return err
		}
		path, removable, err = s.keep(name, b)
		return err
	}, func(err error) {
		p.busy, p.bad = false, err != nil
		switch {
		case err != nil && path != "":
			p.says = s.look.T("service.diag.nowrite", "path", path)
		case err != nil:
			p.says = s.reason(err)
		case removable:
			p.says = s.look.T("service.diag.saved", "path", path)
		default:
			p.says = s.look.T("service.diag.local", "path", path)
		}
		s.changed()
	})
	s.redraw()
}

// keep writes a file to a medium, or where there is none to the unit's own storage.
func (s *Service) keep(name string, b []byte) (path string, removable bool, err error) {
	for _, dir := range s.mounted() {
		path = filepath.Join(dir, name)
		if err = atomicfile.Write(path, b, 0o644); err == nil {
			return path, true, nil
		}
		s.log.Info("write diagnostics to a medium", slog.String(logkey.Path, path), slog.Any(logkey.Err, err))
	}
	dir := s.files
	if dir == "" {
		dir = os.TempDir()
	}
	path = filepath.Join(dir, name)
	return path, false, atomicfile.Write(path, b, 0o600)
}

// mounted lists directories below the places of media that are on another device than those are: something is mounted there.
func (s *Service) mounted() []string {
	var out []string
	for _, root := range s.media {
		for _, pattern := range []string{"*", "*/*"} {
			dirs, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				continue
			}
			for _, dir := range dirs {
				if s.mount(dir) {
					out = append(out, dir)
				}
			}
		}
	}
	sort.Strings(out)
	return out
}

// fileSafe keeps letters, digits and dashes.
func fileSafe(t string) string {
	out := []rune{}
	for _, r := range t {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return "unit"
	}
	return string(out)
}

// codeBytes is how much goes into one code: few enough modules that a phone reads them from a screen.
const codeBytes = 180

// code fetches the short form and shows it as QR codes, each beginning with its number.
func (p *diagPage) code() {
	s := p.s
	p.busy, p.frames, p.says = true, nil, ""
	c := s.agent()
	var frames [][][]bool
	s.call(func(ctx context.Context) error {
		text, err := c.DiagShort(ctx)
		if err != nil {
			return err
		}
		frames, err = codes(text)
		return err
	}, func(err error) {
		p.busy, p.bad = false, err != nil
		p.frames, p.at = frames, 0
		if err != nil {
			p.says = s.reason(err)
		}
		s.changed()
	})
	s.redraw()
}

// codes splits a text into codes; more than one begin with "n/of ".
func codes(text string) ([][][]bool, error) {
	var parts []string
	for len(text) > codeBytes {
		cut := codeBytes
		for cut > 0 && text[cut]&0xC0 == 0x80 { // not inside a character
			cut--
		}
		parts = append(parts, text[:cut])
		text = text[cut:]
	}
	parts = append(parts, text)
	out := make([][][]bool, len(parts))
	for i, t := range parts {
		if len(parts) > 1 {
			t = fmt.Sprintf("%d/%d %s", i+1, len(parts), t)
		}
		m, err := qr.Encode(t)
		if err != nil {
			return nil, fmt.Errorf("make code %d of %d: %w", i+1, len(parts), err)
		}
		out[i] = m
	}
	return out, nil
}
