-- The last order of each alert that another system made.
CREATE TABLE alerts (
    key       TEXT    PRIMARY KEY,         -- which alert, 32 hexadecimal digits
    order_seq INTEGER NOT NULL REFERENCES orders (seq)
) STRICT, WITHOUT ROWID;
