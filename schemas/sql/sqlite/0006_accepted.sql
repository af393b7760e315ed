-- Which events were accepted when, for replays of a range: spans of ids instead of an entry for each event. An event of a
-- minute lies in one of the minute's spans. A new span begins where the minute of acceptance is another than the one
-- before, so that nearly no commit writes here; a clock that was set back makes one more.
CREATE TABLE outrider_accepted (
  slot  INTEGER NOT NULL,  -- UTC milliseconds / 60000
  first INTEGER NOT NULL,  -- rows of outrider_event
  last  INTEGER,           -- NULL: this is where new events go
  PRIMARY KEY (slot, first)
) WITHOUT ROWID;
INSERT INTO outrider_accepted (slot, first, last)
  SELECT created_at / 60000, min(id), max(id) FROM outrider_event GROUP BY created_at / 60000;
UPDATE outrider_accepted SET last = NULL
  WHERE slot = (SELECT created_at / 60000 FROM outrider_event ORDER BY id DESC LIMIT 1);
DROP INDEX outrider_event_by_time;

-- From here on outrider_attempt.peer holds addresses with their port as 6 or 18 bytes (storage/sqlite/peer.h), or text.
