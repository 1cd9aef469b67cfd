package linux

import (
	"errors"
	"os"
	"strings"
	"testing"

	"fountain/internal/problem"
)

func TestOpenI2CSaysWhatIsWrong(t *testing.T) {
	for _, bus := range []int{-1, 253} {
		if _, err := os.Stat("/dev/i2c-253"); err == nil {
			t.Skip("this host has a bus 253")
		}
		_, err := OpenI2C(bus)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != problem.CodeBadConfig || !strings.HasPrefix(p.Where, "/dev/i2c-") || p.Remedy == "" {
			t.Errorf("bus %d: %v", bus, err)
		}
	}
}
