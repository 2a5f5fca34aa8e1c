-- Views over the folder of a series store, each key once with its last value. In the folder, which is `series` in the
-- data folder of a city:  duckdb -init duckdb.sql
-- The layout is described in README.md beside this file. DuckDB calculates with times in microseconds; `time_ns` and
-- `vintage_ns` are the exact ones, in nanoseconds since 1970. A file without the number of a flush in its name is not
-- converted and fails the query: which value is the last would not be known.

create or replace view readings as
select source, metric, time::timestamptz as time, value, quality, period_end::timestamptz as period_end,
       vintage::timestamptz as vintage, epoch_ns(time) as time_ns, epoch_ns(vintage) as vintage_ns
from (select *, regexp_replace(filename, '^.*-(\d{10,})-\d+\.parquet$', '\1')::bigint as sequence
      from read_parquet('readings/*.parquet', filename = true)
      qualify row_number() over (partition by source, metric, time, vintage order by sequence desc) = 1);

create or replace view records as
select measurement, time::timestamptz as time, key, body, epoch_ns(time) as time_ns
from (select *, regexp_extract(filename, '([^/]+?)-\d{4}(-\d\d)*-\d+-\d+\.parquet$', 1) as measurement,
             regexp_replace(filename, '^.*-(\d{10,})-\d+\.parquet$', '\1')::bigint as sequence
      from read_parquet('records/*.parquet', filename = true)
      qualify row_number() over (partition by measurement, time, key order by sequence desc) = 1);
