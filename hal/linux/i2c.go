package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/host/v3/sysfs"

	"fountain/internal/problem"
)

// OpenI2C opens the adapter /dev/i2c-<bus>, as the rig file's chips name it. The bus may be used by several goroutines;
// a transaction may block for the time the wire needs, so it is never called from the control loop. Its speed is set by
// the device tree, not here.
//
// Errors are *problem.Problem: CodeBadConfig when there is no such bus or it is no I²C adapter, CodeNotWritable when
// this user may not open it.
func OpenI2C(bus int) (i2c.BusCloser, error) {
	path := fmt.Sprintf("/dev/i2c-%d", bus)
	if bus < 0 {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "there is no such I²C bus", Remedy: "correct bus: in the rig file"}
	}
	// periph tells the kinds of failure only by text, so the file is asked first.
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &problem.Problem{
			Code: problem.CodeBadConfig, Where: path, What: "there is no such I²C bus",
			Remedy: "enable the bus (dtparam=i2c_arm=on, module i2c-dev) or correct bus: in the rig file",
		}
	case err != nil:
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "the I²C bus cannot be looked at: " + err.Error(), Remedy: "check the device"}
	case st.Mode()&fs.ModeCharDevice == 0:
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "this is no device", Remedy: "remove the file and enable the bus"}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, &problem.Problem{Code: problem.CodeNotWritable, Where: path, What: "this user may not use the I²C bus", Remedy: "add the user to the group i2c"}
		}
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "the I²C bus cannot be opened: " + err.Error(), Remedy: "check the adapter's driver"}
	}
	_ = f.Close() // it was only asked whether it opens
	b, err := sysfs.NewI2C(bus)
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: "this is no I²C adapter: " + err.Error(), Remedy: "check bus: in the rig file and the adapter's driver"}
	}
	return b, nil
}
