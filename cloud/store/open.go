package store

import (
	"context"
	"strings"
)

// Open opens the store at an address: one that begins with postgres:// or postgresql:// is a database's, any other is the
// path of an SQLite file.
func Open(ctx context.Context, address string) (Store, error) {
	if IsPostgres(address) {
		return OpenPostgres(ctx, address)
	}
	return OpenSQLite(ctx, address)
}

// OpenReader is Open for what must be there already, beside a running cloud.
func OpenReader(ctx context.Context, address string) (Store, error) {
	if IsPostgres(address) {
		return OpenPostgres(ctx, address)
	}
	return OpenSQLiteReader(ctx, address)
}

// IsPostgres says whether an address is a PostgreSQL database's.
func IsPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}
