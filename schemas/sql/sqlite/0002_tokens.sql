-- Tokens of the HTTP API. What is kept of one is its digest: 256 random bits need no salt and no slow hash.
CREATE TABLE outrider_token (
  id         INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL,  -- two tokens may have the same name, for rotation
  prefix     TEXT    NOT NULL UNIQUE,  -- by which it is found; part of the token, no secret
  digest     BLOB    NOT NULL,  -- SHA-256 of the whole token
  role       INTEGER NOT NULL,  -- 1 publish, 2 read, 3 operate
  account    TEXT    NOT NULL,  -- '': not bound to one
  created_at INTEGER NOT NULL
);
