package access

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"fountain/internal/problem"
)

// Cost of the hash: argon2id with 19 MiB, 2 passes and 1 lane, the first choice of the OWASP Password Storage Cheat
// Sheet ("Argon2id with a minimum configuration of 19 MiB of memory, an iteration count of 2, and 1 degree of
// parallelism").
const (
	hashMemoryKiB = 19 << 10
	hashPasses    = 2
	hashLanes     = 1
	hashBytes     = 32
	saltBytes     = 16
)

// freeTries is how many wrong PINs cost nothing: fingers slip.
const freeTries = 2

// waits is what the next try waits for after the third wrong PIN, the fourth and so on; the last stays. From LockedAfter
// on the PIN is locked out: one try an hour, so that a million PINs take a century.
var waits = [...]time.Duration{
	5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
}

// LockedAfter is the number of wrong PINs in a row after which State says locked.
const LockedAfter = freeTries + len(waits)

// settingPIN is the record's key.
const settingPIN = "access.pin"

// Settings is where the record of the PIN lives; *store.Store is one. PutSetting returns when it is durable.
type Settings interface {
	Setting(key string) (value []byte, ok bool, err error)
	PutSetting(key string, value []byte) error
}

// Config of a PIN.
type Config struct {
	Serial string      // of the unit: its digits are no PIN
	Busy   func() bool // whether a pour is active; nil: never
}

// PIN is the unit's service PIN. There is none until Set was called. Safe for concurrent use; one hash at a time.
type PIN struct {
	cfg      Config
	settings Settings

	mu   sync.Mutex
	rec  record
	err  error     // why the record could not be read
	next time.Time // no try before; monotonic
}

// State of a PIN, for a screen or a terminal.
type State struct {
	Set      bool
	Never    bool          // none was ever set: there is no record, not even a damaged one
	Failures int           // wrong PINs in a row
	Wait     time.Duration // until the next try
	Locked   bool          // LockedAfter or more: only Set, or an hour's wait, helps
}

// Open reads the record. One that cannot be read is no PIN that anything matches: Verify refuses and says why, Set
// replaces it.
func Open(settings Settings, cfg Config) *PIN {
	p := &PIN{cfg: cfg, settings: settings}
	b, ok, err := settings.Setting(settingPIN)
	switch {
	case err != nil:
		p.err = fmt.Errorf("read the PIN: %w", err)
	case ok:
		if p.rec, err = decode(b); err != nil {
			p.err = &problem.Problem{
				Code: problem.CodeDamaged, Where: "service PIN", What: "the stored PIN cannot be read: " + err.Error(),
				Remedy: "set a new one with fountainctl setup",
			}
		}
	}
	p.next = time.Now().Add(waitAfter(p.rec.Failures))
	return p
}

// waitAfter is the wait after so many wrong PINs in a row.
func waitAfter(failures int) time.Duration {
	if failures <= freeTries {
		return 0
	}
	return waits[min(failures-freeTries, len(waits))-1]
}

// State tells how things stand.
func (p *PIN) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{
		Set: p.err == nil && p.rec.set(), Never: p.err == nil && !p.rec.set(), Failures: p.rec.Failures, Wait: max(0, time.Until(p.next)),
		Locked: p.rec.Failures >= LockedAfter,
	}
}

// Set makes pin the PIN and forgets wrong ones. Who may call it is the caller's matter: it is the way out of a lock-out.
func (p *PIN) Set(pin string) error {
	if why := Weak(pin, p.cfg.Serial); why != "" {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "PIN", What: why, Remedy: advice}
	}
	if err := p.free(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := record{V: recordVersion, Memory: hashMemoryKiB, Passes: hashPasses, Lanes: hashLanes, Salt: make([]byte, saltBytes)}
	if _, err := rand.Read(r.Salt); err != nil {
		return fmt.Errorf("make salt: %w", err)
	}
	r.Hash = r.hash(pin)
	if err := p.store(r); err != nil {
		return err
	}
	p.err, p.next = nil, time.Time{}
	return nil
}

// Verify returns nil when pin is the PIN. The try is counted durably before it is judged, so that a power cut gives none
// for free. Errors are problems: forbidden (wrong, with how long to wait), busy (a pour is active, or it is too early;
// such a call costs no try), not_found (none is set), damaged.
func (p *PIN) Verify(pin string) error {
	if err := p.free(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if !p.rec.set() {
		return &problem.Problem{
			Code: problem.CodeNotFound, Where: "service PIN", What: "no PIN has been set yet", Remedy: "set one with fountainctl setup",
		}
	}
	if wait := time.Until(p.next); wait > 0 {
		return p.early(wait)
	}
	tried := p.rec
	tried.Failures = min(tried.Failures+1, maxFailures)
	if err := p.store(tried); err != nil {
		return err
	}
	p.next = time.Now().Add(waitAfter(tried.Failures))
	if len(pin) > maxDigits || subtle.ConstantTimeCompare(tried.hash(pin), tried.Hash) != 1 {
		return p.wrong(tried.Failures)
	}
	right := tried
	right.Failures = 0
	if err := p.store(right); err != nil {
		return err
	}
	p.next = time.Time{}
	return nil
}

// free refuses while a pour is active: the hash takes memory and time that belong to the pour.
func (p *PIN) free() error {
	if p.cfg.Busy != nil && p.cfg.Busy() {
		return &problem.Problem{
			Code: problem.CodeBusy, Where: "service PIN", What: "the unit is pouring", Remedy: "try again when the pour has ended", Retry: true,
		}
	}
	return nil
}

func (p *PIN) early(wait time.Duration) error {
	return &problem.Problem{
		Code: problem.CodeBusy, Where: "service PIN", What: fmt.Sprintf("too many wrong PINs: %d in a row", p.rec.Failures),
		Remedy: "wait " + roundUp(wait).String() + ", or set a new one with fountainctl setup", Retry: true,
	}
}

func (p *PIN) wrong(failures int) error {
	out := &problem.Problem{Code: problem.CodeForbidden, Where: "service PIN", What: "that is not the PIN", Remedy: "try again"}
	if wait := waitAfter(failures); wait > 0 {
		out.Remedy = "the next try is possible in " + wait.String()
	}
	return out
}

func roundUp(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }

// store makes r durable and present; called with mu held.
func (p *PIN) store(r record) error {
	b, err := r.encode()
	if err == nil {
		err = p.settings.PutSetting(settingPIN, b)
	}
	if err != nil {
		return fmt.Errorf("store the PIN's record: %w", err)
	}
	p.rec = r
	return nil
}

// hash of pin with the record's salt and cost.
func (r record) hash(pin string) []byte {
	return argon2.IDKey([]byte(pin), r.Salt, r.Passes, r.Memory, r.Lanes, hashBytes)
}

// Refused tells whether err is a wrong PIN, and not something that kept it from being tried.
func Refused(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == problem.CodeForbidden
}
