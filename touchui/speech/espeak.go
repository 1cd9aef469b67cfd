package speech

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"fountain/touchui/words"
)

// Espeak is the voice of espeak-ng, a child process for each utterance. Its zero value looks for the program in PATH and
// speaks at the usual rate.
type Espeak struct {
	Path string // of the program; "" looks for espeak-ng in PATH
	Rate int    // words a minute; 0: 165
	File string // writes a WAV file instead of speaking, for tests
}

var _ Voice = Espeak{}

const (
	usualRate = 165
	// longest is how long one utterance may take: a page with all its words at the slowest rate.
	longest = 2 * time.Minute
)

// voices are espeak-ng's names for the languages of the screen where they differ from the tag.
var voices = map[string]string{"fr": "fr-fr"}

// VoiceName is espeak-ng's voice for a language tag.
func VoiceName(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	if v, ok := voices[base]; ok {
		return v
	}
	return base
}

// spelt is text as a voice can read it: the Japanese one says of every kanji only that it is a Chinese letter.
func spelt(tag, text string) string {
	if VoiceName(tag) == "ja" {
		return words.Kana(text)
	}
	return text
}

// Default is the device name that stands for the machine's usual one.
const Default = "default"

// Say implements Voice.
func (e Espeak) Say(ctx context.Context, device, tag, text string) error {
	path := e.Path
	if path == "" {
		p, err := exec.LookPath("espeak-ng")
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoVoice, err)
		}
		path = p
	}
	rate := e.Rate
	if rate <= 0 {
		rate = usualRate
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	args := []string{"-b", "1", "-v", VoiceName(tag), "-s", strconv.Itoa(rate), "--stdin"}
	switch {
	case e.File != "":
		args = append(args, "-w", e.File)
	case device != Default:
		args = append(args, "-d", device)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(spelt(tag, text))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run espeak-ng: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
