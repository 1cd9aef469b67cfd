-- Schema 5: when the cloud asked a unit for what it had acknowledged before (wire.Ack.Restore), 0 for never, and where its
-- mark stood then.
ALTER TABLE logs ADD COLUMN restore INTEGER NOT NULL DEFAULT 0;
ALTER TABLE logs ADD COLUMN restore_upto INTEGER NOT NULL DEFAULT 0;
