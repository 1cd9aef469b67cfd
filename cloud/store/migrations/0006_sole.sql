-- Schema 6: whether a certificate is attached to its thing as AWS's EXCLUSIVE_THING: to no other, and under any client id.
ALTER TABLE links ADD COLUMN sole INTEGER NOT NULL DEFAULT 0;
