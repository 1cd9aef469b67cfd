-- Schema 4: retained messages. Times are milliseconds since 1970.
CREATE TABLE retained (
  topic      TEXT PRIMARY KEY,
  payload    BLOB NOT NULL,
  qos        INTEGER NOT NULL,
  properties TEXT NOT NULL, -- JSON
  modified   INTEGER NOT NULL,
  expires    INTEGER NOT NULL
);
CREATE INDEX retained_expires ON retained(expires);
