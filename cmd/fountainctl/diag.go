package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

func (t *tool) diagCmd() *cobra.Command {
	var file string
	var short bool
	c := &cobra.Command{
		Use:   "diag",
		Short: "Write everything that helps somebody elsewhere into one file, without secrets",
		Long: `diag writes a gzipped tar file: status, alarms, configuration with its origins, cartridges, lines, setup, the pour
buffer, the tail of the log and of the audit trail, metrics. Passwords and keys are masked; nothing in it says who drank
what. It waits for a pour to end.
--short prints the most telling lines instead: the text that the screen shows as a QR code.`,
		Example: `  fountainctl diag -o unit-417.tar.gz
  fountainctl diag --short`,
		Args: args(cobra.NoArgs),
		RunE: t.do(func(ctx context.Context, c *api.Client, _ []string) error {
			if short && file == "" {
				file = "-"
			}
			if file == "" {
				return &problem.Problem{Code: problem.CodeBadRequest, Where: "-o", What: "no file is named", Remedy: "give -o FILE, - for standard output, or --short"}
			}
			get := c.Diag
			if short {
				get = func(ctx context.Context) ([]byte, error) {
					text, err := c.DiagShort(ctx)
					return []byte(text), err
				}
			}
			body, err := get(ctx)
			if err != nil {
				return err
			}
			if file == "-" {
				if _, err := t.out.Write(body); err != nil {
					return fmt.Errorf("print: %w", err)
				}
				return nil
			}
			if err := atomicfile.Write(file, body, 0o600); err != nil {
				return notWritten(file, "-o", err)
			}
			fmt.Fprintf(t.out, "%s: %d kB\n", file, (len(body)+999)/1000)
			return nil
		}),
	}
	c.Flags().StringVarP(&file, "output", "o", "", "write it to `FILE`; - is standard output")
	c.Flags().BoolVar(&short, "short", false, "print a few telling lines instead")
	return c
}

// notWritten is why a file was not written. An error of the unit stays what it is; one of the file loses the path of the
// temporary file that it names.
func notWritten(file, flag string, err error) error {
	if p := (*problem.Problem)(nil); errors.As(err, &p) {
		return err
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	if fi, serr := os.Stat(file); serr == nil && fi.IsDir() {
		err = syscall.EISDIR
	}
	return &problem.Problem{Code: problem.CodeNotWritable, Where: file, What: fmt.Sprintf("cannot write the file: %v", err), Remedy: "name another one with " + flag}
}
