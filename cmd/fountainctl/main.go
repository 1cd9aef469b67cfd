// Command fountainctl is the technician's tool: it talks to one agent over its local socket.
//
//	terminal ──► fountainctl ──api.Client──► service.sock ──► fountaind
//
// Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused for safety.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"fountain/agent/api"
	"fountain/internal/build"
	"fountain/internal/problem"
)

// envSocket names the environment variable with the socket's path.
const envSocket = "FOUNTAIN_SOCKET"

// places is where an agent's service socket usually lies: a device, then the desk of this directory.
var places = [...]string{
	"/run/fountain/" + api.ServiceSocket,
	filepath.Join(".desk", "unit-1", "run", api.ServiceSocket),
}

// maxSocketPath is what Linux allows: sun_path less its final zero.
const maxSocketPath = 107

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // a lost terminal is a lost lease
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// tool is what every command needs.
type tool struct {
	getenv  func(string) string
	account func() string
	out     io.Writer
	err     io.Writer
	socket  string
	json    bool
	person  string
	in      io.Reader
	term    *terminal
	limit   time.Duration // of a command that only asks
	ran     bool          // a command began: what fails from here on is no wrong use of the command line
}

func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &tool{getenv: getenv, account: account, in: stdin, out: stdout, err: stderr, limit: readLimit}
	root := t.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "fountainctl:", err)
	if !t.ran {
		return 2
	}
	return problem.ExitCode(err)
}

func (t *tool) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "fountainctl",
		Short: "Look after one dispenser from its terminal",
		Long: `fountainctl talks to the agent of one dispenser over its service socket.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused for safety.`,
		Example: `  fountainctl status
  fountainctl brands
  fountainctl pour kolvane.zero --ml 240
  fountainctl setup
  fountainctl clean s01
  fountainctl --socket .desk/unit-2/run/service.sock watch`,
		Version:       build.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          args(cobra.NoArgs),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&t.socket, "socket", "",
		"the agent's `PATH`: service.sock in its run directory (default $"+envSocket+", then the usual places)")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%s: see %s --help", parsing.ReplaceAllString(err.Error(), ""), c.CommandPath())
	})
	root.AddCommand(t.statusCmd(), t.brandsCmd(), t.pourCmd(), t.watchCmd())
	root.AddCommand(t.opCmds()...)
	root.AddCommand(t.linesCmd(), t.cartridgeCmd(), t.alarmsCmd(), t.auditCmd(), t.setupCmd(), t.diagCmd(), t.configCmd(), t.storeCmd(), t.decommissionCmd())
	return root
}

// parsing is what the flags' errors tell a programmer only.
var parsing = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": `)

// args wraps cobra's check so that its message says where to look.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		err := check(c, a)
		if err == nil {
			return nil
		}
		if c.HasSubCommands() && len(a) > 0 {
			remedy := "see " + c.CommandPath() + " --help"
			c.SuggestionsMinimumDistance = 2 // letters that differ
			if like := c.SuggestionsFor(a[0]); len(like) > 0 {
				remedy = "did you mean " + strings.Join(like, " or ") + "? " + remedy
			}
			return &problem.Problem{Code: problem.CodeBadRequest, Where: c.CommandPath(), What: fmt.Sprintf("there is no command %q", a[0]), Remedy: remedy}
		}
		return fmt.Errorf("%w: %s: see %s --help", err, c.UseLine(), c.CommandPath())
	}
}

// do wraps a command that needs the agent.
func (t *tool) do(f func(ctx context.Context, c *api.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		t.ran = true
		c, err := t.client()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), c, args)
	}
}

// readLimit bounds a command that only asks: an agent that hangs is what a technician wants to be told.
const readLimit = 10 * time.Second

// read is do for a command that only asks.
func (t *tool) read(f func(ctx context.Context, c *api.Client, args []string) error) func(*cobra.Command, []string) error {
	return t.do(func(ctx context.Context, c *api.Client, args []string) error {
		ctx, cancel := context.WithTimeout(ctx, t.limit)
		defer cancel()
		err := f(ctx, c, args)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &problem.Problem{
				Code: problem.CodeUnreachable, Where: "after " + t.limit.String(), What: "the agent does not answer",
				Remedy: "look at its log; the guard shuts the water while it hangs",
			}
		}
		return err
	})
}

func (t *tool) client() (*api.Client, error) {
	named, by := t.socket, "--socket "
	if named == "" {
		named, by = t.getenv(envSocket), "$"+envSocket+" "
	}
	if len(named) > maxSocketPath {
		return nil, &problem.Problem{
			Code: problem.CodeBadRequest, Where: by + named, What: fmt.Sprintf("the path has %d bytes, Linux allows %d", len(named), maxSocketPath),
			Remedy: "name it by a shorter path, for example a relative one",
		}
	}
	if named != "" {
		return api.NewClient(named), nil
	}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil || !errors.Is(err, os.ErrNotExist) {
			return api.NewClient(p), nil
		}
	}
	return nil, &problem.Problem{
		Code: problem.CodeUnreachable, Where: strings.Join(places[:], ", "), What: "found no agent in the usual places",
		Remedy: "name its service.sock with --socket or $" + envSocket, Retry: true,
	}
}

func (t *tool) jsonFlag(c *cobra.Command, what string) {
	c.Flags().BoolVar(&t.json, "json", false, "print "+what)
}

func (t *tool) printJSON(v any) error {
	e := json.NewEncoder(t.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// terminal is the person at this command.
func (t *tool) terminal() *terminal {
	if t.term == nil {
		t.term = newTerminal(t.in, t.err)
	}
	return t.term
}

// isTerminal tells whether w, a stream, is a person's screen, where a line may be drawn again.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
