-- Schema 3: jobs and their executions. Times are milliseconds since 1970, 0 means never.
CREATE TABLE jobs (
  id        TEXT PRIMARY KEY,
  n         INTEGER NOT NULL UNIQUE, -- order of creation
  status    TEXT NOT NULL,
  selection TEXT NOT NULL,
  created   INTEGER NOT NULL,
  updated   INTEGER NOT NULL,
  completed INTEGER NOT NULL DEFAULT 0,
  due       INTEGER NOT NULL DEFAULT 0, -- when the clock has something to do
  version   INTEGER NOT NULL DEFAULT 1, -- of the row
  body      TEXT NOT NULL
);
CREATE INDEX jobs_due ON jobs(due) WHERE due > 0;

-- Things that are still to be told of a job.
CREATE TABLE job_waiting (
  job   TEXT NOT NULL,
  thing TEXT NOT NULL,
  PRIMARY KEY (job, thing)
);

CREATE TABLE job_executions (
  job      TEXT NOT NULL,
  thing    TEXT NOT NULL,
  number   INTEGER NOT NULL,
  job_n    INTEGER NOT NULL, -- orders what was queued at the same time
  latest   INTEGER NOT NULL, -- 1 for the highest number of (job, thing)
  status   TEXT NOT NULL,
  version  INTEGER NOT NULL,
  attempt  INTEGER NOT NULL DEFAULT 0,
  forced   INTEGER NOT NULL DEFAULT 0,
  queued   INTEGER NOT NULL,
  started  INTEGER NOT NULL DEFAULT 0,
  updated  INTEGER NOT NULL,
  deadline INTEGER NOT NULL DEFAULT 0, -- in-progress timer
  step     INTEGER NOT NULL DEFAULT 0, -- step timer
  due      INTEGER NOT NULL DEFAULT 0, -- the earlier of the two
  details  TEXT NOT NULL DEFAULT '{}', -- JSON, string to string
  PRIMARY KEY (job, thing, number)
);
CREATE INDEX job_executions_thing ON job_executions(thing, queued);
CREATE INDEX job_executions_pending ON job_executions(thing) WHERE status IN ('IN_PROGRESS', 'QUEUED');
CREATE INDEX job_executions_due ON job_executions(due) WHERE due > 0;

ALTER TABLE shadows ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
