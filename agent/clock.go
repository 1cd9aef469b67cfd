package agent

import (
	"os"

	"golang.org/x/sys/unix"

	"fountain/agent/record"
)

// clockQuality says how far the wall clock can be trusted: the kernel knows whether anything has synchronised it since
// boot (adjtimex(2), STA_UNSYNC); if not, a battery-backed clock is better than none.
func clockQuality() string {
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 {
		return record.ClockTrusted
	}
	if _, err := os.Stat("/dev/rtc0"); err == nil {
		return record.ClockRTC
	}
	return record.ClockUnknown
}
