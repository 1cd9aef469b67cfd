-- Schema 1. Times are milliseconds since 1970, volumes µL.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE things (
  name            TEXT PRIMARY KEY,
  serial          TEXT NOT NULL UNIQUE,
  type            TEXT NOT NULL,
  created         INTEGER NOT NULL,
  first_connected INTEGER NOT NULL DEFAULT 0,
  released        INTEGER NOT NULL DEFAULT 0,
  online          INTEGER NOT NULL DEFAULT 0,
  changed         INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE certificates (
  id            TEXT PRIMARY KEY,
  pem           TEXT NOT NULL,
  key_hash      TEXT NOT NULL,
  status        TEXT NOT NULL,
  thing         TEXT NOT NULL DEFAULT '',
  policies      TEXT NOT NULL DEFAULT '[]',
  token         TEXT NOT NULL DEFAULT '',
  token_expires INTEGER NOT NULL DEFAULT 0,
  created       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX certificates_thing ON certificates(thing) WHERE thing <> '';
CREATE UNIQUE INDEX certificates_token ON certificates(token) WHERE token <> '';

CREATE TABLE shadows (
  thing   TEXT NOT NULL,
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,
  doc     BLOB,
  PRIMARY KEY (thing, name)
) WITHOUT ROWID;

-- One row for each (thing, log): the mark of what has arrived.
CREATE TABLE logs (
  id      INTEGER PRIMARY KEY,
  thing   TEXT NOT NULL,
  log     TEXT NOT NULL,
  upto    INTEGER NOT NULL DEFAULT 0,
  last    INTEGER NOT NULL DEFAULT 0,
  last_n  INTEGER NOT NULL DEFAULT 0,
  changed INTEGER NOT NULL DEFAULT 0,
  UNIQUE (thing, log)
);

-- Runs of seq above upto, never touching each other or upto.
CREATE TABLE islands (
  log INTEGER NOT NULL REFERENCES logs(id),
  a   INTEGER NOT NULL,
  b   INTEGER NOT NULL,
  PRIMARY KEY (log, a)
) WITHOUT ROWID;
CREATE UNIQUE INDEX islands_end ON islands(log, b);

CREATE TABLE pours (
  n        INTEGER PRIMARY KEY, -- order of commits
  log      INTEGER NOT NULL REFERENCES logs(id),
  seq      INTEGER NOT NULL,
  received INTEGER NOT NULL,
  body     BLOB NOT NULL,
  UNIQUE (log, seq)
);

CREATE TABLE conflicts (
  n        INTEGER PRIMARY KEY,
  log      INTEGER NOT NULL REFERENCES logs(id),
  seq      INTEGER NOT NULL,
  digest   BLOB NOT NULL, -- SHA-256 of body
  received INTEGER NOT NULL,
  body     BLOB NOT NULL,
  times    INTEGER NOT NULL DEFAULT 1,
  UNIQUE (log, seq, digest)
);

CREATE TABLE quarantine (
  n        INTEGER PRIMARY KEY,
  thing    TEXT NOT NULL,
  digest   BLOB NOT NULL,
  why      TEXT NOT NULL,
  received INTEGER NOT NULL,
  body     BLOB NOT NULL,
  times    INTEGER NOT NULL DEFAULT 1,
  UNIQUE (thing, digest)
);

-- Sums by quarter of an hour and rig kind; simulated and real consumption never meet.
CREATE TABLE totals (
  quarter INTEGER NOT NULL, -- received / 900000
  rig     TEXT NOT NULL,
  pours   INTEGER NOT NULL,
  ul      INTEGER NOT NULL,
  PRIMARY KEY (quarter, rig)
) WITHOUT ROWID;
