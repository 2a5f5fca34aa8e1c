CREATE TABLE orders (
    seq             INTEGER PRIMARY KEY,   -- from 1, in the order of opening
    no              TEXT    NOT NULL UNIQUE,
    channel         TEXT    NOT NULL,
    anomaly         TEXT    UNIQUE,        -- one order per episode; other channels have none
    category        TEXT    NOT NULL,
    title_zh        TEXT    NOT NULL,
    title_en        TEXT    NOT NULL,
    text_zh         TEXT    NOT NULL,
    text_en         TEXT    NOT NULL,
    district        TEXT    NOT NULL,
    district_zh     TEXT    NOT NULL,
    district_en     TEXT    NOT NULL,
    station         TEXT    NOT NULL,
    station_zh      TEXT    NOT NULL,
    station_en      TEXT    NOT NULL,
    longitude       REAL,                  -- degrees, WGS-84
    latitude        REAL,
    priority        TEXT    NOT NULL,
    department      TEXT    NOT NULL,
    department_zh   TEXT    NOT NULL,
    department_en   TEXT    NOT NULL,
    received        INTEGER NOT NULL,      -- city time
    due             INTEGER NOT NULL,      -- city time
    due_policy      TEXT    NOT NULL,
    due_provisional INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    steps           INTEGER NOT NULL,      -- how many lines its history has
    detector        TEXT    NOT NULL,      -- from here on the episode as of its last step
    source          TEXT    NOT NULL,
    metric          TEXT    NOT NULL,
    phase           TEXT    NOT NULL,
    begins          INTEGER NOT NULL,      -- event time
    ends            INTEGER,               -- event time
    extreme         REAL,                  -- NULL: not a number
    bound           REAL,                  -- the limit judged against
    edition         TEXT    NOT NULL,
    severity        TEXT    NOT NULL,
    active          INTEGER NOT NULL,
    unit            TEXT    NOT NULL,      -- of extreme and bound
    evidence        TEXT    NOT NULL       -- JSON: {"series":[[source,metric]],"lead":ns,"points":[[ns,value]]}
) STRICT;

CREATE INDEX orders_received   ON orders (received, seq);
CREATE INDEX orders_state      ON orders (state, received, seq);
CREATE INDEX orders_department ON orders (department, received, seq);
CREATE INDEX orders_district   ON orders (district, received, seq);
CREATE INDEX orders_category   ON orders (category, received, seq);
CREATE INDEX orders_source     ON orders (source, received, seq);
CREATE INDEX orders_detector   ON orders (detector, received, seq);
-- partial ones hold the column of their condition too: SQLite reads it again
CREATE INDEX orders_active     ON orders (received, seq, active)  WHERE active = 1;
CREATE INDEX orders_open       ON orders (department, state)      WHERE state <> 'closed';
CREATE INDEX orders_due        ON orders (due, state)             WHERE state <> 'closed';

CREATE TABLE steps (
    order_seq INTEGER NOT NULL REFERENCES orders (seq),
    seq       INTEGER NOT NULL,            -- from 1 within the order
    kind      TEXT    NOT NULL,
    state     TEXT    NOT NULL,            -- after the step
    who       TEXT    NOT NULL,
    note      TEXT    NOT NULL,
    at        INTEGER NOT NULL,            -- city time
    wall      INTEGER NOT NULL,            -- wall time; decides nothing
    PRIMARY KEY (order_seq, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER steps_are_not_changed BEFORE UPDATE ON steps
BEGIN SELECT RAISE(ABORT, 'the history of an order is never changed'); END;

CREATE TRIGGER steps_are_not_deleted BEFORE DELETE ON steps
BEGIN SELECT RAISE(ABORT, 'the history of an order is never deleted'); END;

CREATE TRIGGER steps_have_no_holes BEFORE INSERT ON steps
WHEN NEW.seq <> 1 + (SELECT coalesce(max(seq), 0) FROM steps WHERE order_seq = NEW.order_seq)
BEGIN SELECT RAISE(ABORT, 'the history of an order has no holes'); END;

CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given twice
    order_seq  INTEGER NOT NULL,
    step_seq   INTEGER NOT NULL,
    department TEXT    NOT NULL,
    FOREIGN KEY (order_seq, step_seq) REFERENCES steps (order_seq, seq)
) STRICT;

CREATE TABLE days (
    day  TEXT PRIMARY KEY,                 -- as 20260302, in the city's zone
    last INTEGER NOT NULL                  -- the last count given in an order number
) STRICT, WITHOUT ROWID;

CREATE TABLE applied (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    city  INTEGER NOT NULL,                -- city time at the end of the epoch
    wall  INTEGER NOT NULL
) STRICT;
