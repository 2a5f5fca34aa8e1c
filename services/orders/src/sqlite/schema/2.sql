-- Every step of every order, in the order in which they became durable. Before, a step stood in `outbox` until it was
-- carried to the log: those get their places by wall time, those still there keep the place that they had.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,   -- from 1, without holes, never given twice
    order_seq  INTEGER NOT NULL,
    step_seq   INTEGER NOT NULL,
    department TEXT    NOT NULL,                    -- that owned the order then
    FOREIGN KEY (order_seq, step_seq) REFERENCES steps (order_seq, seq)
) STRICT;

INSERT INTO events (order_seq, step_seq, department)
SELECT steps.order_seq, steps.seq, orders.department
FROM steps JOIN orders ON orders.seq = steps.order_seq
WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.order_seq = steps.order_seq AND outbox.step_seq = steps.seq)
ORDER BY steps.wall, steps.order_seq, steps.seq;

CREATE TABLE cursors (
    name TEXT PRIMARY KEY,                 -- who follows the events
    seq  INTEGER NOT NULL                  -- the last that it has
) STRICT, WITHOUT ROWID;

INSERT INTO cursors (name, seq) SELECT 'log', count(*) FROM events;

INSERT INTO events (order_seq, step_seq, department)
SELECT order_seq, step_seq, department FROM outbox ORDER BY seq;

DROP TABLE outbox;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'what happened is never changed'); END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'what happened is never deleted'); END;

CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT NOT NULL                      -- 16 hexadecimal digits, another in every store that is made
) STRICT;

INSERT INTO store (one, id) VALUES (1, lower(hex(randomblob(8))));
