package provision

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// claimed is a unit with an identity.
func (s *service) claimed(dir string) Config {
	s.t.Helper()
	cfg := s.config(dir)
	if _, err := Ensure(s.t.Context(), cfg, s.dial); err != nil {
		s.t.Fatal(err)
	}
	cfg.Template = "fountain-rotation"
	return cfg
}

// connect is a unit's connection with an identity.
func connect(ctx context.Context, cfg Config, dial Dialer, id Identity) (Conn, error) {
	cert, err := id.Certificate()
	if err != nil {
		return nil, err
	}
	if err := cfg.step("connect"); err != nil {
		return nil, err
	}
	return dial(ctx, id.Thing, cert)
}

// tryNext connects with a renewed certificate and makes it the unit's.
func tryNext(ctx context.Context, cfg Config, dial Dialer) (Conn, error) {
	next, err := Next(cfg.Dir)
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, cfg, dial, next)
	if err != nil {
		return nil, err
	}
	if err = cfg.step("switch"); err == nil {
		err = Switch(cfg.Dir, next)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// life is what a unit does between two ends of its process: it connects with what it has, renews if it is told to, and
// connects with what came of it. It must never be without a certificate that connects.
func (s *service) life(cfg Config, renew bool) error {
	ctx := s.t.Context()
	conn, err := tryNext(ctx, cfg, s.dial)
	if errors.Is(err, errCrash) {
		return err
	}
	if err != nil {
		id, err := LoadIdentity(cfg.Dir)
		if err != nil {
			return err
		}
		if conn, err = connect(ctx, cfg, s.dial, id); err != nil {
			return err
		}
	}
	if !renew {
		return Tidy(cfg.Dir)
	}
	if err := Renew(ctx, cfg, conn); err != nil {
		return err
	}
	conn.Close()
	_, err = tryNext(ctx, cfg, s.dial)
	return err
}

// The unit dies before every step of a rotation, and once more in its next life: it always has a certificate that
// connects, and ends with one pair of files.
func TestRenewCrashAtEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []string
		probe := newService(t)
		cfg := probe.claimed(t.TempDir())
		cfg.step = crashAt(0, &all)
		if err := probe.life(cfg, true); err != nil {
			t.Fatal(err)
		}
		t.Logf("steps %v", all)
		if len(all) < 8 {
			t.Errorf("only %d steps", len(all))
		}
		for first := 1; first <= len(all); first++ {
			for second := first % 3; second <= len(all); second += 3 { // every third pair: each costs two dozen fsyncs
				s := newService(t)
				cfg := s.claimed(t.TempDir())
				before, _ := LoadIdentity(cfg.Dir)
				for life, at := range []int{first, second, 0} {
					var steps []string
					cfg.step = crashAt(at, &steps)
					err := s.life(cfg, true)
					if err != nil && !errors.Is(err, errCrash) {
						t.Fatalf("crash at %s, then %d, life %d: %v", all[first-1], second, life+1, err)
					}
					if err == nil {
						break
					}
				}
				id, err := LoadIdentity(cfg.Dir)
				if err != nil || id.CertificateID == before.CertificateID || s.things[id.Thing] != id.CertificateID {
					t.Fatalf("crash at %s, then %d: %+v %v", all[first-1], second, id, err)
				}
				pairs := 0
				if err := eachPair(cfg.Dir, func(string) error { pairs++; return nil }); err != nil || pairs != 2 {
					t.Errorf("crash at %s, then %d: %d files of keys and certificates, %v", all[first-1], second, pairs, err)
				}
				if st, err := os.Stat(id.KeyFile); err != nil || st.Mode().Perm() != 0o600 {
					t.Errorf("key file: %v %v", st, err)
				}
			}
		}
	})
}

// The service carries a request out and the answer is lost: the next call gets a certificate all the same, also if the
// caller names the thing, as for Ensure.
func TestRenewLostAnswers(t *testing.T) {
	for _, thing := range []string{"", "fountain-SN1"} {
		for lose := 1; lose <= 2; lose++ {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				cfg := s.claimed(t.TempDir())
				cfg.Thing = thing
				s.loseAt = s.request + lose
				cfg.step = func(string) error { return nil }
				if err := s.life(cfg, true); err == nil {
					t.Fatal("the lost answer went unnoticed")
				}
				if err := s.life(cfg, true); err != nil {
					t.Fatal(err)
				}
				if id, err := LoadIdentity(cfg.Dir); err != nil || id.generation != 1 || s.things[id.Thing] != id.CertificateID {
					t.Errorf("%+v %v", id, err)
				}
			})
		}
	}
}

// A new certificate that does not connect leaves the old one in use, and is given up in the end.
func TestNextIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		s.deaf = true
		cfg := s.claimed(t.TempDir())
		cfg.step = func(string) error { return nil }
		if err := s.life(cfg, true); err == nil {
			t.Fatal("it connected")
		}
		for range NextTries {
			if _, err := Next(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			if err := s.life(cfg, false); err != nil { // by the old one
				t.Fatal(err)
			}
			if err := Missed(cfg.Dir); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Next(cfg.Dir); !errors.Is(err, ErrNone) {
			t.Errorf("still there: %v", err)
		}
		if err := s.life(cfg, false); err != nil {
			t.Error(err)
		}
	})
}

