// Command fountain-cloud is the whole cloud of Fountain on a laptop, speaking AWS IoT Core's contract.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"fountain/internal/build"
	"fountain/internal/lifeline"
	"fountain/internal/problem"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	ctx, err := lifeline.Watch(ctx, getenv)
	if err == nil {
		err = root(getenv, stdout, stderr, args).ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fountain-cloud:", err)
	}
	return problem.ExitCode(err)
}

func root(getenv func(string) string, stdout, stderr io.Writer, args []string) *cobra.Command {
	c := &cobra.Command{
		Use:           "fountain-cloud",
		Short:         "The cloud of Fountain: broker, ingest, console",
		Version:       build.Version,
		SilenceErrors: true, SilenceUsage: true,
		Example: "  fountain-cloud serve --dir .cloud\n  fountain-cloud consumption tail --dir .cloud --json",
	}
	c.SetOut(stdout)
	c.SetErr(stderr)
	c.SetArgs(args)
	c.CompletionOptions.DisableDefaultCmd = true
	c.AddCommand(serveCommand(stderr, getenv), consumptionCommand(stdout, getenv), thingsCommand(stdout, getenv), backupCommand(stdout, getenv), restoreCommand(stdout, getenv), recallCommand(stdout))
	strict(c)
	if len(args) > 0 && strings.HasPrefix(args[0], "-") { // no command is mistyped, it is the flag
		c.FParseErrWhitelist.UnknownFlags = false
	}
	return c
}

// strict makes wrong use a problem with exit code 2, on every level.
func strict(c *cobra.Command) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return wrongUse(c, err) })
	if c.Runnable() {
		check := c.Args
		c.Args = func(c *cobra.Command, args []string) error {
			if check == nil {
				check = cobra.NoArgs
			}
			if err := check(c, args); err != nil {
				return wrongUse(c, err)
			}
			return nil
		}
	} else {
		c.Args = cobra.ArbitraryArgs
		c.FParseErrWhitelist.UnknownFlags = true // a mistyped command is what is wrong, not the flags behind it
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUse(c, fmt.Errorf("there is no command %q", args[0]))
			}
			if c.HasParent() {
				return wrongUse(c, errors.New("a command is missing"))
			}
			return c.Help()
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

func wrongUse(c *cobra.Command, err error) error {
	return &problem.Problem{
		Code: problem.CodeBadRequest, Where: c.CommandPath(), What: strings.TrimSpace(err.Error()),
		Remedy: "see " + c.CommandPath() + " --help",
	}
}
