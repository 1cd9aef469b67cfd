package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"fountain/agent/beverage"
	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/authority"
	"fountain/cloud/awsiot/control"
	"fountain/cloud/awsiot/objects"
	"fountain/cloud/awsiot/provision"
	"fountain/cloud/awsiot/stack"
	"fountain/cloud/console"
	"fountain/cloud/ingest"
	"fountain/cloud/store"
	"fountain/deploy"
	"fountain/internal/atomicfile"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// Names of the files in --dir beside those of authority.Authority.
const (
	databaseFile  = "cloud.db"
	endpointsFile = "endpoints.json"
	lockFile      = "lock"
)

// Endpoints is what endpoints.json says. Paths are absolute. HTTPS is the devices' HTTPS interface, Control what
// "aws iot --endpoint-url" takes.
type Endpoints struct {
	MQTT      string `json:"mqtt"`
	HTTPS     string `json:"https"`
	Console   string `json:"console"`
	Control   string `json:"control"`
	CA        string `json:"ca"`
	ClaimCert string `json:"claim_cert"`
	ClaimKey  string `json:"claim_key"`
	Template  string `json:"template"` // name of the provisioning template
}

type serveFlags struct {
	place
	mqtt, http, https, control, template, region, account, role, allow string
	ledger                                                             time.Duration
	dropEvery                                                          int64
	verbose                                                            bool
}

func serveCommand(stderr io.Writer, getenv func(string) string) *cobra.Command {
	f := serveFlags{place: place{getenv: getenv}}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the cloud",
		Long: "Serve runs broker, ingest and console. It writes DIR/endpoints.json when it is ready; units take that file.\n" +
			"It enforces the CloudFormation template the real cloud is deployed with.",
		Example: "  fountain-cloud serve --dir .cloud\n  fountain-cloud serve --dir .cloud --mqtt 127.0.0.1:0 --http 127.0.0.1:0",
		RunE:    func(c *cobra.Command, _ []string) error { return serve(c.Context(), f, stderr) },
	}
	fl := c.Flags()
	fl.StringVar(&f.dir, "dir", "", "directory of everything the cloud keeps (needed)")
	f.databaseFlag(c)
	fl.StringVar(&f.mqtt, "mqtt", "127.0.0.1:8883", "address of MQTT over TLS; port 0 picks one")
	fl.StringVar(&f.http, "http", "127.0.0.1:8080", "address of the console; port 0 picks one")
	fl.StringVar(&f.https, "https", "127.0.0.1:0", "address of the devices' HTTPS interface; port 0 picks one")
	fl.StringVar(&f.control, "control", "127.0.0.1:0", "address of the AWS control plane, for aws iot --endpoint-url; port 0 picks one")
	fl.StringVar(&f.allow, "allow-list", "", "file of the serials that may be claimed, one a line; without it every serial may, once")
	fl.StringVar(&f.template, "template", "", "CloudFormation template instead of the built-in one")
	fl.StringVar(&f.region, "region", "us-east-1", "AWS region to pretend")
	fl.StringVar(&f.account, "account", "123456789012", "AWS account to pretend")
	fl.StringVar(&f.role, "role", "all", "what to run; this build knows all")
	fl.DurationVar(&f.ledger, "ledger-interval", 2*time.Second, "time between acknowledgements of one unit (15m in production)")
	fl.BoolVar(&f.verbose, "verbose", false, "log every message")
	fl.Int64Var(&f.dropEvery, "fault-drop-every", 0, "lose every n-th consumption message after acknowledging it, to test recovery")
	if err := fl.MarkHidden("fault-drop-every"); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}

