-- Schema 7: who has seen that a record contradicts a stored one, and when, in milliseconds since 1970; 0: nobody.
ALTER TABLE conflicts ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conflicts ADD COLUMN seen_by TEXT NOT NULL DEFAULT '';
