-- Attempts by endpoint and five minutes, so that statistics need not read history: written once per commit, however many
-- attempts it holds. Rows of one time lie together, which keeps the pages that a commit touches few.
CREATE TABLE outrider_tally (
  slot     INTEGER NOT NULL,  -- in which they ended: UTC milliseconds / 300000
  endpoint INTEGER NOT NULL,
  error    INTEGER NOT NULL,  -- class, 0: they succeeded
  bucket   INTEGER NOT NULL,  -- of their duration (storage/sqlite/tally.h)
  count    INTEGER NOT NULL,
  last_at  INTEGER NOT NULL,  -- when the last of them ended
  PRIMARY KEY (slot, endpoint, error, bucket)
) WITHOUT ROWID;
