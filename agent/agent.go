package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fountain/agent/access"
	"fountain/agent/alarm"
	"fountain/agent/apiserver"
	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/inventory"
	"fountain/agent/machine"
	"fountain/agent/record"
	"fountain/agent/store"
	"fountain/hal"
	"fountain/internal/build"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/sync/jobs"
	"fountain/sync/wire"
)

// Kinds of rig, as they stand in records.
const (
	RigSim = "sim"
	RigHW  = "hw"
)

// ThingPrefix and the serial number make the thing's name, the same that the provisioning template of deploy/cfn
// makes. So pours before the first connection carry the right identity: a unit pours before it was ever claimed, and
// nothing of it is lost. If a template gives another name, the alarm thing_differs tells.
const ThingPrefix = "fountain-"

// Config of an Agent.
type Config struct {
	State  string         // state directory; the agent makes pours/ and identity/ in it
	Run    string         // run directory with the sockets; empty: State/run
	Rig    string         // RigSim or RigHW
	Config *config.Config // what the unit was told
}

// Deps is what an Agent works with.
type Deps struct {
	Rig   hal.Rig // opened as hal.OwnerAgent; the caller closes it after Run
	Pacer hal.Pacer
	// Open is used when Rig is nil: New calls it at once, on another goroutine, and waits for it. Opening shuts what the
	// last process left open, whatever New finds wrong meanwhile; yet a wrong file is told before a rig that does not
	// answer. The caller closes what it opened.
	Open  func(context.Context) (hal.Rig, hal.Pacer, error)
	Guard machine.GuardLink
	Log   *slog.Logger
	Level *slog.LevelVar // of Log, so that it can be changed; nil: it cannot
	// Loop readies the control loop's thread: it is called on the loop's goroutine before anything is driven, and what it
	// returns when the loop has ended. Nil: an ordinary goroutine.
	Loop func() (restore func())
	// Dial replaces the transport to the cloud; for tests. Nil: TCP and TLS as configured.
	Dial Dialer
	// Board replaces the file with the board's serial number; for tests.
	Board string
	// Shed is what may go when the disk fills up, in this order, before anything of the store does.
	Shed []store.Shedder
	// CheckStore verifies a file of the store in another process before it is mapped (store.Checker); nil: none does.
	CheckStore func(path string) error
	// LastBeat replaces the guard's file in the run directory; for tests.
	LastBeat func() (beat.Last, error)
}

// Agent is one unit. New prepares it, Run runs it once.
type Agent struct {
	cfg  Config
	deps Deps
	log  *slog.Logger

	catalogue *beverage.Catalogue
	body      []byte // of GET /v1/catalogue
	planogram *beverage.Planogram
	menu      *menu
	recalls   *recalls
	remote    *remote
	jobs      *jobs.Jobs
	loglevel  *logLevel
	board     *alarm.Board
	store     *store.Store
	book      *inventory.Book
	journal   *journal
	machine   *machine.Machine
	server    *apiserver.Server
	cloud     *cloud
	view      *view
	scopes    *scopes
	readiness *readiness
	slots     *cartridges
	wear      *wear
	yield     yield
	pin       *access.PIN
	sessions  *sessions
	audit     *audit
	logs      *logRing
	page      http.Handler // of the metrics; nil: switched off
	setup     *setup
	ops       *ops

	serial    string
	boot      string
	thing     atomic.Pointer[string]
	started   time.Time
	restarted string                        // why it was: wire.RestartFirst …
	known     func() bool                   // the wall clock can be believed
	shown     atomic.Pointer[config.Unit]   // what counts of the screen's keys now
	present   atomic.Pointer[config.Config] // what counts of all that may change while it runs, and what will after a restart
	stocked   atomic.Bool                   // every cartridge slot was read once
	uiAlive   atomic.Int64                  // wall clock of the last PUT /v1/ui/alive, ns

	startup  []*wire.Record    // interrupted records made by New
	marked   map[string]uint64 // log -> seq up to which the saved inventory has it; owned by fold's caller
	leaving  atomic.Bool       // no pour begins any more: the agent is about to end
	begins   atomic.Int32      // pours and operations that are being begun: they have looked at leaving
	leave    chan struct{}     // closed: it ends, to be started anew
	refold   chan struct{}     // one signal: the inventory has changes to save
	rewatch  chan struct{}     // one signal: alarms are to be judged now
	retend   chan struct{}     // one signal: so are those of care
	closing  sync.Once
	closeErr error
}

