package provision

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fountain/internal/atomicfile"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// nextFile is NextFile: like pendingFile, and then who it will be.
type nextFile struct {
	pendingFile
	Generation int    `json:"generation"`
	Thing      string `json:"thing,omitempty"` // once it is registered
	Missed     int    `json:"missed,omitempty"`
}

// NextTries is how often a new certificate may fail to connect, while the old one does, before it is given up.
const NextTries = 3

// Renew gets a new certificate for a new key by conn, which is the unit's own connection, and registers it. It does not
// use it: Next does then. It can be called again after any failure or crash. Config needs Dir, Template (of rotation) and
// Serial.
func Renew(ctx context.Context, cfg Config, conn Conn) error {
	now, err := LoadIdentity(cfg.Dir)
	if err != nil {
		return err
	}
	if err := Tidy(cfg.Dir); err != nil {
		return err
	}
	if _, err := Next(cfg.Dir); err == nil {
		return nil // it waits for its first connection
	}
	key, cert := pair(now.generation + 1)
	cfg.Thing = "" // known by its answer only: nothing is dialled here
	e := &ensurer{Config: cfg, files: files{key, cert, NextFile}}
	if err := e.check(); err != nil {
		return err
	}
	private, err := loadKey(e.path(key), func() error { return e.step("key") })
	if err != nil {
		return err
	}
	s, err := e.talk(ctx, conn)
	if err != nil {
		return err
	}
	thing, pending, err := e.register(ctx, s, private)
	var no *Rejected
	if errors.As(err, &no) && (no.Reason.Code == wire.ProvisionInvalidCSR || no.Reason.Status == 400) {
		return errors.Join(err, dropNext(cfg.Dir, now.generation+1)) // begun anew another time
	}
	if err != nil {
		return err
	}
	if thing.Thing != now.Thing {
		return errors.Join(fmt.Errorf("renew: %w: it was registered for %s", wire.ErrProvision, thing.Thing), dropNext(cfg.Dir, now.generation+1))
	}
	if err := e.step("save-next"); err != nil {
		return err
	}
	e.Log.Info("a new certificate waits for its first connection", logkey.Thing, thing.Thing)
	return writeJSON(e.path(NextFile), nextFile{
		pendingFile: pendingFile{Schema: schema, CertificateID: pending.CertificateID}, Generation: now.generation + 1, Thing: thing.Thing,
	})
}

// Next returns the certificate that is registered and waits for its first connection; ErrNone when there is none.
func Next(dir string) (Identity, error) {
	f, err := readNext(dir)
	if err != nil {
		return Identity{}, err
	}
	now, err := LoadIdentity(dir)
	if err != nil {
		return Identity{}, err
	}
	if f.Thing == "" || f.Generation != now.generation+1 {
		return Identity{}, ErrNone
	}
	key, cert := pair(f.Generation)
	next := Identity{
		Thing: f.Thing, CertificateID: f.CertificateID, Confirmed: true, Device: now.Device,
		CertFile: filepath.Join(dir, cert), KeyFile: filepath.Join(dir, key), generation: f.Generation,
	}
	if _, err := tls.LoadX509KeyPair(next.CertFile, next.KeyFile); err != nil {
		return Identity{}, errors.Join(ErrNone, dropNext(dir, f.Generation)) // half of it is no use
	}
	return next, nil
}

func readNext(dir string) (nextFile, error) {
	var f nextFile
	return f, readJSON(filepath.Join(dir, NextFile), &f, &f.Schema)
}

// Switch makes next, by which a connection has worked, the unit's identity: one write. The old pair is removed.
func Switch(dir string, next Identity) error {
	if err := next.save(dir); err != nil {
		return fmt.Errorf("switch to the new certificate: %w", err)
	}
	return Tidy(dir)
}

// Missed notes that next did not connect although the old certificate did. After NextTries it is given up.
func Missed(dir string) error {
	f, err := readNext(dir)
	if err != nil {
		return err
	}
	if f.Missed++; f.Missed >= NextTries {
		return dropNext(dir, f.Generation)
	}
	return writeJSON(filepath.Join(dir, NextFile), f)
}

func dropNext(dir string, generation int) error {
	key, cert := pair(generation)
	if err := remove(filepath.Join(dir, NextFile)); err != nil {
		return err
	}
	return errors.Join(shred(filepath.Join(dir, key)), remove(filepath.Join(dir, cert)))
}

// Tidy removes the pairs that are neither in use nor next: what a crash after Switch has left.
func Tidy(dir string) error {
	now, err := LoadIdentity(dir)
	if err != nil {
		return err
	}
	var keep []string
	for _, n := range []int{now.generation, now.generation + 1} {
		key, cert := pair(n)
		keep = append(keep, key, cert)
	}
	if f, err := readNext(dir); err == nil && f.Generation != 0 && f.Generation <= now.generation {
		if err := remove(filepath.Join(dir, NextFile)); err != nil {
			return err
		}
	}
	return eachPair(dir, func(name string) error {
		if slices.Contains(keep, name) {
			return nil
		}
		return shred(filepath.Join(dir, name))
	})
}

// eachPair calls f for every key and certificate of the unit in dir.
func eachPair(dir string, f func(name string) error) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	for _, l := range list {
		n := l.Name()
		if strings.HasPrefix(n, "device") && (strings.HasSuffix(n, ".key") || strings.HasSuffix(n, ".crt")) {
			if err := f(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// shred overwrites a file before it removes it. A flash controller may keep the old blocks: the certificate is
// deactivated in the cloud besides.
func shred(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("overwrite key: %w", err)
	}
	st, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, st.Size()))
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("overwrite key: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}
