package main

import (
	"log/slog"
	"os"

	"fountain/agent/store"
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