// New opens the store, recovers what the last process left open, and wires everything. Nothing moves and nobody is
// answered before Run. On error everything is closed again.
func New(ctx context.Context, cfg Config, deps Deps) (_ *Agent, err error) {
	if cfg.Run == "" {
		cfg.Run = filepath.Join(cfg.State, "run")
	}
	if deps.Board == "" {
		deps.Board = boardFile
	}
	if deps.LastBeat == nil {
		deps.LastBeat = func() (beat.Last, error) { return beat.ReadLast(filepath.Join(cfg.Run, beat.LastName)) }
	}
	logs := newLogRing()
	deps.Log = slog.New(tee{Handler: deps.Log.Handler(), ring: logs})
	a := &Agent{
		cfg: cfg, deps: deps, log: deps.Log, logs: logs, known: func() bool { return clockQuality() != record.ClockUnknown }, board: alarm.New(nil), started: time.Now(),
		leave: make(chan struct{}), refold: make(chan struct{}, 1), rewatch: make(chan struct{}, 1), retend: make(chan struct{}, 1), marked: map[string]uint64{},
	}
	a.shown.Store(&cfg.Config.Unit)
	rig := a.openRig(ctx)
	defer func() {
		if err != nil {
			rig.giveUp()
		}
	}()
	if err := a.loadCatalogue(); err != nil {
		return nil, err
	}
	for _, dir := range []string{cfg.State, cfg.Run} {
		if err := writable(dir); err != nil {
			return nil, err
		}
	}
	if a.boot, err = record.BootID(); err != nil {
		return nil, err
	}
	if a.store, err = store.Open(filepath.Join(cfg.State, StoreDir), store.Options{
		Board: boardOf(deps.Board), OnDamage: a.damaged, Yield: func(ctx context.Context) error { return a.yield.Idle(ctx) },
		Belongs: belongs, Check: deps.CheckStore,
	}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = a.Close() // the first error is the one to tell
		}
	}()
	for _, d := range a.store.Damages() {
		a.damaged(d)
	}
	if n := a.store.Stats().Rejected; n > 0 {
		a.board.Set(alarm.Alarm{Name: alarm.RecordRefused, Evidence: fmt.Sprintf("%d set aside before the start", n)})
	}
	if err := a.identify(); err != nil {
		return nil, err
	}
	if err := a.begin(); err != nil {
		return nil, err
	}
	a.audit = openAudit(cfg.State, a.log)
	if err := a.openBook(); err != nil {
		return nil, err
	}
	r := recovery{store: a.store, unit: a.unit(), last: deps.LastBeat, board: a.board, log: a.log}
	if a.startup, err = r.run(ctx); err != nil {
		return nil, err
	}
	if err := a.fold(); err != nil {
		return nil, err
	}
	if a.deps.Rig, a.deps.Pacer, err = rig.wait(); err != nil {
		return nil, err
	}
	a.menu = newMenu(a.catalogue, a.deps.Rig.Parts(), a.cfg.Config)
	if a.recalls, err = openRecalls(a); err != nil {
		return nil, err
	}
	a.recalls.tell()
	if err := a.wire(); err != nil {
		return nil, err
	}
	return a, nil
}

