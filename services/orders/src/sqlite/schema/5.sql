-- What an episode follows from, sealed; also of episodes that have no order.
CREATE TABLE capsules (
    anomaly TEXT PRIMARY KEY,              -- the episode, 32 hexadecimal digits
    capsule BLOB NOT NULL                  -- an encoded yiwang.log.v1.Capsule
) STRICT;
