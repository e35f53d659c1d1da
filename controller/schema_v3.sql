-- How long each device was on and unreachable, and how often it failed, by day (UTC).
CREATE TABLE device_days (
  day TEXT NOT NULL,
  device TEXT NOT NULL,
  on_s REAL NOT NULL,
  away_s REAL NOT NULL,
  faults INTEGER NOT NULL,
  PRIMARY KEY (day, device)
) STRICT;
