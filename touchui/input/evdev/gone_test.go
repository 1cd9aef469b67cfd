//go:build linux

package evdev

import (
	"strings"
	"testing"
	"time"
)

// A device that goes tells so also when nothing rests on it: a portion that was begun there cannot be stopped there any more.
func TestGone(t *testing.T) {
	for _, tt := range []struct {
		name         string
		touches, key bool
		want         string
	}{
		{"touch screen", true, false, "cancel -1 0,0"},
		{"keypad", false, true, "cancel unknown"},
		{"both", true, true, "cancel -1 0,0; cancel unknown"},
	} {
		d := newTap(24, tt.touches)
		if !tt.touches {
			d.button = 0
		}
		dev := device{dec: d.decoder, keys: tt.key}
		dev.gone(time.Unix(1, 0))
		if got := strings.Join(d.said, "; "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
