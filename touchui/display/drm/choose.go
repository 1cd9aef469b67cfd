//go:build linux

package drm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fountain/internal/problem"
)

// cards and class are where the kernel keeps displays.
const (
	cards = "/dev/dri"
	class = "/sys/class/drm"
)

// Connected finds the first card with a panel on one of its connectors. It opens none and needs no permission.
func Connected() (path string, ok bool) { return connectedIn(class, cards) }

func connectedIn(class, cards string) (path string, ok bool) {
	states, _ := filepath.Glob(filepath.Join(class, "card*-*", "status")) // the pattern is well formed
	slices.Sort(states)
	for _, s := range states {
		if b, err := os.ReadFile(s); err != nil || strings.TrimSpace(string(b)) != "connected" {
			continue
		}
		card, _, _ := strings.Cut(filepath.Base(filepath.Dir(s)), "-")
		return filepath.Join(cards, card), true
	}
	return "", false
}

// output is a connector with the mode and the scan-out engine that serve it.
type output struct {
	connector connector
	crtc      uint32
	mode      modeInfo
}

// choose finds the connector to draw on: the named one, else the first connected with the wanted size (or any, if none
// is wanted).
func choose(c card, cfg Config) (output, error) {
	list, err := c.connectors()
	if err != nil {
		return output{}, err
	}
	var offers []string
	for _, k := range list {
		if !k.on || len(k.modes) == 0 || cfg.Connector != "" && k.name != cfg.Connector {
			continue
		}
		m, ok := pickMode(k.modes, cfg.Width, cfg.Height)
		if !ok {
			offers = append(offers, k.name+": "+modeNames(k.modes))
			continue
		}
		crtc, err := crtcFor(c, k)
		if err != nil {
			return output{}, err
		}
		return output{k, crtc, m}, nil
	}
	if len(offers) > 0 {
		return output{}, &problem.Problem{
			Code: problem.CodeBadConfig, Where: cfg.Path, What: fmt.Sprintf("the panel has no mode of %dx%d", cfg.Width, cfg.Height),
			Remedy: "use one of its own (" + strings.Join(offers, "; ") + ") or leave --size out",
		}
	}
	names := make([]string, 0, len(list))
	for _, k := range list {
		names = append(names, k.name)
	}
	what := "no panel is connected"
	if cfg.Connector != "" {
		what = "no panel is connected to " + cfg.Connector
	}
	return output{}, &problem.Problem{
		Code: problem.CodeUnreachable, Where: cfg.Path, What: what, Retry: true,
		Remedy: "check its cable and power; this card has " + strings.Join(names, ", "),
	}
}

// pickMode takes the panel's preferred mode, or of those with the wanted size the preferred, else the fastest.
func pickMode(modes []modeInfo, w, h int) (modeInfo, bool) {
	best, found := modeInfo{}, false
	for _, m := range modes {
		if w > 0 && (int(m.HDisplay) != w || int(m.VDisplay) != h) {
			continue
		}
		better := !found
		if found && m.Type&typePreferred != best.Type&typePreferred {
			better = m.Type&typePreferred != 0
		} else if found && w > 0 {
			better = m.VRefresh > best.VRefresh
		}
		if better {
			best, found = m, true
		}
	}
	return best, found
}

func modeNames(modes []modeInfo) string {
	var names []string
	for _, m := range modes {
		if n := fmt.Sprintf("%dx%d", m.HDisplay, m.VDisplay); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// crtcFor is the scan-out engine that drives the connector already, else the first that can.
func crtcFor(c card, k connector) (uint32, error) {
	if k.encoder != 0 {
		if e, err := c.encoder(k.encoder); err == nil && e.crtcID != 0 {
			return e.crtcID, nil
		}
	}
	crtcs, err := c.crtcs()
	if err != nil {
		return 0, err
	}
	for _, id := range k.encoders {
		e, err := c.encoder(id)
		if err != nil {
			continue
		}
		for i, crtc := range crtcs {
			if e.possibleCRTCs&(1<<i) != 0 {
				return crtc, nil
			}
		}
	}
	return 0, fmt.Errorf("no part of the card can drive connector %s", k.name)
}

// openProblem explains why a card could not be opened.
func openProblem(path string, err error) error {
	p := &problem.Problem{Code: problem.CodeUnreachable, Where: path, What: "the display cannot be opened: " + err.Error()}
	switch {
	case errors.Is(err, fs.ErrPermission):
		p.Code, p.What = problem.CodeForbidden, "this user may not open the display"
		p.Remedy = "add it to the group video (usermod -aG video USER) or start fountain-ui by its unit file"
	case errors.Is(err, fs.ErrNotExist):
		p.What, p.Remedy = "there is no such display", "connect the panel and load its driver, or use --display fbdev or --display web"
	}
	return p
}

// heldProblem explains that someone else is DRM master, and who, as far as this user may know.
func heldProblem(path string, err error) error {
	who := "another program holds the display"
	if names := holders("/proc", path); len(names) > 0 {
		who += ": " + strings.Join(names, ", ")
	}
	return &problem.Problem{
		Code: problem.CodeBusy, Where: path, What: who + " (" + err.Error() + ")", Retry: true,
		Remedy: "stop it; only one program can draw: no X, Wayland or boot splash beside fountain-ui",
	}
}

// holders names the other processes that have the file open.
func holders(proc, path string) (out []string) {
	links, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*")) // the pattern is well formed
	for _, l := range links {
		if to, err := os.Readlink(l); err != nil || to != path {
			continue
		}
		dir := filepath.Dir(filepath.Dir(l))
		if filepath.Base(dir) == fmt.Sprint(os.Getpid()) {
			continue
		}
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue
		}
		if s := fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), filepath.Base(dir)); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
