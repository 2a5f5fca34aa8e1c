#!/usr/bin/env python3
"""The numbers of record: prints a table in Markdown. Python's own library only.

Every figure counts the CPU of the city's process alone (user + system, from /proc); that of the load generator stands
beside it. Usage: bench.py BIN_DIR [NAME…], where BIN_DIR holds yiwang and sensors-sim and NAME picks benches.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

BIN = Path(sys.argv[1])
PICKED = sys.argv[2:]
TICKS = os.sysconf("SC_CLK_TCK")


class City:
    """A running city on a data folder."""

    def __init__(self, folder, *flags):
        self.folder = Path(folder)
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        doors = [f"--{door}-listen=127.0.0.1:0" for door in ("grpc", "mqtt", "http", "hj212")]
        self.began = time.monotonic()
        self.out = open(self.folder / "out.log", "ab")
        self.process = subprocess.Popen(
            [BIN / "yiwang", "up", f"--data-dir={self.folder / 'data'}", f"--ready-file={ready}", *doors, *flags],
            stdout=self.out, stderr=self.out,
        )
        while not ready.exists():
            if self.process.poll() is not None:
                raise SystemExit((self.folder / "out.log").read_text()[-2000:])
            time.sleep(0.005)
        self.doors = json.loads(ready.read_text())
        self.doors["influx"] = self.doors["http"]

    def cpu(self):
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def status(self, key):
        """A line of /proc/…/status in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
        return 0.0

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.doors['http']}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metrics(self):
        """Sums by name."""
        sums = {}
        for line in self.get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.split("{")[0]
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def until_judged(self, count):
        """Waits until so many readings are judged and none waits."""
        while True:
            metrics = self.metrics()
            seen = sum(metrics.get(f"yiwang_{what}_total", 0) for what in ("judged", "repeats", "corrections", "too_late", "unknown"))
            if seen >= count:
                return metrics
            time.sleep(0.01)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()
        self.out.close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def load(at, door, seconds, *flags):
    """Runs the load generator; gives what it says at the end."""
    ran = subprocess.run(
        [BIN / "sensors-sim", "load", f"--{door}", at, "--seconds", str(seconds), *flags],
        check=True, capture_output=True, text=True,
    )
    return json.loads(ran.stdout.strip().splitlines()[-1])


