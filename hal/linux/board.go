package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// expectStrictGPIO is what a rig file writes under board.expects to have the kernel let go of the lines of a dead process.
const expectStrictGPIO = "strict_gpiod"

// pinctrl drivers of Raspberry Pi kernels that can keep a line's level after its owner died (raspberrypi/linux #6117, #6150).
// A kernel without the parameter always lets go.
var pinctrl = []string{"pinctrl_bcm2835", "pinctrl_rp1"}

// checkBoard verifies what the rig file expects of the firmware, and on a Raspberry Pi what every rig file has to expect.
func checkBoard(rf *rigfile.Rig, root, model string) error {
	var problems []error
	for i, e := range rf.Board.Expects {
		where := fmt.Sprintf("%s board.expects[%d]", rf.Path, i)
		if e != expectStrictGPIO {
			problems = append(problems, &problem.Problem{
				Code: problem.CodeBadConfig, Where: where, What: fmt.Sprintf("nothing is known of %q", e),
				Remedy: "remove it, or write " + expectStrictGPIO,
			})
			continue
		}
		if err := strictGPIO(where, root); err != nil {
			problems = append(problems, err)
		}
	}
	if strings.HasPrefix(model, "Raspberry Pi") && !slices.Contains(rf.Board.Expects, expectStrictGPIO) {
		if err := strictGPIO(rf.Path+" board.expects", root); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func strictGPIO(where, root string) error {
	for _, module := range pinctrl {
		path := filepath.Join(root, "/sys/module", module, "parameters/persist_gpio_outputs")
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return &problem.Problem{
				Code: problem.CodeUnsafe, Where: where, What: "it cannot be seen whether the kernel lets go of the lines of a dead process: " + err.Error(),
				Remedy: "make " + path + " readable",
			}
		}
		if v := strings.TrimSpace(string(b)); v != "N" && v != "0" {
			return &problem.Problem{
				Code: problem.CodeUnsafe, Where: where,
				What:   fmt.Sprintf("this kernel keeps a line's level when its process dies (%s = %s): a crash would leave a valve open", path, v),
				Remedy: "add dtparam=strict_gpiod to config.txt on the boot partition and restart",
			}
		}
	}
	return nil
}
