#!/usr/bin/env python3
"""Slips of large projects, foreseen one report ahead: projects.py write FOLDER, then, after `yiwang replay`, projects.py table FOLDER.

Reports of New York's capital projects, up to fifteen each, about three a year. A slip is declared when a report's forecast of completion is
more than 30 days later than that of the report before. It is foreseen when, at the report before, an episode is open that was told by
then. There is no percent complete in the data: `slip` and `finish` see the share of the time from the design's start to the forecast that is
over, against the first forecast as a plan; `hurried` sees whether the phase leaves enough days, a rule in CEL whose numbers are fitted.
`halves` of the table fits them on one half of the projects and judges the other, both ways.
"""

import csv
import datetime
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).parent
SOURCE = HERE / "../../../shared/data/projects/nyc-capital-projects.csv"
PHASES = {"Design": 0, "Construction Procurement": 1, "Construction": 2, "IT": 2, "Close-Out": 3}
SLIP = 30
BEFORE, BUILDING = [730, 1095, 1460, 1825, 2555], [120, 240, 300, 365, 548]


def projects():
    """Reports by project, oldest first: day, phase, forecast, start of design."""
    day = datetime.date.fromisoformat
    found = {}
    for row in csv.DictReader(open(SOURCE)):
        if row["forecast_completion"] and row["current_phase"]:
            start = day(row["design_start"]) if row["design_start"] else None
            one = day(row["report_date"]), PHASES[row["current_phase"]], day(row["forecast_completion"]), start
            found.setdefault(row["pid"], {})[one[0]] = one
    return {pid: [own[at] for at in sorted(own)] for pid, own in found.items()}


def cases():
    """Each report that has a next one: project, report, the report before it, whether a slip follows."""
    for pid, reports in projects().items():
        for at, (one, later) in enumerate(zip(reports, reports[1:])):
            yield pid, one, reports[at - 1] if at else None, (later[2] - one[2]).days > SLIP


def write(folder):
    (folder / "catalogue").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "projects/catalogue.toml", folder / "catalogue/catalogue.toml")
    with open(folder / "readings.csv", "w") as out, open(folder / "catalogue/projects.toml", "w") as text:
        out.write("source,metric,time,value\n")
        for pid, reports in projects().items():
            start, first = reports[0][3], reports[0][2]
            planned = start is not None and start < first
            metrics = ["days_left", "phase"] + ["elapsed"] * planned
            text.write(f'[[station]]\nid = "{pid}"\nzh = "{pid}"\nen = "{pid}"\nkind = "project"\ndistrict = "new-york"\ngateway = "dashboard"\nmetrics = {json.dumps(metrics)}\n\n')
            if planned:
                text.write(f'[[plan]]\nstation = "{pid}"\nmetric = "elapsed"\nunit = "%"\nsource = "the first forecast"\npoints = [[{start}, 0.0], [{first}, 100.0]]\n\n')
            for at, phase, forecast, _ in reports:
                out.write(f"{pid},days_left,{at}T00:00:00+08:00,{(forecast - at).days}\n{pid},phase,{at}T00:00:00+08:00,{phase}\n")
                if planned and start < forecast:
                    out.write(f"{pid},elapsed,{at}T00:00:00+08:00,{100 * (at - start).days / (forecast - start).days}\n")


def told(path):
    """For each detector and project, from when to when episodes were open."""
    found = {}
    day = lambda text: (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) + datetime.timedelta(hours=8)).date()
    for one in map(json.loads, open(path)):
        end = day(one["end"]) if one["end"] else datetime.date.max
        found.setdefault(one["detector"], {}).setdefault(one["source"], []).append((day(one["opened"]), end))
    return found


def is_open(spans, at):
    return any(begin <= at < end for begin, end in spans)


def scores(pairs):
    """Precision, recall, F1 of (foreseen, slipped)."""
    both = sum(foreseen and slipped for foreseen, slipped in pairs)
    foreseen, slipped = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return foreseen, both, both / max(1, foreseen), both / max(1, slipped), 2 * both / max(1, foreseen + slipped)


def hurried(one, before, building):
    left = (one[2] - one[0]).days
    return one[1] < 2 and left < before or one[1] < 3 and left < building


def halves(every):
    """The numbers of the rule fitted on one half, judged on the other."""
    half = lambda pid: sum(map(ord, pid)) % 2
    pairs, chosen = [], []
    for held in (0, 1):
        fit = lambda limits: scores([(hurried(one, *limits), slipped) for pid, one, _, slipped in every if half(pid) != held])[4]
        best = max([(before, building) for before in BEFORE for building in BUILDING], key=fit)
        chosen.append(best)
        pairs += [(hurried(one, *best), slipped) for pid, one, _, slipped in every if half(pid) == held]
    return pairs, chosen


def table(folder):
    every, said = list(cases()), told(folder / "yiwang.jsonl")
    by = lambda name: [(is_open(said.get(name, {}).get(pid, []), one[0]), slipped) for pid, one, _, slipped in every]
    held, chosen = halves(every)
    rows = {
        "**yiwang**, `hurried`": by("hurried"),
        f"the same rule, fitted on the other half {chosen}": held,
        "yiwang, `finish` on the time that is over": by("finish"),
        "yiwang, `slip` on the time that is over": by("slip"),
        "naive: what slipped at the last report": [(before is not None and (one[2] - before[2]).days > SLIP, slipped) for _, one, before, slipped in every],
        "naive: always": [(True, slipped) for *_, slipped in every],
    }
    print(f"{len(every)} reports with a next one, {sum(pair[1] for pair in rows['naive: always'])} slips; {len({pid for pid, *_ in every})} projects.\n")
    print("| foreseen by | foreseen | of these slipped | precision | recall | F1 |\n|---|---|---|---|---|---|")
    for name, pairs in rows.items():
        count, both, *rest = scores(pairs)
        print(f"| {name} | {count} | {both} | " + " | ".join(f"{x:.2f}" for x in rest) + " |")


if __name__ == "__main__":
    {"write": write, "table": table}[sys.argv[1]](pathlib.Path(sys.argv[2]))
