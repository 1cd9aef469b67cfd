package agent

import (
	"os"
	"strings"
)

// boardFile holds the serial number of the board, ended by a zero byte (Linux, Documentation/devicetree, property
// serial-number of the root). Boards without a device tree have none.
const boardFile = "/sys/firmware/devicetree/base/serial-number"

// boardOf names the hardware the state directory belongs to: a card that was copied, or put into another machine, must
// not go on with the same log there. Empty: unknown.
func boardOf(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return "" // the store then judges by its own file alone
	}
	return strings.Trim(string(b), "\x00 \n")
}
