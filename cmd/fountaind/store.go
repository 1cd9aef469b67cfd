package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"fountain/agent"
	"fountain/agent/store"
	"fountain/internal/cmdline"
	"fountain/internal/logkey"
)

// verifyStore is the command by which the agent has a file verified in a process of its own. It is no person's.
const verifyStore = "verify-store"

// checkStore verifies files of the pour buffer in a process of its own; nil when this program cannot be found any more.
func checkStore(log *slog.Logger) func(path string) error {
	exe, err := os.Executable()
	if err != nil {
		log.Warn("no file of the store is verified in a process of its own", slog.Any(logkey.Err, err))
		return nil
	}
	return store.Checker(store.CheckLimit, func(err error) { log.Warn("verify store", slog.Any(logkey.Err, err)) }, exe, verifyStore)
}

// shedders are what this program gives up for pours when the disk fills up: log files that were put aside.
func shedders(out io.Writer) []store.Shedder {
	r, ok := out.(*rotating)
	if !ok {
		return nil
	}
	return []store.Shedder{{Name: "old log files", At: store.SpaceLow, Shed: func(context.Context) error { return r.dropOld() }}}
}

const restoreUsage = `fountaind store restore puts a backup of the pour buffer, made by fountainctl store backup, in the place of the present one.

The agent must not run. Nothing is lost: what was there is kept beside it, and it refuses to replace pours that the backup
does not have. The next start begins a new log, because pours made since the backup may have used the numbers that follow.

Usage:
  fountaind store restore FILE --state DIR [--force]

Examples:
  fountaind store restore unit-417.pours --state /var/lib/fountain

Flags:
`

// storeCommand is fountaind store.
func storeCommand(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("fountaind store restore", flag.ContinueOnError)
	state := flags.String("state", "", "state directory `DIR` of the unit")
	force := flags.Bool("force", false, "replace newer pours too; they are kept beside the restored ones")
	if len(args) > 0 && args[0] == "restore" {
		args = args[1:]
	} else if len(args) > 0 && args[0] != "--help" && args[0] != "-h" {
		return wrong("store "+args[0], "there is no such command", "see fountaind store --help")
	}
	named, err := cmdline.ParseAround(flags, args, restoreUsage, stdout)
	if err != nil {
		return err
	}
	switch {
	case len(named) != 1:
		return wrong("store restore", fmt.Sprintf("%d backups named", len(named)), "name one file, or - for standard input")
	case *state == "":
		return wrong("--state", "no state directory given", "give the unit's state directory, for example "+cmdline.DeviceState)
	}
	in := stdin
	if named[0] != "-" {
		f, err := os.Open(named[0])
		if err != nil {
			return wrong(named[0], "cannot read the backup: "+errors.Unwrap(err).Error(), "name a file made by fountainctl store backup")
		}
		defer f.Close()
		in = f
	}
	r, err := store.Restore(filepath.Join(*state, agent.StoreDir), in, *force)
	if err != nil {
		return err
	}
	pours := uint64(0)
	for _, l := range r.Manifest.Logs {
		pours += l.Last - min(l.Oldest-1, l.Last)
	}
	fmt.Fprintf(stdout, "restored: %d pours in %d logs, as of %s; a new log begins at the next start\n",
		pours, len(r.Manifest.Logs), r.Manifest.Made.Local().Format("2006-01-02 15:04:05"))
	if r.Kept != "" {
		fmt.Fprintf(stdout, "kept: %s\n", r.Kept)
	}
	return nil
}
