package main

import "time"

// group is one boot: tests that share a kernel.
type group struct {
	name    string
	tests   []string
	limit   time.Duration // of the host's time, whatever the guest thinks
	append  string        // more of the kernel command line
	resets  bool          // the watchdog must end it: PID 1 never gets to power off
	console []string      // regular expressions its console must have
	never   []string      // and must not have
	screen  bool          // a panel, a touch screen and someone in front of it
}

// boots lists every boot with what runs in it, slowest first. The guest's clock counts instructions in all of them.
var boots = []group{
	{name: "kill-agent", tests: []string{"TestKillAgent"}, limit: 10 * time.Minute},
	{name: "kill-guard", tests: []string{"TestKillGuard"}, limit: 10 * time.Minute},
	{name: "screen", tests: []string{"TestPanel", "TestFrameBuffer", "TestKeypad", "TestTouchScreens"}, limit: 10 * time.Minute, append: "device.screen=1", screen: true},
	{name: "contract-high", tests: []string{"TestContractActiveHigh"}, limit: 6 * time.Minute},
	{name: "contract-low", tests: []string{"TestContractActiveLow"}, limit: 6 * time.Minute},
	{name: "pours", tests: []string{"TestTwentyPours"}, limit: 10 * time.Minute},
	{name: "lines", tests: []string{"TestGuest", "TestPlantBehindLines", "TestNoGlitchAtStart", "TestLostPulses"}, limit: 6 * time.Minute},
	{name: "watchdog-healthy", tests: []string{"TestGuardHealthy"}, limit: 4 * time.Minute, append: "device.watchdog=1", never: []string{"softdog: Initiating"}},
	{
		name: "watchdog-hang", tests: []string{"TestGuardHangs"}, limit: 4 * time.Minute, append: "device.watchdog=1", resets: true,
		console: []string{`(?s)device: the guard is stopped.*softdog: Initiating system reboot`}, never: []string{"the unit still runs"},
	},
}

// shift says how fast the guest's processor is: an instruction takes 2^shift ns. Four are those of a slow board, for what
// must keep its times on one. A picture is what a board of the class of a Raspberry Pi 4 has to draw, with one of its
// four cores of more than one instruction a nanosecond.
func (g group) shift() int {
	if g.screen {
		return 0
	}
	return 2
}
