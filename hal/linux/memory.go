package linux

import (
	"golang.org/x/sys/unix"

	"fountain/internal/problem"
)

// LockMemory keeps every page of this process that is used, now or later, in memory, so that no valve waits for the disk.
// Pages are locked when first used, not in advance: the resident size stays what it is. When the kernel refuses, the
// process goes on without; err, a *problem.Problem, says what to allow, and the caller logs it once.
func LockMemory() error {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return &problem.Problem{
			Code: problem.CodeForbidden, Where: "mlockall", What: "the kernel refuses to lock memory: " + err.Error(),
			Remedy: "allow it in the service unit (LimitMEMLOCK=infinity); without it valves may act late when memory is short",
		}
	}
	return nil
}
