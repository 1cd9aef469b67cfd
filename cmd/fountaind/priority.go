package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// nice is the priority the agent asks for: the control loop's ticks come before whatever else the machine does.
const nice = -10

// raisePriority asks for nice for every thread of this process; threads to come inherit it. Without the right to it
// (no CAP_SYS_NICE) things stay as systemd or the user has set them.
func raisePriority() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range tasks {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, nice) // best effort
		}
	}
}
