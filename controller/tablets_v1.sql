-- The tablets' store, version 1: lessons' logs, answers, attendance, and who is a tablet.
CREATE TABLE log (
  session TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
  kind TEXT NOT NULL, author TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (session, seq), UNIQUE (session, id)
) WITHOUT ROWID;
CREATE TABLE questions (
  session TEXT NOT NULL, question TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (session, question)
) WITHOUT ROWID;
CREATE TABLE answers (
  session TEXT NOT NULL, question TEXT NOT NULL, seat TEXT NOT NULL, id TEXT NOT NULL,
  tablet TEXT NOT NULL, value TEXT NOT NULL, device_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL, state TEXT NOT NULL, revision INTEGER NOT NULL,
  PRIMARY KEY (session, question, seat)
) WITHOUT ROWID;
-- Every answer id that a seat ever used, so that a repetition is known whatever happened since.
CREATE TABLE answer_ids (
  session TEXT NOT NULL, seat TEXT NOT NULL, id TEXT NOT NULL, question TEXT NOT NULL,
  PRIMARY KEY (session, seat, id)
) WITHOUT ROWID;
CREATE TABLE attendance (
  session TEXT NOT NULL, seat TEXT NOT NULL, joined INTEGER NOT NULL, gone INTEGER,
  label TEXT NOT NULL,
  PRIMARY KEY (session, seat, joined)
) WITHOUT ROWID;
CREATE TABLE signals (
  session TEXT NOT NULL, at INTEGER NOT NULL, seat TEXT NOT NULL, kind TEXT NOT NULL,
  up INTEGER NOT NULL
);
CREATE INDEX signals_by_session ON signals (session, at);
CREATE TABLE tablets (
  id TEXT PRIMARY KEY, credential TEXT NOT NULL UNIQUE, body TEXT NOT NULL
) WITHOUT ROWID;
