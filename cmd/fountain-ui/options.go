package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fountain/agent/api"
	"fountain/internal/cmdline"
	"fountain/internal/problem"
	"fountain/touchui/input/evdev"
	"fountain/touchui/kiosk/paint"
)

// options are the command line.
type options struct {
	display, http, socket, token string
	httpSet                      bool // --http was given
	width, height                int  // of displays that have no size of their own
	wantW, wantH                 int  // --size was given
	card, connector              string
	assets                       string // directory of asset packs; "" for none
	languages                    string // directory of further languages and fonts; "" for none
	calibration                  evdev.Matrix
	share                        bool
	rotation                     paint.Rotation
	scale                        float64
	mmW, mmH                     int
	reduced                      bool
	speech                       string // audio device; "": that of the unit
	speechRate                   int    // words a minute; 0: the usual
}

// parse reads the flags.
func parse(args []string, getenv func(string) string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("fountain-ui", flag.ContinueOnError)
	socket := filepath.Join(deviceRun, api.AgentSocket)
	if s := getenv("FOUNTAIN_SOCKET"); s != "" {
		socket = s
	}
	flags.StringVar(&o.display, "display", onAuto, "where to draw: auto, drm (a panel), fbdev (a frame buffer), web (a page in a browser), none (in memory)")
	flags.StringVar(&o.http, "http", "127.0.0.1:0", "`ADDR` of the web display, port 0 picks a free one; beside a panel, serves a page that only looks on")
	flags.StringVar(&o.socket, "socket", socket, "the agent's `SOCKET`")
	flags.StringVar(&o.token, "token", "", "token `T` of the printed URL; random when empty")
	size := flags.String("size", "1080x1920", "`WxH` in pixels: of a web display, or the mode wanted of a panel")
	flags.StringVar(&o.card, "card", "", "`PATH` of the panel's card or frame buffer, such as /dev/dri/card1; the first with a panel when empty")
	flags.StringVar(&o.connector, "connector", "", "`NAME` of the panel's connector, such as HDMI-A-1; the first with a panel when empty")
	rotate := flags.Int("rotate", 0, "turn the picture clockwise by 0, 90, 180 or 270 `DEGREES`, for a panel mounted turned")
	flags.Float64Var(&o.scale, "scale", 1, "panel pixels per unit of the layout: `F` from 0.5 to 4")
	touch := flags.String("touch-calibration", "", "six `NUMBERS` as libinput has them, or the path of a file with them")
	flags.BoolVar(&o.share, "share-input", false, "leave touch screen and keys to other programs too")
	mm := flags.String("panel-mm", "", "`WxH` of the panel's lit part in millimetres; what the panel says of itself when empty")
	flags.StringVar(&o.assets, "assets", getenv("CACHE_DIRECTORY"), "`DIR` where composed tiles are kept for the next start; none when empty")
	flags.StringVar(&o.languages, "languages", "", "`DIR` with further languages and their fonts (docs/GLOSSARY.md); they win over the built-in ones")
	flags.StringVar(&o.speech, "speech", "", "audio `DEVICE` that speaks, default for the machine's usual one; that of the unit's configuration when empty")
	flags.IntVar(&o.speechRate, "speech-rate", 0, "how fast it speaks, `WORDS` a minute from 80 to 450")
	flags.BoolVar(&o.reduced, "reduced-motion", false, "no animations")
	if err := cmdline.Parse(flags, args, usage, stdout); err != nil {
		return o, err
	}
	if err := cmdline.NoArguments(flags); err != nil {
		return o, err
	}
	if o.width, o.height, err = parseSize(*size); err != nil {
		return o, err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.httpSet = given["http"]
	if given["size"] {
		o.wantW, o.wantH = o.width, o.height
	}
	if len(o.socket) > maxSocketPath {
		return o, wrong("--socket "+o.socket, fmt.Sprintf("the path has %d bytes, Linux allows %d", len(o.socket), maxSocketPath), "choose a shorter one")
	}
	if o.rotation, err = paint.ParseRotation(*rotate); err != nil {
		return o, wrong(fmt.Sprintf("--rotate %d", *rotate), err.Error(), "use 0, 90, 180 or 270")
	}
	if math.IsNaN(o.scale) || o.scale < 0.5 || o.scale > 4 {
		return o, wrong(fmt.Sprintf("--scale %g", o.scale), "that is no scale of a screen", "use a number from 0.5 to 4; 1 draws one unit as one pixel")
	}
	if o.speechRate != 0 && (o.speechRate < 80 || o.speechRate > 450) {
		return o, wrong(fmt.Sprintf("--speech-rate %d", o.speechRate), "nobody speaks or listens at that rate", "use 80 to 450 words a minute, or leave it out")
	}
	if *mm != "" {
		if o.mmW, o.mmH, err = parseMM(*mm); err != nil {
			return o, err
		}
	}
	if *touch != "" {
		if o.calibration, err = parseCalibration(*touch); err != nil {
			return o, err
		}
	}
	if o.languages != "" {
		if fi, err := os.Stat(o.languages); err != nil || !fi.IsDir() {
			return o, wrong("--languages "+o.languages, "there is no such directory", "name one with files of words, such as it.json (docs/GLOSSARY.md), or leave it out")
		}
	}
	return o, checkDisplay(o, given)
}

// maxSocketPath is what Linux allows: sun_path less its final zero.
const maxSocketPath = 107

// Limits of a panel: below, nothing fits; above, a frame takes more memory than a unit has to spare.
const (
	minSide = 320
	maxSide = 4096
)

func wrong(where, what, remedy string) error {
	return &problem.Problem{Code: problem.CodeBadRequest, Where: where, What: what, Remedy: remedy}
}

func parsePair(s string) (w, h int, ok bool) {
	a, b, ok := strings.Cut(s, "x")
	w, err1 := strconv.Atoi(a)
	h, err2 := strconv.Atoi(b)
	return w, h, ok && err1 == nil && err2 == nil
}

func parseSize(s string) (w, h int, err error) {
	w, h, ok := parsePair(s)
	if !ok || min(w, h) < minSide || max(w, h) > maxSide {
		return 0, 0, wrong("--size "+s, "that is no size of a panel", fmt.Sprintf("give WxH with sides of %d to %d pixels, such as 1080x1920 or 800x480", minSide, maxSide))
	}
	return w, h, nil
}

func parseMM(s string) (w, h int, err error) {
	w, h, ok := parsePair(s)
	if !ok || min(w, h) < 30 || max(w, h) > 3000 {
		return 0, 0, wrong("--panel-mm "+s, "that is no size of a panel in millimetres", "give WxH of its lit part, such as 268x476 for 21.5 inches upright")
	}
	return w, h, nil
}

// parseCalibration takes the numbers themselves, or the name of a file with them.
func parseCalibration(s string) (evdev.Matrix, error) {
	where, numbers := "--touch-calibration "+s, s
	if b, err := os.ReadFile(s); err == nil {
		where, numbers = s, string(b)
	} else if strings.Contains(s, "/") {
		return evdev.Matrix{}, wrong(where, err.Error(), "give a file that can be read, or the six numbers themselves")
	}
	m, err := evdev.ParseMatrix(numbers)
	if err != nil {
		return m, wrong(where, err.Error(), `give six numbers as libinput has them, such as "1 0 0 0 1 0", which changes nothing`)
	}
	return m, nil
}

// checkDisplay refuses flags that the chosen display has no use for: a person who gave them expects something.
func checkDisplay(o options, given map[string]bool) error {
	onPanel := []string{onAuto, onDRM, onFbdev}
	uses := []struct {
		flag   string
		by     []string
		remedy string
	}{
		{"touch-calibration", onPanel, "a browser needs no calibration"},
		{"share-input", onPanel, "only a panel has input of its own"},
		{"card", []string{onDRM, onFbdev}, "say --display drm or --display fbdev as well"},
		{"connector", []string{onAuto, onDRM}, "only --display drm knows connectors"},
		{"size", []string{onAuto, onDRM, onWeb, onNone}, "a frame buffer has a size of its own"},
		{"http", []string{onAuto, onDRM, onFbdev, onWeb}, "--display none draws in memory and serves nothing"},
	}
	if !slices.Contains([]string{onAuto, onDRM, onFbdev, onWeb, onNone}, o.display) {
		return wrong("--display "+o.display, "there is no such display", "use auto, drm, fbdev, web or none")
	}
	for _, u := range uses {
		if given[u.flag] && !slices.Contains(u.by, o.display) {
			return wrong("--"+u.flag, "--display "+o.display+" has no use for it", u.remedy)
		}
	}
	if given["token"] && !o.httpSet && slices.Contains([]string{onDRM, onFbdev, onNone}, o.display) {
		return wrong("--token", "no page is served that it could open", "give --http too, or leave it out")
	}
	return nil
}
