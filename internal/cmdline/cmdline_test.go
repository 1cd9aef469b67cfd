package cmdline_test

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"

	"fountain/internal/cmdline"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, args, out, says string
		code                  int
	}{
		{"good", "--n 3", "", "", 0},
		{"help", "--help", "does things\n  --n N\n", "", 0},
		{"version", "--version", "tool dev\n", "", 0},
		{"unknown flag", "--colour", "", "tool: flag provided but not defined: -colour: see tool --help\n", 2},
		{"bad type", "--n x", "", `tool: invalid value "x" for flag -n: parse error: see tool --help` + "\n", 2},
		{"no value", "--n", "", "tool: flag needs an argument: -n: see tool --help\n", 2},
		{"argument", "now", "", "tool: unexpected argument: now: see tool --help\n", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			flags := flag.NewFlagSet("tool", flag.ContinueOnError)
			flags.Int("n", 0, "how many: `N`")
			err := cmdline.Parse(flags, strings.Fields(c.args), "does things\n", &out)
			if err == nil {
				err = cmdline.NoArguments(flags)
			}
			if code := cmdline.Exit("tool", err, &errs); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.HasPrefix(out.String(), c.out) || (c.out == "" && out.Len() > 0) || errs.String() != c.says {
				t.Errorf("prints %q and %q, want %q and %q", out.String(), errs.String(), c.out, c.says)
			}
			if (c.name == "help" || c.name == "version") != errors.Is(err, cmdline.ErrDone) {
				t.Errorf("returns %v", err)
			}
		})
	}
}
