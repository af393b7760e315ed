-- What whoever runs Outrider should hear of, in the commit that made it so. Nothing is written for ordinary deliveries.
CREATE TABLE outrider_notice (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  at       INTEGER NOT NULL,
  kind     INTEGER NOT NULL,  -- 1 endpoint.deactivated, 2 endpoint.activated, 3 delivery.exhausted, 4 delivery.expired, 5 event.rejected
  account  TEXT    NOT NULL,
  provider TEXT    NOT NULL,
  type     TEXT    NOT NULL,  -- of the event
  endpoint INTEGER,           -- the rows it is about
  delivery INTEGER,
  event    INTEGER,
  inbox    INTEGER,           -- of outrider_outbox
  detail   TEXT    NOT NULL
);
-- Notices up to this one were made into events of the provider (one whose definition asks for them).
CREATE TABLE outrider_notice_cursor (
  provider TEXT PRIMARY KEY NOT NULL,
  through  INTEGER NOT NULL
) WITHOUT ROWID;
-- An endpoint hears of what came after it was added.
ALTER TABLE outrider_endpoint ADD COLUMN notices_after INTEGER NOT NULL DEFAULT 0;

-- W3C Trace Context: the traceparent, and behind a blank the tracestate, where there is one.
ALTER TABLE outrider_event ADD COLUMN trace TEXT;
ALTER TABLE outrider_outbox ADD COLUMN traceparent TEXT;
ALTER TABLE outrider_outbox ADD COLUMN tracestate TEXT;
