package linux

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"fountain/internal/problem"
)

func TestOpenI2CSaysWhatIsWrong(t *testing.T) {
	none := 253 // the highest number that no bus has
	for exists(none) {
		none--
	}
	for _, bus := range []int{-1, none} {
		_, err := OpenI2C(bus)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != problem.CodeBadConfig || !strings.HasPrefix(p.Where, "/dev/i2c-") || p.Remedy == "" {
			t.Errorf("bus %d: %v", bus, err)
		}
	}
}

func exists(bus int) bool {
	_, err := os.Stat(fmt.Sprint("/dev/i2c-", bus))
	return err == nil
}
