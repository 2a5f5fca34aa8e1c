"""Reads the folder of a series store with DuckDB and with Arrow, which must say the same.

read_series.py FOLDER VIEWS
VIEWS is the file of views that users are given. Prints each key once with its last value, unsorted, with tabs between:
source, metric, time, vintage, period_end (nanoseconds since 1970, or `-`), the bits of the value, quality; of records
measurement, time, key, body.
"""

import os
import pathlib
import re
import struct
import sys

import duckdb
import pyarrow
import pyarrow.parquet

os.chdir(sys.argv[1])
UTC = pyarrow.timestamp("ns", tz="UTC")
READINGS = pyarrow.schema([
    pyarrow.field("source", pyarrow.string(), nullable=False),
    pyarrow.field("metric", pyarrow.string(), nullable=False),
    pyarrow.field("time", UTC, nullable=False),
    pyarrow.field("value", pyarrow.float64(), nullable=False),
    pyarrow.field("quality", pyarrow.int8(), nullable=False),
    pyarrow.field("period_end", UTC),
    pyarrow.field("vintage", UTC),
])
RECORDS = pyarrow.schema([
    pyarrow.field("time", UTC, nullable=False),
    pyarrow.field("key", pyarrow.string(), nullable=False),
    pyarrow.field("body", pyarrow.string(), nullable=False),
])


def by_arrow(folder, schema, rises):
    """The rows of all files of a folder, those of the oldest file first, with the file's name."""
    files = [(int(path.stem.split("-")[-2]), path) for path in pathlib.Path(folder).glob("*.parquet")]
    for _, path in sorted(files):
        file = pyarrow.parquet.ParquetFile(path)
        assert file.schema_arrow.equals(schema), f"{path} has the columns {file.schema_arrow}"
        table = file.read()
        table.validate(full=True)
        for group in range(file.num_row_groups):
            check_group(path, file.metadata.row_group(group), rises)
        columns = [
            column.cast(pyarrow.int64()).to_pylist() if column.type == UTC else column.to_pylist()
            for column in table.columns
        ]
        rows = list(zip(*columns))
        keys = [tuple((row[place] is not None, row[place]) for place in rises) for row in rows]
        assert all(before < after for before, after in zip(keys, keys[1:])), f"{path}: keys do not rise"
        yield from ((path.name, row) for row in rows)


def check_group(path, group, rises):
    assert [sorting.column_index for sorting in group.sorting_columns] == rises, f"{path}: {group.sorting_columns}"
    for place in range(group.num_columns):
        assert group.column(place).is_stats_set, f"{path}: no statistics of {group.column(place).path_in_schema}"


def bits(value):
    return struct.pack(">d", value).hex()


def line(*fields):
    return "\t".join("-" if field is None else str(field) for field in fields)


arrow = {}
for _, (source, metric, time, value, quality, end, vintage) in by_arrow("readings", READINGS, [0, 1, 2, 6]):
    arrow[source, metric, time, vintage] = line(source, metric, time, vintage, end, bits(value), quality)
for name, (time, key, body) in by_arrow("records", RECORDS, [0, 1]):
    measurement = re.match(r"(.+?)-\d{4}(-\d\d)*-\d+-\d+\.parquet$", name)[1]
    arrow[measurement, time, key] = line(measurement, time, key, body)

duck = duckdb.connect()
duck.execute(pathlib.Path(sys.argv[2]).read_text())
found = []
readings = "source, metric, time_ns, vintage_ns, epoch_ns(period_end), value, quality"
for *names, value, quality in duck.execute(f"select {readings} from readings").fetchall():
    found.append(line(*names, bits(value), quality))
for record in duck.execute("select measurement, time_ns, key, body from records").fetchall():
    found.append(line(*record))

assert sorted(found) == sorted(arrow.values()), "DuckDB and Arrow do not say the same"
print("\n".join(found))