// serve runs until ctx ends.
func serve(ctx context.Context, f serveFlags, stderr io.Writer) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	address, err := f.address()
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	stack, template, err := f.loadStack()
	if err != nil {
		return err
	}
	dir, unlock, err := openDir(f.dir)
	if err != nil {
		return err
	}
	defer unlock()
	endpoints := filepath.Join(dir, endpointsFile)
	if err := os.Remove(endpoints); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a cloud that was killed
		return notWritable(endpoints, err)
	}
	db, err := store.Open(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.AllOffline(ctx, time.Now().UnixMilli()); err != nil {
		return err
	}
	ls, err := f.listen()
	if err != nil {
		return err
	}
	defer ls.close() // closed by their servers; again does no harm
	ca, err := authority.Open(dir, append(hostsOf(f.mqtt), hostsOf(f.https)...)...)
	if err != nil {
		return err
	}
	if err := ca.EnsureClaim(ctx, dir, stack.ClaimPolicy, db); err != nil {
		return err
	}
	s := &server{db: db, log: log}
	if err := s.wire(f, dir, stack, ca, ls); err != nil {
		return err
	}
	e := Endpoints{
		MQTT: ls.mqtt.local(), HTTPS: "https://" + ls.https.local(), Console: "http://" + ls.console.local(), Control: "http://" + ls.control.local(),
		CA: filepath.Join(dir, authority.FileCA), ClaimCert: filepath.Join(dir, authority.FileClaimCert), ClaimKey: filepath.Join(dir, authority.FileClaimKey),
		Template: template,
	}
	return s.run(ctx, ls, func() error {
		b, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			return err
		}
		if err := atomicfile.Write(endpoints, append(b, '\n'), 0o644); err != nil {
			return notWritable(endpoints, err)
		}
		log.Info("cloud is ready", slog.String("mqtt", e.MQTT), slog.String("console", e.Console), slog.String("control", e.Control), logkey.Path, endpoints)
		return nil
	})
}

// What AWS gives: https://docs.aws.amazon.com/general/latest/gr/ (account identifiers, regions).
var (
	account = regexp.MustCompile(`^[0-9]{12}$`)
	region  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
)

func (f *serveFlags) check() error {
	bad := func(flag, what, remedy string) error {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: flag, What: what, Remedy: remedy}
	}
	switch {
	case f.dir == "":
		return bad("--dir", "no directory given", "give a directory for the cloud's data")
	case f.role != "all":
		return bad("--role "+f.role, "this build runs everything in one process", "leave --role away or give all")
	case !account.MatchString(f.account):
		return bad("--account "+f.account, "that is no AWS account", "give 12 digits")
	case !region.MatchString(f.region):
		return bad("--region "+f.region, "that is no AWS region", "give one such as us-east-1")
	case f.ledger <= 0:
		return bad("--ledger-interval", "must be above 0", "give a duration such as 2s or 15m")
	}
	return nil
}

// loadStack reads the template and names its provisioning template.
func (f *serveFlags) loadStack() (*stack.Stack, string, error) {
	text, where := deploy.DeviceTemplate, deploy.DeviceTemplateName
	if f.template != "" {
		b, err := os.ReadFile(f.template)
		if err != nil {
			return nil, "", &problem.Problem{
				Code: problem.CodeBadConfig, Where: f.template, What: fmt.Sprintf("cannot read the template: %v", err),
				Remedy: "give a CloudFormation file, or leave --template away for the built-in one",
			}
		}
		text, where = b, f.template
	}
	stack, err := stack.Load(text, where, stack.Location{Region: f.region, Account: f.account, Parameters: map[string]string{
		// The hook runs in this process; the name is only for the template.
		"PreProvisioningHookArn": fmt.Sprintf("arn:aws:lambda:%s:%s:function:fountain-claim", f.region, f.account),
	}})
	if err != nil {
		return nil, "", err
	}
	name, err := stack.TemplateName()
	if err == nil && stack.ClaimPolicy == "" {
		err = errors.New("the stack has no policy with the logical id ClaimPolicy")
	}
	if err != nil {
		return nil, "", &problem.Problem{Code: problem.CodeBadConfig, Where: where, What: err.Error(), Remedy: "correct the template"}
	}
	return stack, name, nil
}

func notWritable(path string, err error) error {
	return &problem.Problem{
		Code: problem.CodeNotWritable, Where: path, What: fmt.Sprintf("cannot write the cloud's data: %v", err),
		Remedy: "make the directory writable for this user or choose another --dir",
	}
}

// openDir makes the directory and locks it: two clouds on one directory would fight over the database.
func openDir(dir string) (abs string, unlock func(), err error) {
	abs, err = filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("find %s: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return "", nil, notWritable(abs, err)
	}
	path := filepath.Join(abs, lockFile)
	l, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, notWritable(path, err)
	}
	if err := unix.Flock(int(l.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = l.Close() // the lock is the one to tell
		return "", nil, &problem.Problem{
			Code: problem.CodeConflict, Where: abs, What: "another fountain-cloud uses this directory",
			Remedy: "stop it or give another --dir", Retry: true,
		}
	}
	return abs, func() { _ = l.Close() }, nil // closing unlocks
}

