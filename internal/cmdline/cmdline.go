// Package cmdline parses a command's flags the same way for every Fountain command that has no subcommands: help that
// was asked for goes to standard output, wrong use is one line on standard error with a hint to --help, exit code 2.
// It also knows where a unit's sockets are. It imports only internal/build and internal/problem and keeps no state.
package cmdline

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fountain/internal/build"
	"fountain/internal/problem"
)

// ErrDone is returned when help or the version was printed: nothing is left to do, the exit code is 0.
var ErrDone = errors.New("help or version was printed")

// Parse parses args with flags, to which it adds --version. usage is the text above the list of flags. What it does not
// understand is a *problem.Problem with CodeBadRequest.
func Parse(flags *flag.FlagSet, args []string, usage string, stdout io.Writer) error {
	if flags.Lookup("version") == nil { // ParseAround parses more than once
		flags.Bool("version", false, "print the version and exit")
	}
	flags.SetOutput(io.Discard) // the error is returned, and printed once
	flags.Usage = func() {}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		var list bytes.Buffer
		flags.SetOutput(&list)
		flags.PrintDefaults()
		// Package flag lists them with one dash; people are shown two, as in every example.
		fmt.Fprintf(stdout, "%s%s", usage, strings.ReplaceAll("\n"+list.String(), "\n  -", "\n  --")[1:])
		return ErrDone
	case err != nil:
		return &problem.Problem{Code: problem.CodeBadRequest, What: err.Error(), Remedy: "see " + flags.Name() + " --help"}
	case flags.Lookup("version").Value.String() == "true":
		fmt.Fprintln(stdout, flags.Name(), build.Version)
		return ErrDone
	}
	return nil
}

// ParseAround is Parse for flags that may stand before and after the arguments, which it returns.
func ParseAround(flags *flag.FlagSet, args []string, usage string, stdout io.Writer) (named []string, err error) {
	for {
		if err := Parse(flags, args, usage, stdout); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return named, nil
		}
		named, args = append(named, flags.Arg(0)), flags.Args()[1:]
	}
}

// Where a device keeps its state, and where systemd makes the directory of the sockets of its only unit.
const (
	DeviceState = "/var/lib/fountain"
	deviceRun   = "/run/fountain"
)

// RunDir is the directory of the sockets of the unit whose state is in the absolute path state: all programs of a unit
// have to agree on it.
func RunDir(state string) string {
	if fi, err := os.Stat(deviceRun); err == nil && fi.IsDir() && state == DeviceState {
		return deviceRun
	}
	return filepath.Join(state, "run")
}

// NoArguments refuses what is left after the flags.
func NoArguments(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: flags.Arg(0), What: "unexpected argument", Remedy: "see " + flags.Name() + " --help"}
	}
	return nil
}

// Exit prints err after the command's name and returns the exit code.
func Exit(name string, err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, ErrDone) {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return problem.ExitCode(err)
}
