"""Writes points with InfluxDB's own clients: influx_write.py HOST PORT {1|2} SOURCE BEGIN_NANOS COUNT.

Good points first, then a body of one good and one bad line; prints what the client raises for that.
"""
import sys

host, port, version, source, begin, count = sys.argv[1:]
begin, count = int(begin), int(count)


def point(second):
    return {
        "measurement": "readings",
        "tags": {"source": source, "metric": "pm2_5"},
        "fields": {"value": float(20 + second)},
        "time": begin + second * 1_000_000_000,
    }


good = [point(second) for second in range(count - 1)]
last = f"readings,source={source},metric=pm2_5 value={20 + count - 1} {begin + (count - 1) * 1_000_000_000}"
mixed = last + "\nreadings,source=nobody-here,metric=pm2_5 value=1 " + str(begin)

if version == "1":
    from influxdb import InfluxDBClient
    from influxdb.exceptions import InfluxDBClientError

    client = InfluxDBClient(host, int(port), database="city", gzip=True, retries=1)
    client.write_points(good, time_precision="n")
    try:
        client.write_points([mixed], time_precision="n", protocol="line")
    except InfluxDBClientError as error:
        print(error.code, error.content)
else:
    from influxdb_client import InfluxDBClient
    from influxdb_client.client.write_api import SYNCHRONOUS
    from influxdb_client.rest import ApiException

    client = InfluxDBClient(f"http://{host}:{port}", token="none", org="any", enable_gzip=True)
    api = client.write_api(write_options=SYNCHRONOUS)
    api.write(bucket="city", record=good, write_precision="ns")
    try:
        api.write(bucket="city", record=mixed, write_precision="ns")
    except ApiException as error:
        print(error.status, error.message)
