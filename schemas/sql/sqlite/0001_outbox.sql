-- Outrider's tables. All names start with outrider_, so that they can live in the host application's own database.
-- Times are UTC milliseconds. What each table costs per event is measured by tests/bench.
--
-- Columns marked "sealed" hold bytes whose first one tells the form: 00, then the plain value (a database that is kept
-- plain); or 01, then AES-256-GCM (engine/crypto/sealed.h), bound to account, table, row and column.

CREATE TABLE outrider_meta (
  name  TEXT PRIMARY KEY NOT NULL,
  value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE outrider_endpoint (
  id               INTEGER PRIMARY KEY,
  account          TEXT    NOT NULL,
  provider         TEXT    NOT NULL,
  url              TEXT    NOT NULL,
  types            TEXT    NOT NULL,              -- JSON array; empty: all
  headers          BLOB,                          -- sealed: JSON array of [name, value]; NULL: none
  description      TEXT    NOT NULL,
  rate_per_second  REAL    NOT NULL,
  max_in_flight    INTEGER NOT NULL,
  created_at       INTEGER NOT NULL,
  state            INTEGER NOT NULL DEFAULT 0,    -- 0 active, 1 paused, 2 deactivated
  state_reason     TEXT    NOT NULL DEFAULT '',
  state_changed_at INTEGER NOT NULL,
  removed_at       INTEGER,
  consecutive      INTEGER NOT NULL DEFAULT 0,    -- its breaker: failures in a row
  failures         TEXT    NOT NULL DEFAULT '[]', -- times of the last failures, oldest first
  epoch            INTEGER NOT NULL DEFAULT 0,    -- raised by activation
  cancel_through   INTEGER NOT NULL DEFAULT 0,    -- pending deliveries up to this id are being cancelled
  tls_min          INTEGER NOT NULL DEFAULT 12,   -- 12: TLS 1.2, 13: TLS 1.3
  tls_ca           TEXT,                          -- PEM; NULL: the system's authorities
  tls_certificate  TEXT,                          -- PEM: the client certificate and its chain
  tls_key          BLOB                           -- sealed: its private key, PEM
);
CREATE INDEX outrider_endpoint_by_account ON outrider_endpoint (account, provider);
CREATE INDEX outrider_endpoint_cancelling ON outrider_endpoint (id) WHERE cancel_through > 0;

CREATE TABLE outrider_secret (
  id         INTEGER PRIMARY KEY,
  endpoint   INTEGER NOT NULL,
  secret     BLOB    NOT NULL,  -- sealed
  created_at INTEGER NOT NULL,
  expires_at INTEGER
);
CREATE INDEX outrider_secret_by_endpoint ON outrider_secret (endpoint);
CREATE INDEX outrider_secret_ending ON outrider_secret (expires_at) WHERE expires_at IS NOT NULL;

-- Breakers of providers that deactivate a whole account.
CREATE TABLE outrider_account (
  provider    TEXT    NOT NULL,
  account     TEXT    NOT NULL,
  consecutive INTEGER NOT NULL DEFAULT 0,
  failures    TEXT    NOT NULL DEFAULT '[]',
  epoch       INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (provider, account)
) WITHOUT ROWID;

-- Append-only; ids are never used twice (retention leaves the newest row in place).
CREATE TABLE outrider_event (
  id              INTEGER PRIMARY KEY,
  account         TEXT    NOT NULL,
  provider        TEXT    NOT NULL,
  type            TEXT    NOT NULL,
  created_at      INTEGER NOT NULL,
  flags           INTEGER NOT NULL DEFAULT 0,  -- 1 test, 2 expiry spares the first attempt, 4 payload purged,
                                              -- 8 its publisher named the endpoints
  max_attempts    INTEGER NOT NULL DEFAULT 0,
  expires_at      INTEGER,
  idempotency_key BLOB,                        -- as in outrider_idempotency
  ordering_key    TEXT,
  body            BLOB                         -- sealed
);

-- Keyed digests, never the publisher's text.
CREATE TABLE outrider_idempotency (
  account  TEXT    NOT NULL,
  provider TEXT    NOT NULL,
  key      BLOB    NOT NULL,  -- of the idempotency key
  event    INTEGER NOT NULL,
  payload  BLOB    NOT NULL,  -- of the payload
  PRIMARY KEY (account, provider, key)
) WITHOUT ROWID;

-- One event for one endpoint. next_at mirrors its row in outrider_due, so that this row can be found by its key; NULL:
-- finished, or waiting behind another delivery with the same ordering key.
CREATE TABLE outrider_delivery (
  id            INTEGER PRIMARY KEY,
  event         INTEGER NOT NULL,
  endpoint      INTEGER NOT NULL,
  state         INTEGER NOT NULL DEFAULT 0,  -- 0 pending, 2 delivered, 3 exhausted, 4 expired, 5 cancelled
  attempts      INTEGER NOT NULL DEFAULT 0,
  attempts_base INTEGER NOT NULL DEFAULT 0,  -- attempts made before the last operator's retry
  next_at       INTEGER,
  finished_at   INTEGER,
  ordering_key  TEXT,
  reason        TEXT
);
CREATE INDEX outrider_delivery_by_event ON outrider_delivery (event);
CREATE INDEX outrider_delivery_failed ON outrider_delivery (state, event) WHERE state > 2;

-- Waiting work and nothing else. A row is deleted when its delivery ends; claiming writes nothing.
CREATE TABLE outrider_due (
  endpoint INTEGER NOT NULL,
  next_at  INTEGER NOT NULL,
  delivery INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  PRIMARY KEY (endpoint, next_at, delivery)
) WITHOUT ROWID;

-- Unfinished deliveries with an ordering key. Exactly one of each (endpoint, key) has a row in outrider_due.
CREATE TABLE outrider_lane (
  endpoint INTEGER NOT NULL,
  key      TEXT    NOT NULL,
  delivery INTEGER NOT NULL,
  PRIMARY KEY (endpoint, key, delivery)
) WITHOUT ROWID;

-- Append-only. id = delivery * 65536 + number: one delivery's attempts lie together without another index.
CREATE TABLE outrider_attempt (
  id          INTEGER PRIMARY KEY,
  started_at  INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  error       INTEGER NOT NULL,
  status      INTEGER NOT NULL,
  peer        TEXT,
  detail      TEXT,
  response    BLOB,              -- sealed
  link        INTEGER            -- its row in outrider_link
);

-- Data keys: one per account and day for what passes through, one per account (day 0) for what stays. Wrapped with the
-- account's own key, which follows from the key file. A row that is gone makes what it sealed unreadable.
CREATE TABLE outrider_key (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  account    TEXT    NOT NULL,  -- '': the database's own
  day        INTEGER NOT NULL,  -- days since 1970-01-01 UTC
  generation INTEGER NOT NULL,  -- of the key file
  wrapped    BLOB    NOT NULL,
  UNIQUE (account, day)
);
CREATE INDEX outrider_key_by_day ON outrider_key (day);

-- What operators did. Append-only.
CREATE TABLE outrider_audit (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT    NOT NULL,
  action  TEXT    NOT NULL,  -- 'endpoint.add', 'event.reveal', …
  kind    INTEGER NOT NULL,  -- of the object: 0 none, 1 endpoint, 2 delivery, 3 event
  object  INTEGER NOT NULL,
  account TEXT    NOT NULL,
  detail  TEXT    NOT NULL,
  link    INTEGER            -- its row in outrider_link
);

-- The chain over attempts and audit rows, in the order of their commits: each link is a keyed digest of its row, its
-- place and the link before it; outrider_meta's chain_head and chain_start hold its ends (storage/sqlite/chain.h).
CREATE TABLE outrider_link (
  seq    INTEGER PRIMARY KEY,
  kind   INTEGER NOT NULL,  -- 1 attempt, 2 audit row, 3 attempt that retention removed
  object INTEGER NOT NULL,
  digest BLOB    NOT NULL
);

-- Finished deliveries by state, so that `queue` need not count history.
CREATE TABLE outrider_total (
  endpoint INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (endpoint, state)
) WITHOUT ROWID;

-- What operators changed; a running engine follows it.
CREATE TABLE outrider_change (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  kind    INTEGER NOT NULL,  -- 1 endpoint, 2 delivery, 3 an endpoint's waiting work
  object  INTEGER NOT NULL,
  at      INTEGER NOT NULL
);

-- The way in for any language: one INSERT in the application's own transaction.
--   INSERT INTO outrider_outbox (account, provider, type, payload) VALUES (?, ?, ?, ?);
CREATE TABLE outrider_outbox (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  account         TEXT NOT NULL,
  provider        TEXT NOT NULL,
  type            TEXT NOT NULL,
  payload         TEXT,                 -- JSON; erased once picked up, as is the next
  idempotency_key TEXT,
  ordering_key    TEXT,
  expires_at      INTEGER,              -- UTC milliseconds
  created_at      INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),
  state           TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'accepted', 'rejected')),
  reason          TEXT,
  event           INTEGER               -- row of outrider_event once accepted
);
CREATE INDEX outrider_outbox_new ON outrider_outbox (id) WHERE state = 'new';
CREATE INDEX outrider_outbox_rejected ON outrider_outbox (id) WHERE state = 'rejected';
