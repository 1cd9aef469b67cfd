package provision

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"fountain/internal/problem"
	"fountain/sync/wire"
)

func TestEnsure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		cfg := s.config(t.TempDir())
		id, err := Ensure(t.Context(), cfg, s.dial)
		if err != nil {
			t.Fatal(err)
		}
		s.good(id, cfg)
		n := len(s.dials)
		if _, err := Ensure(t.Context(), cfg, s.dial); err != nil || len(s.dials) != n {
			t.Errorf("second call dialled or failed: %v", err)
		}
		if id.Device["site"] != "x" {
			t.Errorf("device configuration %v", id.Device)
		}
	})
}

// A disk without room for the last word on it keeps no unit off the line, and the claim stays until that is said.
func TestEnsureOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		cfg := s.config(t.TempDir())
		file, aside := filepath.Join(cfg.Dir, IdentityFile), filepath.Join(cfg.Dir, "aside")
		full := cfg
		full.step = func(name string) error {
			if name == "confirm" { // no file takes a directory's place
				return errors.Join(os.Rename(file, aside), os.Mkdir(file, 0o700))
			}
			return nil
		}
		id, err := Ensure(t.Context(), full, s.dial)
		if err != nil || !id.Confirmed {
			t.Errorf("%+v %v", id, err)
		}
		if _, err := os.Stat(cfg.ClaimKey); err != nil {
			t.Errorf("the claim: %v", err)
		}
		if err := errors.Join(os.Remove(file), os.Rename(aside, file)); err != nil {
			t.Fatal(err)
		}
		if id, err = Ensure(t.Context(), cfg, s.dial); err != nil {
			t.Fatal(err)
		}
		s.good(id, cfg)
	})
}

var errCrash = errors.New("crash")

// crashAt stops at the nth step; steps tells how many there were.
func crashAt(n int, steps *[]string) func(string) error {
	i := 0
	return func(name string) error {
		if i++; i == n {
			return fmt.Errorf("%w before %s", errCrash, name)
		}
		*steps = append(*steps, name)
		return nil
	}
}

// The unit dies before every step, and once more in its second life; the third life always ends well.
func TestCrashAtEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []string
		probe := newService(t)
		cfg := probe.config(t.TempDir())
		cfg.step = crashAt(0, &all)
		if _, err := Ensure(t.Context(), cfg, probe.dial); err != nil {
			t.Fatal(err)
		}
		t.Logf("steps %v", all)
		if len(all) < 10 {
			t.Errorf("only %d steps", len(all))
		}
		for first := 1; first <= len(all); first++ {
			for second := 1 + first%4; second <= len(all); second += 4 { // every fourth pair: each costs a dozen fsyncs
				s := newService(t)
				cfg := s.config(t.TempDir())
				var key []byte
				for life, at := range []int{first, second, 0} {
					var steps []string
					cfg.step = crashAt(at, &steps)
					id, err := Ensure(t.Context(), cfg, s.dial)
					if err != nil && !errors.Is(err, errCrash) {
						t.Fatalf("crash at %s, then %d, life %d: %v", all[first-1], second, life+1, err)
					}
					if now, err := os.ReadFile(filepath.Join(cfg.Dir, KeyFile)); err == nil {
						if key != nil && string(now) != string(key) {
							t.Errorf("crash at %s: the key was made anew", all[first-1])
						}
						key = now
					}
					if err == nil {
						s.good(id, cfg)
						break
					}
					if id, err := LoadIdentity(cfg.Dir); err == nil && !id.Confirmed {
						if _, err := os.Stat(cfg.ClaimKey); err != nil {
							t.Errorf("crash at %s: claim gone before the identity is confirmed", all[first-1])
						}
					}
				}
			}
		}
	})
}

// The service carries a request out and its answer is lost.
func TestLostAnswers(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for lose := 1; lose <= 2; lose++ {
			t.Run(fmt.Sprintf("request %d strict %v", lose, strict), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newService(t)
					s.loseAt, s.strict = lose, strict
					cfg := s.config(t.TempDir())
					if strict {
						cfg.Thing = "fountain-SN1" // the only way to find out, if a token works but once
					}
					if _, err := Ensure(t.Context(), cfg, s.dial); err == nil {
						t.Fatal("the lost answer went unnoticed")
					}
					id, err := Ensure(t.Context(), cfg, s.dial)
					if err != nil {
						t.Fatal(err)
					}
					s.good(id, cfg)
				})
			})
		}
	}
}

func TestExpiredTokenIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		cfg := s.config(t.TempDir())
		var steps []string
		cfg.step = func(name string) error {
			if name == "register" {
				return errCrash
			}
			return nil
		}
		if _, err := Ensure(t.Context(), cfg, s.dial); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		clear(s.pending) // an hour later
		cfg.step = crashAt(0, &steps)
		id, err := Ensure(t.Context(), cfg, s.dial)
		if err != nil {
			t.Fatal(err)
		}
		s.good(id, cfg)
	})
}

func TestRefusalsHaveARemedy(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		code   string
		retry  bool
	}{
		wire.ProvisionAccessDenied: {403, problem.CodeForbidden, false},
		wire.ProvisionThrottled:    {429, problem.CodeUnreachable, true},
		wire.ProvisionInternal:     {500, problem.CodeUnreachable, true},
		wire.ProvisionBadRequest:   {400, problem.CodeBadConfig, false},
	} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				s.refuse = &wire.ProvisionError{Status: want.status, Code: code, Message: "no"}
				_, err := Ensure(t.Context(), s.config(t.TempDir()), s.dial)
				var r *Rejected
				var p *problem.Problem
				var w *wire.ProvisionError
				if !errors.As(err, &r) || !errors.As(err, &p) || !errors.As(err, &w) {
					t.Fatalf("got %v", err)
				}
				if r.Step != "certificate" || p.Code != want.code || p.Retry != want.retry || p.Remedy == "" {
					t.Errorf("got %+v", p)
				}
			})
		})
	}
	t.Run("silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t)
			s.silent = true
			start := time.Now()
			_, err := Ensure(t.Context(), s.config(t.TempDir()), s.dial)
			if p := problem.From(err); p.Code != problem.CodeUnreachable || !p.Retry || time.Since(start) != 15*time.Second {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		})
	})
}

func TestDamagedIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		file, content, code string
	}{
		"cut off":         {IdentityFile, `{"schema":`, problem.CodeDamaged},
		"newer schema":    {IdentityFile, `{"schema":99}`, problem.CodeNewerSchema},
		"key is garbage":  {KeyFile, "x", problem.CodeDamaged},
		"cert is missing": {CertFile, "", problem.CodeDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				cfg := s.config(t.TempDir())
				if _, err := Ensure(t.Context(), cfg, s.dial); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(cfg.Dir, tc.file)
				if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := Ensure(t.Context(), cfg, s.dial)
				if p := problem.From(err); p.Code != tc.code || p.Where == "" || p.Remedy == "" {
					t.Errorf("got %v", err)
				}
				if len(s.things) != 1 {
					t.Errorf("claimed again: %v", s.things)
				}
			})
		})
	}
	t.Run("none", func(t *testing.T) {
		if _, err := LoadIdentity(t.TempDir()); !errors.Is(err, ErrNone) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("claim is missing", func(t *testing.T) {
		s := newService(t)
		cfg := s.config(t.TempDir())
		cfg.ClaimCert = filepath.Join(t.TempDir(), "none")
		if _, err := Ensure(t.Context(), cfg, s.dial); problem.From(err).Code != problem.CodeBadConfig {
			t.Errorf("got %v", err)
		}
	})
}
