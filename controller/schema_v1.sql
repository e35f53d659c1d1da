CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  started TEXT NOT NULL,
  state TEXT NOT NULL,
  recording TEXT,
  open INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_open ON sessions (open) WHERE open = 1;

CREATE TABLE steps (
  session TEXT NOT NULL,
  scene TEXT NOT NULL,
  position INTEGER NOT NULL,
  at TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (session, scene, position)
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  session TEXT,
  actor TEXT NOT NULL,
  role TEXT NOT NULL,
  door TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT;

CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  recording TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  at TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE kv (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