// Whatever part of a wipe was done when the process ended, the next one finishes it; no key is left.
func TestWipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cut := range []string{"", IdentityFile, KeyFile, CertFile} {
			s := newService(t)
			cfg := s.claimed(t.TempDir())
			cfg.step = func(string) error { return nil }
			if err := Wipe(cfg.Dir); !errors.Is(err, ErrNone) {
				t.Fatalf("wiped without leaving: %v", err)
			}
			id, err := LoadIdentity(cfg.Dir)
			if err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(t.TempDir(), "key") // sees what becomes of the blocks
			if err := os.Link(id.KeyFile, link); err != nil {
				t.Fatal(err)
			}
			if err := Leave(cfg.Dir, Leaving{Thing: id.Thing, By: "ada", At: time.Now()}); err != nil {
				t.Fatal(err)
			}
			if err := Return(cfg.Dir); err == nil {
				t.Error("a unit that is not wiped came back")
			}
			if cut != "" {
				if err := os.Remove(filepath.Join(cfg.Dir, cut)); err != nil {
					t.Fatal(err)
				}
			}
			if err := Wipe(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			list, err := os.ReadDir(cfg.Dir)
			if err != nil || len(list) != 1 || list[0].Name() != LeavingFile {
				t.Errorf("left: %v %v", list, err)
			}
			if b, err := os.ReadFile(link); cut != KeyFile && (err != nil || len(b) == 0 || b[0] != 0 || b[len(b)/2] != 0) {
				t.Errorf("the key was not overwritten: %q %v", b, err)
			}
			l, err := ReadLeaving(cfg.Dir)
			if err != nil || !l.Wiped || l.Thing != id.Thing || l.By != "ada" {
				t.Errorf("%+v %v", l, err)
			}
			if err := Return(cfg.Dir); err != nil {
				t.Error(err)
			}
		}
	})
}

// A disk without room keeps no key from being wiped.
func TestWipeOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		cfg := s.claimed(t.TempDir())
		if err := Leave(cfg.Dir, Leaving{Thing: "fountain-T1", By: "ada", At: time.Now(), Told: true}); err != nil {
			t.Fatal(err)
		}
		full := func(step string) error {
			if step == "told" || step == "wiped" { // each is a write
				return syscall.ENOSPC
			}
			return nil
		}
		if err := wipe(cfg.Dir, full); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("wiped: %v", err)
		}
		if list, err := os.ReadDir(cfg.Dir); err != nil || len(list) != 1 {
			t.Errorf("left %v %v", list, err)
		}
		if err := Wipe(cfg.Dir); err != nil {
			t.Error(err)
		}
	})
}

// The unit dies before every step of a wipe, and once more in its next life, with a renewal half done: it still knows that
// it leaves, an identity that is there has its key, and the last life leaves nothing. A file that was overwritten and not
// removed goes, too.
func TestWipeCrashAtEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaves := func() (dir string) {
			s := newService(t)
			cfg := s.claimed(t.TempDir())
			cfg.step = func(string) error { return nil }
			s.deaf = true // the next pair stays beside the first
			if err := s.life(cfg, true); err == nil {
				t.Fatal("the new certificate connected")
			}
			if err := Leave(cfg.Dir, Leaving{Thing: "fountain-T1", By: "ada", At: time.Now()}); err != nil {
				t.Fatal(err)
			}
			return cfg.Dir
		}
		var all []string
		if err := wipe(leaves(), crashAt(0, &all)); err != nil {
			t.Fatal(err)
		}
		t.Logf("steps %v", all)
		if len(all) < 9 {
			t.Errorf("only %d steps", len(all))
		}
		for first := 1; first <= len(all); first++ {
			for second := 1; second <= len(all); second++ {
				dir := leaves()
				for life, at := range []int{first, second, 0} {
					var steps []string
					err := wipe(dir, crashAt(at, &steps))
					if err == nil {
						break
					}
					if !errors.Is(err, errCrash) {
						t.Fatalf("crash at %s, then %d, life %d: %v", all[first-1], second, life+1, err)
					}
					if l, err := ReadLeaving(dir); err != nil || l.Wiped || l.By != "ada" || (l.Told != (len(steps) > 0) && life == 0) {
						t.Errorf("crash at %s, then %d: %+v %v", all[first-1], second, l, err)
					}
					if _, err := LoadIdentity(dir); err != nil && !errors.Is(err, ErrNone) {
						t.Errorf("crash at %s, then %d: an identity without its key: %v", all[first-1], second, err)
					}
					if err := Return(dir); err == nil {
						t.Fatalf("crash at %s, then %d: it came back", all[first-1], second)
					}
					if key := filepath.Join(dir, KeyFile); life == 1 { // the power went within the step, too
						if st, err := os.Stat(key); err == nil && len(steps) > 1 {
							if err := os.WriteFile(key, make([]byte, st.Size()), 0o600); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
				list, err := os.ReadDir(dir)
				if err != nil || len(list) != 1 || list[0].Name() != LeavingFile {
					t.Fatalf("crash at %s, then %d: left %v %v", all[first-1], second, list, err)
				}
				if l, err := ReadLeaving(dir); err != nil || !l.Wiped || !l.Told {
					t.Errorf("crash at %s, then %d: %+v %v", all[first-1], second, l, err)
				}
				if err := Return(dir); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
