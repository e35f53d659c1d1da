CREATE TABLE notes (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  recording TEXT NOT NULL,
  at_s REAL NOT NULL,
  text TEXT NOT NULL,
  made TEXT NOT NULL,
  changed TEXT NOT NULL
) STRICT;
CREATE INDEX notes_owner ON notes (owner, recording, at_s);
CREATE INDEX notes_recording ON notes (recording);

CREATE TABLE places (
  owner TEXT NOT NULL,
  recording TEXT NOT NULL,
  at_s REAL NOT NULL,
  changed TEXT NOT NULL,
  PRIMARY KEY (owner, recording)
) STRICT;

CREATE TABLE views (
  recording TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (recording, bucket)
) STRICT;
