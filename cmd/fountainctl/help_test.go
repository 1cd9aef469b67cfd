package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says what it does, in one line and by examples; the examples are commands with flags that exist.
func TestHelpIsTrue(t *testing.T) {
	root := func() *cobra.Command { return (&tool{out: io.Discard, err: io.Discard}).root() }
	n := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" {
			return
		}
		n++
		if c.Short == "" || c.Example == "" {
			t.Errorf("%s has no short help or no example", c.CommandPath())
		}
		for _, line := range strings.Split(c.Example, "\n") {
			line, _, _ = strings.Cut(line, "|")
			words := strings.Fields(line)
			if len(words) == 0 || words[0] != "fountainctl" {
				t.Errorf("%s: %q is no example", c.CommandPath(), line)
				continue
			}
			found, rest, err := root().Find(words[1:]) // a new root: flags keep what was parsed
			if err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if found.Args != nil {
				if err := found.Args(found, found.Flags().Args()); err != nil {
					t.Errorf("%q: %v", line, err)
				}
			}
			if found.PreRunE != nil {
				if err := found.PreRunE(found, found.Flags().Args()); err != nil {
					t.Errorf("%q: %v", line, err)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root())
	if n < 20 {
		t.Errorf("only %d commands", n)
	}
}