// server is the running cloud.
type server struct {
	db      store.Store
	log     *slog.Logger
	broker  *awsiot.Core
	ingest  *ingest.Ingest
	console *console.Console
	http    *control.Control
}

// wire connects rule engine, ingest, ledger, console and the HTTP side.
func (s *server) wire(f serveFlags, dir string, st *stack.Stack, ca *authority.Authority, ls *listeners) error {
	catalogue, err := beverage.Default()
	if err != nil {
		return err
	}
	secret, err := ca.Secret("objects")
	if err != nil {
		return err
	}
	files, err := objects.New(objects.Config{
		Dir: filepath.Join(dir, "objects"), Region: st.Region, Secret: secret,
		BaseURL: func() string { return "https://" + ls.https.local() },
	})
	if err != nil {
		return err
	}
	hook, err := s.hook(f.allow)
	if err != nil {
		return err
	}
	var accepted atomic.Int64
	cfg := awsiot.Config{
		Stack: st, Authority: ca, Store: s.db, Hook: hook, Objects: files, Log: s.log,
		Deliver: func(ctx context.Context, m awsiot.QueueMessage) error {
			if m.Error {
				return s.ingest.HandleDead(ctx, m.Body)
			}
			return s.ingest.Handle(ctx, m.Body)
		},
		OnPresence: func(p awsiot.Presence) {
			if p.Online {
				s.ingest.Connected(p.Thing)
			}
			s.console.Presence(p.Thing)
		},
	}
	if f.dropEvery > 0 {
		cfg.DropAccepted = func(_, _ string) bool { return accepted.Add(1)%f.dropEvery == 0 }
	}
	if s.broker, err = awsiot.New(cfg); err != nil {
		return err
	}
	if s.http, err = s.broker.HTTP(ls.endpoint, files); err != nil {
		return err
	}
	s.console, err = console.New(console.Config{
		Store: s.db, Catalogue: catalogue, Log: s.log,
		Reported: func(ctx context.Context, thing string) (wire.LedgerReport, error) {
			b, err := s.broker.ReportedShadow(ctx, thing, wire.LedgerShadow)
			if err != nil {
				return nil, err
			}
			return wire.DecodeLedgerReport(b)
		},
	})
	if err != nil {
		return err
	}
	s.ingest = ingest.New(ingest.Config{
		Store: s.db, Ledger: s.broker, LedgerInterval: f.ledger, OnCommit: s.console.Pours, Log: s.log,
	})
	return nil
}

// hook decides who may claim.
func (s *server) hook(allow string) (provision.Hook, error) {
	once := provision.ClaimOnce{Registry: s.db}
	if allow == "" {
		s.log.Warn("there is no allow list (--allow-list): whoever holds the claim certificate may claim any serial, once")
		return once, nil
	}
	list := provision.AllowList{Path: allow}
	return provision.Hooks{list, once}, list.Check()
}

// run serves until ctx ends: first no more messages, then the queue is committed, then the pages end.
func (s *server) run(ctx context.Context, ls *listeners, ready func() error) error {
	g, ctx := errgroup.WithContext(ctx)
	drain, stopIngest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopIngest()
	web := []*webServer{
		s.web(ls.console, s.pages()), s.web(ls.control, s.http.Handler()), s.web(ls.https, s.http.DeviceHandler()),
	}
	web[2].TLSConfig, web[2].l = s.http.TLS(), control.Split(ls.https.l, s.broker.ServeConn)
	g.Go(func() error { return s.broker.Serve(ls.mqtt.l) })
	g.Go(func() error { return s.ingest.Run(drain) })
	for _, w := range web {
		g.Go(w.serve)
	}
	g.Go(func() error {
		<-ctx.Done()
		err := s.broker.Close()
		stopIngest()
		s.console.Close()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		for _, w := range web {
			err = errors.Join(err, w.Shutdown(stop))
		}
		return err
	})
	g.Go(ready)
	err := g.Wait()
	s.log.Info("cloud stopped")
	return err
}
