-- Schema 2: the registry as AWS IoT keeps it. A thing needs no serial, a certificate belongs to several things, and
-- policies, templates, thing types and thing groups are kept beside them.
CREATE TABLE things_2 (
  name            TEXT PRIMARY KEY,
  serial          TEXT NOT NULL DEFAULT '',
  type            TEXT NOT NULL DEFAULT '',
  attributes      TEXT NOT NULL DEFAULT '{}', -- JSON, string to string
  version         INTEGER NOT NULL DEFAULT 1,
  created         INTEGER NOT NULL,
  first_connected INTEGER NOT NULL DEFAULT 0,
  released        INTEGER NOT NULL DEFAULT 0,
  online          INTEGER NOT NULL DEFAULT 0,
  changed         INTEGER NOT NULL DEFAULT 0
);
INSERT INTO things_2(name, serial, type, attributes, created, first_connected, released, online, changed)
  SELECT name, serial, type, '{"serial":"' || serial || '"}', created, first_connected, released, online, changed FROM things;
DROP TABLE things;
ALTER TABLE things_2 RENAME TO things;
CREATE UNIQUE INDEX things_serial ON things(serial) WHERE serial <> '';

-- Who belongs to whom: kind 'principal' is thing -> certificate, 'policy' is policy -> target (cert/ID, thinggroup/NAME),
-- 'group' is thing group -> thing.
CREATE TABLE links (
  kind    TEXT NOT NULL,
  a       TEXT NOT NULL,
  b       TEXT NOT NULL,
  created INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (kind, a, b)
);
CREATE INDEX links_back ON links(kind, b, a);
INSERT INTO links(kind, a, b, created) SELECT 'principal', thing, id, created FROM certificates WHERE thing <> '';

DROP INDEX certificates_thing;
ALTER TABLE certificates DROP COLUMN thing;
ALTER TABLE certificates ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN claim TEXT NOT NULL DEFAULT '';
UPDATE certificates SET changed = created;

-- Thing types, thing groups, policies and provisioning templates: a name with settings (JSON) and numbered bodies.
CREATE TABLE entries (
  kind            TEXT NOT NULL,
  name            TEXT NOT NULL,
  origin          TEXT NOT NULL DEFAULT '', -- 'stack' for what the CloudFormation template says
  settings        TEXT NOT NULL DEFAULT '{}',
  seed            TEXT NOT NULL DEFAULT '', -- SHA-256 of what the stack said last
  version         INTEGER NOT NULL DEFAULT 1,
  default_version INTEGER NOT NULL DEFAULT 0,
  last_version    INTEGER NOT NULL DEFAULT 0,
  created         INTEGER NOT NULL,
  changed         INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
);
CREATE TABLE bodies (
  kind    TEXT NOT NULL,
  name    TEXT NOT NULL,
  version INTEGER NOT NULL,
  body    TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (kind, name, version)
);