def folder_bytes(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def throughput(folder, door, seconds, *flags):
    """Readings a core-second, everything on, until all is judged and stored."""
    city = City(folder)
    before = city.cpu()
    began = time.monotonic()
    said = load(city.doors[door], door, seconds, *flags)
    city.until_judged(said["acked"])
    wall = time.monotonic() - began
    city.stop_cpu = city.cpu()
    used = city.stop_cpu - before
    peak = city.status("VmHWM")
    city.stop()
    log, store = folder_bytes(Path(folder) / "data/log"), folder_bytes(Path(folder) / "data/series")
    return {
        "readings": said["acked"],
        "per core-second": said["acked"] / used,
        "per second": said["acked"] / wall,
        "city CPU s": used,
        "generator CPU s": said.get("cpu_seconds"),
        "ack p99 ms": said.get("ack_ms", {}).get("p99"),
        "peak MiB": peak,
        "log B/reading": log / said["acked"],
        "store B/reading": store / said["acked"],
    }


def bench_grpc(folder):
    return throughput(folder, "grpc", 20, "--series", "10000", "--rate", "0")


def bench_mqtt(folder):
    return throughput(folder, "mqtt", 20, "--series", "10000", "--rate", "0", "--batch", "1", "--connections", "8")


LINES = ("--series", "10000", "--rate", "0", "--connections", "4")


def bench_influx(folder):
    return throughput(folder, "influx", 20, *LINES)


def bench_influx_victoria(folder):
    """What the same generator with the same lines costs VictoriaMetrics, which judges nothing and answers before it is durable."""
    program = shutil.which("victoria-metrics")
    if not program:
        return {"victoria-metrics is not there": 0}
    at = f"127.0.0.1:{free_port()}"
    store = subprocess.Popen(
        [program, "-storageDataPath", Path(folder) / "data", "-httpListenAddr", at, "-retentionPeriod=100y"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    while True:
        try:
            urllib.request.urlopen(f"http://{at}/health", timeout=1)
            break
        except OSError:
            time.sleep(0.05)
    before, began = cpu_of(store.pid), time.monotonic()
    said = load(at, "influx", 20, *LINES)
    urllib.request.urlopen(f"http://{at}/internal/force_flush", timeout=60)
    used, wall = cpu_of(store.pid) - before, time.monotonic() - began
    store.terminate()
    store.wait()
    return {
        "readings": said["acked"],
        "per core-second": said["acked"] / used,
        "per second": said["acked"] / wall,
        "its CPU s": used,
        "generator CPU s": said["cpu_seconds"],
    }


# Factors of a packet of the demo city's loggers.
FACTORS = 6


def bench_hj212(folder):
    """Each packet is durable and answered by itself; a connection is a logger."""
    figures = throughput(folder, "hj212", 20, "--rate", "0", "--connections", "8")
    return {"packets per core-second": figures["per core-second"] / FACTORS, **figures}


def bench_hj212_answers(folder):
    """How long an answer takes when packets come by a fixed schedule."""
    figures = throughput(folder, "hj212", 20, "--rate", str(5000 * FACTORS), "--connections", "8")
    return {"packets per second": figures["per second"] / FACTORS, **figures}


def bench_mqtt_one(folder):
    return throughput(folder, "mqtt", 10, "--series", "100", "--rate", "0", "--batch", "1", "--inflight", "1")


def cpu_of(pid):
    """Seconds of CPU of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def bench_broker(folder):
    """Through a Mosquitto that keeps nothing on disk and holds back nobody: one reading a message, QoS 1 on both sides."""
    port = free_port()
    folder = Path(folder)
    broker = folder / "mosquitto.conf"
    broker.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\nlog_dest none\n"
    )
    config = folder / "yiwang.toml"
    config.write_text(f'[[broker]]\nname = "main"\naddress = "127.0.0.1:{port}"\nversion = "3.1.1"\n')
    program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        return {"mosquitto is not there": 0}
    mosquitto = subprocess.Popen([program, "-c", broker], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    fill = lambda: load(f"127.0.0.1:{port}", "mqtt", 10, "--series", "10000", "--rate", "0", "--batch", "1", "--connections", "8")["acked"]
    cpus = lambda: (city.cpu(), cpu_of(mosquitto.pid))
    city = City(folder, f"--config={config}")
    while not city.metrics().get("yiwang_broker_connected"):
        time.sleep(0.01)
    before, began = cpus(), time.monotonic()
    through = fill()
    redelivered = city.until_judged(through)["yiwang_broker_redelivered_total"]
    wall = time.monotonic() - began
    ours, theirs = (after - then for after, then in zip(cpus(), before))
    city.stop()
    # What came while the city was away: Mosquitto delivers as fast as it can.
    backlog, filled = fill(), cpu_of(mosquitto.pid)
    began = time.monotonic()
    city = City(folder, f"--config={config}")
    city.until_judged(backlog)
    drained = time.monotonic() - began
    ours_then, theirs_then = city.cpu(), cpu_of(mosquitto.pid) - filled
    city.stop()
    mosquitto.kill()
    mosquitto.wait()
    return {
        "messages": through,
        "per second": through / wall,
        "city CPU µs a message": ours / through * 1e6,
        "Mosquitto CPU µs a message, in and out": theirs / through * 1e6,
        "city / Mosquitto": ours / theirs,
        "redelivered": redelivered,
        "a backlog of": backlog,
        "is taken per second": backlog / drained,
        "at city CPU µs a message": ours_then / backlog * 1e6,
        "and Mosquitto's, out only": theirs_then / backlog * 1e6,
    }


def bench_series(folder):
    return throughput(folder, "grpc", 10, "--series", "100000", "--rate", "100000")


def bench_restart(folder):
    """A million readings that neither judgement nor store has seen."""
    city = City(folder)
    said = load(city.doors["grpc"], "grpc", 10, "--series", "10000", "--rate", "100000")
    city.stop()
    for lost in ("checkpoints", "series"):
        shutil.rmtree(Path(folder) / "data" / lost)
    city = City(folder)
    opened = time.monotonic() - city.began
    city.until_judged(said["acked"])
    caught_up = time.monotonic() - city.began
    city.stop()
    return {"readings": said["acked"], "doors open s": opened, "caught up s": caught_up}


class Mqtt:
    """Just enough of MQTT 3.1.1 to publish one message and wait for its acknowledgement."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = b"probe"
        self.send(0x10, b"\0\4MQTT\4\2\0\x3c" + len(name).to_bytes(2, "big") + name)
        assert self.socket.recv(4)[3] == 0
        self.packet = 0

    def send(self, kind, body):
        length, left = b"", len(body)
        while True:
            left, digit = divmod(left, 128)
            length += bytes([digit | (0x80 if left else 0)])
            if not left:
                break
        self.socket.sendall(bytes([kind]) + length + body)

    def publish(self, topic, payload):
        self.packet = self.packet % 60000 + 1
        topic = topic.encode()
        self.send(0x32, len(topic).to_bytes(2, "big") + topic + self.packet.to_bytes(2, "big") + payload.encode())
        answer = b""
        while len(answer) < 4:
            answer += self.socket.recv(4 - len(answer))
        return time.monotonic()


def bench_order(folder):
    """From the acknowledgement of a reading that breaks a rule to its order in the API, under 50,000 readings a second."""
    city = City(folder)
    generator = subprocess.Popen(
        [BIN / "sensors-sim", "load", "--grpc", city.doors["grpc"], "--series", "10000", "--rate", "50000", "--seconds", "40"],
        stdout=subprocess.PIPE, text=True,
    )
    time.sleep(3)
    probe, took = Mqtt(city.doors["mqtt"]), []
    schedule = time.monotonic()
    for number in range(150):
        schedule += 0.2
        time.sleep(max(0.0, schedule - time.monotonic()))
        source = f"bench-probe-{number:04}"
        # A project far behind its plan has no plan here; a jump of particles within a minute breaks the rule of rates.
        now = time.time()
        for back, value in ((60, 10.0), (0, 900.0)):
            at = datetime.fromtimestamp(now - back, timezone.utc).isoformat()
            body = json.dumps({"metric": "pm2_5", "time": at, "value": value, "unit": "µg/m³"})
            acked = probe.publish(f"yw/v1/{source}", body)
        while not json.loads(city.get(f"/api/v1/orders?source={source}&limit=1"))["orders"]:
            time.sleep(0.005)
        took.append(time.monotonic() - acked)
    generator.wait()
    city.stop()
    took.sort()
    at = lambda share: took[min(len(took) - 1, int(share * len(took)))] * 1000
    return {"probes": len(took), "p50 ms": at(0.5), "p99 ms": at(0.99), "max ms": took[-1] * 1000}


def bench_import(folder):
    """Four million rows of CSV, 10,000 series in turn; a row is source, metric, RFC 3339 time, value."""
    return imported(folder, "rows.csv", "source,metric,time,value", lambda at, number: [
        f"bench-{row % 10000 + 1:06},pm2_5,{at[row // 10000 % 1000]},{row % 997 / 10}" for row in number])


def bench_import_wide(folder):
    """A million rows of CSV, six metrics each."""
    return imported(folder, "wide.csv", "station,time,a,b,c,d,e,f", lambda at, number: [
        f"bench-{row % 1000 + 1:06},{at[row // 1000 % 1000]},{row % 97 / 10},{row % 89},3,{row % 83}.5,0.{row % 10},6" for row in number], WIDE, 1_000_000)


WIDE = """[source]
column = "station"
[time]
column = "time"
""" + "".join(f'[[value]]\ncolumn = "{column}"\nmetric = "{metric}"\n' for column, metric in zip("abcdef", ("pm2_5", "pm10", "so2", "no2", "co", "o3")))


def imported(folder, name, header, rows, mapping=None, count=4_000_000):
    file = Path(folder) / name
    begin = int(time.time()) // 1000 * 1000 - 20_000
    at = [datetime.fromtimestamp(begin + 10 * step, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S+00:00") for step in range(1000)]
    with open(file, "w") as out:
        out.write(header + "\n")
        for first in range(0, count, 100_000):
            out.write("\n".join(rows(at, range(first, first + 100_000))) + "\n")
    flags = []
    if mapping:
        (Path(folder) / "mapping.toml").write_text(mapping)
        flags = ["--mapping", str(Path(folder) / "mapping.toml")]
    city = City(folder)
    before, began = city.cpu(), time.monotonic()
    program = subprocess.Popen(
        [BIN / "yiwang", "import", file, "--grpc", city.doors["grpc"], *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    out, _ = program.stdout.read(), program.stderr.read()
    _, status, used = os.wait4(program.pid, 0)
    wall = time.monotonic() - began
    said = json.loads(out)
    cpu = used.ru_utime + used.ru_stime
    city_cpu = city.cpu() - before
    city.stop()
    return {
        "rows": said["rows"],
        "readings": said["acked"],
        "rows per core-second of the import": said["rows"] / cpu,
        "readings per core-second of the import": said["acked"] / cpu,
        "bytes per row": file.stat().st_size / said["rows"],
        "rows per second": said["rows"] / wall,
        "import CPU s": cpu,
        "city CPU s until acknowledged": city_cpu,
        "peak MiB of the import": used.ru_maxrss / 1024,
        "exit code": os.waitstatus_to_exitcode(status),
    }


STAGE_RUNS = 5


def stage_run(*arguments):
    """One run of the stream stage alone, in a process of its own."""
    program = BIN / "examples" / "bench_stream"
    ran = subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True)
    return json.loads(ran.stdout)


def stage(set_, *sizes):
    """Readings per core-second of the stage, median and worst of some runs, with one worker and two; bytes a series; and by how much
    two workers are faster, were they alone on the machine: twice the CPU of one worker a reading over that of two."""
    figures = {}
    for series in sizes:
        medians = {}
        for workers in (1, 2):
            runs = [stage_run(set_, series, workers) for _ in range(STAGE_RUNS)]
            speeds = sorted(run["per_core_second"] for run in runs)
            medians[workers] = speeds[len(speeds) // 2]
            figures[f"{series:,} series, {workers} workers, per core-second"] = medians[workers]
            figures[f"{series:,} series, {workers} workers, worst"] = speeds[0]
            if workers == 1:
                figures[f"{series:,} series, bytes a series"] = sorted(run["bytes_a_series"] for run in runs)[len(runs) // 2]
        figures[f"{series:,} series, two workers over one"] = 2 * medians[2] / medians[1]
    return figures


def bench_stage_ewma(_):
    return stage("ewma", 10_000, 1_000_000)


def bench_stage_basic(_):
    return stage("basic", 10_000, 1_000_000)


def bench_stage_full(_):
    return stage("full", 10_000, 100_000)


def bench_stage_checkpoint(_):
    """What checkpoints of a million series cost, while readings come; seconds and milliseconds of CPU."""
    run = stage_run("checkpoint-basic", 1_000_000, 1)
    whole, part, restore = run["whole"], run["hundredth"], run["restore_by_one_more_worker"]
    return {
        "all series, CPU s": whole["cpu_s"],
        "longest epoch meanwhile, CPU ms": whole["longest_epoch_cpu_ms"],
        "an epoch before, CPU ms": run["calm_epoch_cpu_ms"],
        "MB": whole["bytes"] / 1e6,
        "the hundredth that changed, CPU ms": 1e3 * part["cpu_s"],
        "kB": part["bytes"] / 1e3,
        "restored by two workers, CPU s": restore["cpu_s"],
        "wall s": restore["wall_s"],
    }


def bench_stage_skew(_):
    """Half of all readings are of one series: two workers, against the same without it."""
    even, skewed = (stage_run("basic", 10_000, 2, "0s", word) for word in ("even", "skewed"))
    return {
        "per core-second": skewed["per_core_second"],
        "the same without": even["per_core_second"],
        "bytes a series": skewed["bytes_a_series"],
        "bytes without": even["bytes_a_series"],
    }


BENCHES = {
    "import of CSV, long form": bench_import,
    "import of CSV, wide form, six values a row": bench_import_wide,
    "gRPC columns, 10,000 series, end to end": bench_grpc,
    "line protocol by POST /write, 5,000 points a body, 4 connections": bench_influx,
    "the same lines into VictoriaMetrics": bench_influx_victoria,
    "HJ 212, six factors a packet, 8 loggers": bench_hj212,
    "HJ 212, 5,000 packets a second by a fixed schedule": bench_hj212_answers,
    "MQTT QoS 1, one reading a message, 8 connections": bench_mqtt,
    "MQTT QoS 1, one client, one message in flight": bench_mqtt_one,
    "through Mosquitto, QoS 1, one reading a message, 8 senders": bench_broker,
    "from acknowledgement to order, at 50,000 readings/s": bench_order,
    "restart with 1 M readings not judged or stored": bench_restart,
    "100,000 series": bench_series,
    "stream stage alone, CUSUM around an EWMA": bench_stage_ewma,
    "stream stage alone, basic": bench_stage_basic,
    "stream stage alone, full": bench_stage_full,
    "stream stage alone, half of all readings of one series": bench_stage_skew,
    "checkpoints of a million series, basic": bench_stage_checkpoint,
}


def shown(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def main():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, commit {commit}, {model}, {os.cpu_count()} cores, release build.\n")
    print("| what | figures |\n|---|---|", flush=True)
    for name, bench in BENCHES.items():
        if PICKED and bench.__name__.removeprefix("bench_") not in PICKED:
            continue
        with tempfile.TemporaryDirectory(prefix="yiwang-bench-") as folder:
            figures = bench(folder)
        text = "; ".join(f"{key} {shown(value)}" for key, value in figures.items())
        print(f"| {name} | {text} |", flush=True)


if __name__ == "__main__":
    main()
