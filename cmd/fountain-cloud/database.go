package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"fountain/cloud/store"
	"fountain/internal/problem"
)

// EnvDatabase names a PostgreSQL database like --database, but not where every user of the machine can read it.
const EnvDatabase = "FOUNTAIN_CLOUD_DATABASE"

// place says where the cloud's data is.
type place struct {
	dir, database string
	getenv        func(string) string
}

// flags adds --dir and --database to a command that reads beside the cloud.
func (p *place) flags(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&p.dir, "dir", "", "directory of fountain-cloud serve (needed without a database)")
	p.databaseFlag(c)
	return c
}

func (p *place) databaseFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.database, "database", "", "postgres:// address instead of a file in DIR; with a password, better in $"+EnvDatabase)
}

// postgres is the address of the database; empty when the data is a file in dir.
func (p *place) postgres() (string, error) {
	address, where := p.database, "--database"
	if address == "" {
		address, where = p.getenv(EnvDatabase), "$"+EnvDatabase
	}
	if address == "" || store.IsPostgres(address) {
		return address, nil
	}
	return "", &problem.Problem{ // without the address: it may hold a password
		Code: problem.CodeBadRequest, Where: where, What: "that is no address of a PostgreSQL database",
		Remedy: "give postgres://USER:PASSWORD@HOST/NAME, or leave it away to keep the data in --dir",
	}
}

func noDirectory() error {
	return &problem.Problem{Code: problem.CodeBadRequest, Where: "--dir", What: "no directory given", Remedy: "give the directory of fountain-cloud serve"}
}

// address is what store.Open takes.
func (p *place) address() (string, error) {
	address, err := p.postgres()
	if err != nil || address != "" {
		return address, err
	}
	if p.dir == "" {
		return "", noDirectory()
	}
	return filepath.Join(p.dir, databaseFile), nil
}

// read runs f on the data beside a cloud that may be running.
func (p *place) read(ctx context.Context, f func(store.Store) error) error {
	address, err := p.address()
	if err != nil {
		return err
	}
	db, err := store.OpenReader(ctx, address)
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}
