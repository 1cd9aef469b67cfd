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
}

// boots lists every boot with what runs in it, slowest first. The guest's clock counts instructions in all of them.
var boots = []group{
	{name: "pours", tests: []string{"TestTwentyPours"}, limit: 8 * time.Minute},
	{name: "contract", tests: []string{"TestContractActiveHigh", "TestContractActiveLow"}, limit: 5 * time.Minute},
	{name: "lines", tests: []string{"TestGuest", "TestPlantBehindLines"}, limit: 2 * time.Minute},
}
