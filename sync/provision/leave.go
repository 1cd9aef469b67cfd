package provision

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Leaving says that a unit is decommissioned, or on its way to it. It outlives the identity.
type Leaving struct {
	Schema int       `json:"schema"`
	Thing  string    `json:"thing,omitempty"` // who it was
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Asked  time.Time `json:"asked,omitzero"` // when the cloud was told first
	Told   bool      `json:"told"`           // the cloud knows, or nobody wants to tell it
	Wiped  bool      `json:"wiped"`          // no key is left
}

// ReadLeaving returns what Leave noted; ErrNone for a unit in service.
func ReadLeaving(dir string) (Leaving, error) {
	var l Leaving
	return l, readJSON(filepath.Join(dir, LeavingFile), &l, &l.Schema)
}

// Leave notes durably that the unit leaves. Nothing is wiped yet.
func Leave(dir string, l Leaving) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("decommission: %w", err)
	}
	l.Schema = 1
	return writeJSON(filepath.Join(dir, LeavingFile), l)
}

// Wipe overwrites and removes keys, certificates, tokens and the identity of a unit that has left, and notes that it did.
// Whatever step breaks off, the next call finishes. What was told to Leave stays.
func Wipe(dir string) error { return wipe(dir, func(string) error { return nil }) }

// wipe asks step before every change; its error breaks off.
func wipe(dir string, step func(string) error) error {
	l, err := ReadLeaving(dir)
	if err != nil {
		return err
	}
	if !l.Told { // else it is noted already: a disk without room keeps no key from being wiped
		if err := step("told"); err != nil {
			return err
		}
		l.Told = true
		if err := Leave(dir, l); err != nil { // from here on nobody needs the identity
			return err
		}
	}
	for _, name := range []string{IdentityFile, PendingFile, NextFile} { // the identity first: without it no key counts any more
		if err := step(name); err != nil {
			return err
		}
		if err := remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("wipe identity: %w", err)
		}
	}
	err = eachPair(dir, func(name string) error {
		if err := step(name); err != nil {
			return err
		}
		return shred(filepath.Join(dir, name))
	})
	if err != nil {
		return fmt.Errorf("wipe identity: %w", err)
	}
	if err := step("wiped"); err != nil {
		return err
	}
	l.Wiped = true
	return Leave(dir, l)
}

// Return lets a unit that was wiped be claimed again.
func Return(dir string) error {
	l, err := ReadLeaving(dir)
	if err != nil {
		return err
	}
	if !l.Wiped {
		return fmt.Errorf("return: %s is not wiped yet", l.Thing)
	}
	return remove(filepath.Join(dir, LeavingFile))
}
