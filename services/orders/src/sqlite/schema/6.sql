-- The episodes that are part of another: of a cause that many alarms have, as the judgement said last; also those that never had an order.
CREATE TABLE members (
    anomaly TEXT PRIMARY KEY,              -- the episode, 32 hexadecimal digits
    part_of TEXT NOT NULL,                 -- the episode that it is part of
    detector TEXT NOT NULL,
    source TEXT NOT NULL,
    metric TEXT NOT NULL,
    begins INTEGER NOT NULL,               -- nanoseconds since 1970 in UTC
    ends INTEGER,
    severity TEXT NOT NULL
) STRICT;
CREATE INDEX members_of ON members (part_of, source, metric, detector, begins);