// wire makes the parts that run.
func (a *Agent) wire() (err error) {
	a.journal = newJournal(a.store, a.unit, a.board, a.log)
	a.scopes = newScopes(a.deps.Rig.Parts())
	if a.readiness, err = newReadiness(a.cfg.Config.Limits, a.deps.Rig, a.board, a.scopes); err != nil {
		return err
	}
	a.machine, err = machine.New(machine.Config{}, machine.Deps{
		Rig: a.deps.Rig, Pacer: a.deps.Pacer, Guard: a.deps.Guard, Journal: a.journal,
		Stock: stock{a.book, a.stockChanged}, Ready: a.readiness, Lags: lagStore{a.store}, Locks: lockStore{a.store}, Catalogue: a.catalogue, Planogram: a.planogram, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.loglevel = newLogLevel(a.deps.Level)
	a.remote = openRemote(a)
	a.cloud = newCloud(a)
	a.jobs = newJobs(a)
	a.view = newView(a)
	a.cloud.showLeaving()
	a.yield = yield{a.machine.Quiet}
	a.wear = a.openWear()
	if a.slots, err = newCartridges(a); err != nil {
		return err
	}
	a.journal.recorded = a.recorded
	a.journal.failed = a.view.failed
	a.pin = access.Open(a.store, access.Config{Serial: a.serial, Busy: func() bool { return a.machine.State().Phase.Active() }})
	a.sessions = newSessions(a)
	a.setup = newSetup(a)
	if a.ops, err = openOps(a); err != nil {
		return err
	}
	a.setup.lines = a.ops.Lines
	reg := apiserver.Config{Dir: a.cfg.Run, Log: a.log, Ops: a.ops, Sessions: a.sessions, Admin: apiserver.Admin{
		Cartridges: a.slots, Alarms: alarmDesk{a}, Setup: a.setup, Audit: a.audit, Home: home{a}, Logs: a.logs, Settings: settings{a}, Diag: diag{a}, Store: storeDesk{a}, Leave: leaveDesk{a},
	}}
	if a.cfg.Config.API.Metrics {
		a.page = a.metrics()
		reg.Metrics = a.page
	}
	a.server = apiserver.New(reg, a.view, commands{a})
	return nil
}

// Run pours until ctx ends: then the machine shuts everything and its last pour is recorded, before the store closes.
// ready, if not nil, is called once the local API answers and the machine runs.
func (a *Agent) Run(ctx context.Context, ready func()) error {
	defer a.Close()
	// Three circles: outer what serves, then the machine, innermost the journal that has to outlive it.
	served, stopServing := context.WithCancelCause(ctx)
	defer stopServing(nil)
	outer, octx := errgroup.WithContext(served)
	journalCtx, stopJournal := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJournal()
	var inner errgroup.Group
	inner.Go(func() error { a.journal.run(journalCtx); return nil })

	outer.Go(func() error {
		defer a.journal.close()
		if a.deps.Loop != nil {
			defer a.deps.Loop()()
		}
		err := a.machine.Run(octx)
		if err == nil && octx.Err() == nil {
			err = errors.New("the control loop ended")
		}
		return err
	})
	outer.Go(func() error { return a.server.Run(octx, a.whenReady(octx, ready)) })
	outer.Go(func() error { return a.view.run(octx) })
	outer.Go(func() error { return a.slots.run(octx) })
	outer.Go(func() error { return a.sense(octx) })
	outer.Go(func() error { return a.watchAll(octx) })
	outer.Go(func() error { return a.tend(octx) })
	outer.Go(func() error { return a.housekeep(octx) })
	outer.Go(func() error { return a.keepRoom(octx) })
	outer.Go(func() error { return a.cloud.run(octx) })
	outer.Go(func() error { return a.jobs.Run(octx) })
	outer.Go(func() error { return a.left(octx) })
	err := outer.Wait()
	stopJournal() // a store that still fails is not tried again
	_ = inner.Wait()
	if ferr := a.fold(); ferr != nil {
		a.log.Warn("save inventory", slog.Any(logkey.Err, ferr)) // folded again at the next start
	}
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		a.ends(nil)
		return nil
	}
	a.ends(err)
	return err
}

// whenReady calls ready when both the sockets answer and the loop runs.
func (a *Agent) whenReady(ctx context.Context, ready func()) func() {
	if ready == nil {
		return nil
	}
	return func() {
		select {
		case <-a.machine.Ready():
			ready()
		case <-ctx.Done():
		}
	}
}

// Close releases the store. Run does it too.
func (a *Agent) Close() error {
	a.closing.Do(func() {
		if a.ops != nil {
			a.ops.wait() // the machine has ended before; what an operation came to is entered
		}
		if a.sessions != nil {
			a.sessions.quit()
		}
		a.closeErr = a.store.Close()
		if a.audit != nil {
			a.audit.close()
		}
	})
	return a.closeErr
}

// Interrupted lists the records New made of what the last process left open.
func (a *Agent) Interrupted() []*wire.Record { return a.startup }

// unit is what records say about this machine.
func (a *Agent) unit() record.Unit {
	return record.Unit{Thing: *a.thing.Load(), Boot: a.boot, SW: build.Version, Rig: a.cfg.Rig}
}

func (a *Agent) loadCatalogue() (err error) {
	file := a.cfg.Config.Catalogue.File
	if a.catalogue, err = beverage.Load(file); err != nil {
		return err
	}
	if a.planogram, err = beverage.LoadPlanogram(a.cfg.Config.Planogram.File, a.catalogue); err != nil {
		return err
	}
	if a.body, err = json.Marshal(a.catalogue); err != nil {
		return fmt.Errorf("encode catalogue: %w", err)
	}
	return nil
}

// identify finds the serial number and with it the thing's name.
func (a *Agent) identify() error {
	a.serial = a.cfg.Config.Unit.Serial
	if a.serial == "" { // a unit nobody named: it keeps the name it gives itself
		b, ok, err := a.store.Setting(settingSerial)
		if err != nil {
			return fmt.Errorf("read serial number: %w", err)
		}
		if !ok {
			b = []byte("X" + record.NewID(time.Now())[14:])
			if err := a.store.PutSetting(settingSerial, b); err != nil {
				return fmt.Errorf("store serial number: %w", err)
			}
		}
		a.serial = string(b)
	}
	thing := ThingPrefix + a.serial
	if err := wire.CheckThing(thing); err != nil {
		return &problem.Problem{
			Code: problem.CodeBadConfig, Where: "unit.serial", What: err.Error(), Remedy: "use letters, digits, - and _ only",
		}
	}
	a.thing.Store(&thing)
	return nil
}

// writable makes dir and proves that a file can be made in it.
func writable(dir string) error {
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, ".writable.*"); err == nil {
			_ = f.Close()
			err = os.Remove(f.Name())
		}
	}
	if err != nil {
		return &problem.Problem{
			Code: problem.CodeNotWritable, Where: dir, What: fmt.Sprintf("the directory cannot be written: %v", errors.Unwrap(err)),
			Remedy: "give the agent's user write access, or choose another --state",
		}
	}
	return nil
}
