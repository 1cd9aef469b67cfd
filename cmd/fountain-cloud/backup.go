package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"fountain/cloud/store"
	"fountain/internal/problem"
)

func backupCommand(stdout io.Writer, getenv func(string) string) *cobra.Command {
	at := place{getenv: getenv}
	var file string
	c := &cobra.Command{
		Use: "backup", Short: "Write the data into one file, while the cloud runs or not",
		Long: "Backup writes registry, shadows, jobs and consumption as they are now into one file, whole or not at all.\n" +
			"Keys and certificates (ca.*, claim.*) and objects are files in DIR and do not change; copy them once.",
		Example: "  fountain-cloud backup --dir .cloud -o cloud-backup.db",
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return &problem.Problem{Code: problem.CodeBadRequest, Where: "--output", What: "no file given", Remedy: "give -o FILE"}
			}
			if err := at.mustBeFile(); err != nil {
				return err
			}
			return at.read(c.Context(), func(db store.Store) error {
				sqlite, ok := db.(*store.SQLite)
				if !ok {
					return errors.New("the store is no file")
				}
				if err := sqlite.Backup(c.Context(), file); err != nil {
					return err
				}
				_, err := fmt.Fprintln(stdout, file)
				return err
			})
		},
	}
	at.flags(c)
	c.Flags().StringVarP(&file, "output", "o", "", "file to write (needed)")
	return c
}

func restoreCommand(stdout io.Writer, getenv func(string) string) *cobra.Command {
	at := place{getenv: getenv}
	var force bool
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of the data; the cloud must not run",
		Long: "Restore checks the backup and puts it in place. Data that is newer is replaced only with --force, and kept beside it.\n" +
			"What units have poured since the backup comes back by itself: when they connect they are asked for it.",
		Example: "  fountain-cloud restore cloud-backup.db --dir .cloud",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return at.restore(c.Context(), args[0], force, stdout) },
	}
	at.flags(c)
	c.Flags().BoolVar(&force, "force", false, "replace data that is newer than the backup or cannot be read")
	return c
}

func (p *place) restore(ctx context.Context, file string, force bool, stdout io.Writer) error {
	if err := p.mustBeFile(); err != nil {
		return err
	}
	if _, err := p.address(); err != nil {
		return err
	}
	dir, unlock, err := openDir(p.dir)
	if err != nil {
		return err
	}
	defer unlock()
	kept, err := store.RestoreSQLite(ctx, file, filepath.Join(dir, databaseFile), force)
	if err == nil && kept != "" {
		_, err = fmt.Fprintf(stdout, "what was there is kept as %s\n", kept)
	}
	return err
}

// mustBeFile refuses a PostgreSQL database: it has tools of its own for this.
func (p *place) mustBeFile() error {
	address, err := p.postgres()
	if err == nil && address != "" {
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: "--database", What: "a PostgreSQL database is not backed up from here",
			Remedy: "use pg_dump and pg_restore, or the server's own backups",
		}
	}
	return err
}
