#!/usr/bin/env python3
"""Labelled river sensors: rivers.py write FOLDER, then, when `yiwang replay` has judged them, rivers.py table FOLDER.

`write` makes FOLDER/readings.csv, FOLDER/catalogue, which is rivers/ and the stations that it does not have, and FOLDER/fits, a catalogue with
every spike detector that the fit chooses from. `table` reads FOLDER/yiwang.jsonl (catalogue) and FOLDER/fits.jsonl (fits), and prints the
tables of DETECTION.md. Every logan-river-*.csv.gz and queensland-*.csv.gz of the folder RIVERS, or of ../shared, is a station.

An event is a run of labelled rows; runs with at most two rows between them are one, as if each were widened by a row on either side, which
is how the source's own software (PyHydroQC) widens them. An alarm is a run of rows from when an episode was told to its end, joined in
the same way. It is true when it begins within an event or two rows around; the first such one finds the event, others are repeats. Every
other alarm is false. Precision is found / (found + false), recall found / events; rows of all stations of a variable count together.
Range-based precision and recall are those of Tatbul et al. (NeurIPS 2018) with alpha 0, flat bias and cardinality 1/x: the share of a
range that the others cover, divided by in how many pieces. The first seven days of a series are for learning and are not judged.

VUS-PR (volume.py) is of scores, with buffers up to a day, the mean over the series of a variable that have events. A textbook method gives its
distance. Ours are alarms: a row is worth the highest bar of the fit's at which the spike of its variable still tells it, and more than
any where what is not fitted tells it; elsewhere nothing. So it has at most seven thresholds. FOLDER/scores has beside it what
`yiwang score` (`ensemble`) gives each row of FOLDER/series.
"""

import json
import os
import pathlib
import shutil
import sys
import warnings

import numpy
import pandas
from sklearn.ensemble import IsolationForest

from volume import vus_pr

HERE = pathlib.Path(__file__).parent
SOURCE = pathlib.Path(os.environ.get("RIVERS") or HERE / "../../../shared/data/water-quality")
VARIABLES = ["temp", "cond", "ph", "do", "turb", "stage", "level"]
LEARNS = pandas.Timedelta(days=7)
APART = 2
# Steps of the instruments, of which a spike's least spread is so many times.
STEPS = dict(temp=0.05, cond=0.5, ph=0.01, do=0.05, turb=0.3, stage=0.2, level=0.005)
TIMES, BARS = [1, 2, 4, 8], [8, 12, 20, 30, 50]
SURE = 100
TYPES = dict(A="large spike", D="shift", E="high variability", F="impossible", H="drift", J="small spike", K="missing", L="other")


def stations(river):
    return [(path.name.removeprefix(river).removesuffix(".csv.gz"), path) for path in sorted(SOURCE.glob(river + "*.csv.gz"))]


def series():
    """Times, values, whether labelled, type of label, by station and variable."""
    found = {}
    for station, path in stations("logan-river-"):
        rows = pandas.read_csv(path, parse_dates=["datetime"]).drop_duplicates("datetime")
        for variable in [one for one in VARIABLES if one in rows]:
            own = rows[rows[variable].notna()]
            label = own[variable + "_qual"].notna().to_numpy()
            found[station, variable] = (own["datetime"].to_numpy(), own[variable].to_numpy(float), label, None)
    for station, path in stations("queensland-"):
        rows = pandas.read_csv(path, parse_dates=["timestamp"]).drop_duplicates("timestamp")
        for variable in [one for one in VARIABLES if one in rows]:
            own = rows[rows[variable].notna()]
            label = own["label_" + variable].to_numpy() == 1
            found[station, variable] = (own["timestamp"].to_numpy(), own[variable].to_numpy(float), label, own["type_" + variable].to_numpy())
    return found


def write(folder):
    for catalogue in ["catalogue", "fits"]:
        (folder / catalogue).mkdir(parents=True, exist_ok=True)
    data = series()
    with open(folder / "readings.csv", "w") as out:
        out.write("source,metric,time,value\n")
        for (station, variable), (times, values, _, _) in data.items():
            stamps = numpy.datetime_as_string(times, unit="s")
            out.writelines(f"{station},{variable},{at}Z,{value}\n" for at, value in zip(stamps, values))
    (folder / "series").mkdir(exist_ok=True)
    for key, (times, values, _, _) in data.items():
        pandas.DataFrame(dict(timestamp=times, value=values)).to_csv(folder / "series" / file_of(key), index=False)
    city = (HERE / "rivers/city.toml").read_text()
    for station in sorted({station for station, _ in data}):
        if f'id = "{station}"' not in city:
            own = json.dumps([variable for of, variable in data if of == station])
            city += f'\n[[station]]\nid = "{station}"\nzh = "{station}"\nen = "{station}"\nkind = "water"\ndistrict = "river"\ngateway = "river"\nmetrics = {own}\n'
    for catalogue in ["catalogue", "fits"]:
        (folder / catalogue / "city.toml").write_text(city)
    shutil.copy(HERE / "rivers/detectors.toml", folder / "catalogue/detectors.toml")
    (folder / "fits/detectors.toml").write_text("\n".join(spike(*one) for one in candidates()))


def file_of(key):
    return "-".join(key) + ".csv"


def candidates(of=VARIABLES):
    return [(variable, bar, times) for variable in of for bar in BARS for times in TIMES]


def name(variable, bar, times):
    return f"{variable}-spike-{bar}-{times}"


def spike(variable, bar, times):
    return (
        f'[[detector]]\nname = "{name(variable, bar, times)}"\nzh = "读数突变"\nen = "Reading jumps"\nkind = "spike"\n'
        f'metrics = ["{variable}"]\nreadings = 5\nk = {bar}\nmin_scale = {STEPS[variable] * times}\ncalm = 2\n'
        'category = "device"\nseverity = "notice"\nsource = "a candidate"\n'
    )


def runs(rows):
    edges = numpy.diff(numpy.concatenate([[0], rows.astype(int), [0]]))
    return list(zip(numpy.flatnonzero(edges == 1), numpy.flatnonzero(edges == -1)))


def joined(spans):
    found = []
    for begin, end in spans:
        if found and begin - found[-1][1] <= APART:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def told(path, data):
    """For each detector and series the rows from when an episode was told to its end."""
    place = lambda times, text: numpy.searchsorted(times, pandas.Timestamp(text).tz_convert(None).to_datetime64())
    found = {}
    for line in open(path):
        one = json.loads(line)
        key = one["source"], one["metric"].removesuffix("_out")
        times = data[key][0]
        rows = found.setdefault(one["detector"], {}).setdefault(key, numpy.zeros(len(times), bool))
        begin = place(times, one["opened"])
        end = place(times, one["end"]) if one["end"] else len(times)
        rows[begin : max(end, begin + 1)] = True
    return found


def union(said, names, key, length):
    own = [said[one][key] for one in names if key in said.get(one, {})]
    return numpy.logical_or.reduce(own) if own else numpy.zeros(length, bool)


def covered(spans, rows):
    return [rows[begin:end].mean() / max(1, len(runs(rows[begin:end]))) for begin, end in spans]


def inside(spans, length):
    rows = numpy.zeros(length, bool)
    for begin, end in spans:
        rows[begin:end] = True
    return rows


def judge(one, alarmed):
    """What alarmed rows of a series are worth."""
    times, _, label, kinds = one
    first = int(numpy.argmax(times >= times[0] + LEARNS))
    events = joined(runs(label))
    alarms = [span for span in joined(runs(alarmed)) if span[0] >= first]
    of = lambda row: next((span for span in events if span[0] - APART <= row < span[1] + APART), None)
    hit = [of(begin) for begin, _ in alarms]
    judged = [span for span in events if span[0] >= first]
    found = [span for span in judged if span in hit]
    return dict(
        events=len(judged), found=len(found), false=hit.count(None), repeats=len(hit) - hit.count(None) - len(found),
        recalls=covered(judged, inside(alarms, len(times))), precisions=covered(alarms, inside(judged, len(times))),
        by=[(kind(kinds, span), span in hit) for span in judged],
    )  # fmt: skip


def kind(kinds, span):
    if kinds is not None:
        return "Queensland: " + TYPES[kinds[span[0]]]
    rows = span[1] - span[0]
    return "Logan: " + ("1 or 2 rows" if rows <= 2 else "3 rows to a day" if rows <= 96 else "more than a day")


def half(a, b):
    return 2 * a * b / (a + b) if a + b else 0.0


def pooled(parts):
    """Event precision, recall, F1; the same of ranges."""
    total = lambda what: sum(part[what] for part in parts)
    mean = lambda what: float(numpy.mean([x for part in parts for x in part[what]] or [0.0]))
    found, false, events = total("found"), total("false"), total("events")
    precision, recall = found / max(1, found + false), found / max(1, events)
    ranged = mean("precisions"), mean("recalls")
    return dict(events=events, found=found, false=false, repeats=total("repeats"), scores=[precision, recall, half(precision, recall), *ranged, half(*ranged)])  # fmt: skip


def worth(part):
    """What a fit makes as large as it can; for a series without events, few alarms."""
    if part["events"] == 0:
        return 1 / (1 + part["false"])
    scores = pooled([part])["scores"]
    return (scores[2] + scores[5]) / 2


# How strange the textbook methods find each row, and from where on they tell it; they learn where `learnt`.


def sigma(values, learnt, _):
    return abs(values - values[learnt].mean()), 3 * values[learnt].std()


def ewma(values, learnt, _):
    mean, spread = values[learnt].mean(), values[learnt].std()
    smooth = pandas.Series(numpy.concatenate([[mean], values])).ewm(alpha=0.2, adjust=False).mean().to_numpy()[1:]
    return abs(smooth - mean), 3 * spread * numpy.sqrt(0.2 / 1.8)


def forest(values, learnt, share):
    level = (values - values[learnt].mean()) / (values[learnt].std() or 1.0)
    recent = pandas.Series(level).rolling(6, min_periods=1).mean().to_numpy()
    rows = numpy.column_stack([level, numpy.diff(level, prepend=level[0]), level - recent]).astype(numpy.float32)
    trees = IsolationForest(n_estimators=100, max_samples=min(256, learnt.sum()), random_state=1, n_jobs=-1).fit(rows[learnt])
    scores = -trees.score_samples(rows)
    return scores, numpy.quantile(scores[learnt], 1 - share)


def of_variables(data, rows):
    """Scores by variable, of a rule that gives the alarmed rows of a series."""
    return {variable: pooled([judge(one, rows(key)) for key, one in data.items() if key[1] == variable]) for variable in VARIABLES}


def volumes(data, scores):
    """VUS-PR by variable, of a rule that gives the score of each row of a series."""

    def of(key):
        times, _, label, _ = data[key]
        judged = times >= times[0] + LEARNS
        day = round(pandas.Timedelta(days=1) / numpy.median(numpy.diff(times)))
        return vus_pr(label[judged], scores(key)[judged], day) if label[judged].any() else None

    every = {variable: [of(key) for key in data if key[1] == variable] for variable in VARIABLES}
    return {variable: float(numpy.mean([one for one in own if one is not None])) for variable, own in every.items()}


def textbook(data, method, ahead):
    """What it tells, and its scores."""
    found = {}
    for key, (times, values, _, _) in data.items():
        learnt = numpy.ones(len(times), bool) if ahead else times < times[0] + LEARNS
        found[key] = method(values, learnt, 0.01 if ahead else 1e-5)
    return of_variables(data, lambda key: found[key][0] > found[key][1]), volumes(data, lambda key: found[key][0])


def graded(data, said, fits, times_of):
    """Of each row the highest bar at which a spike, whose least spread is so many steps, tells it; what is not fitted is above all."""

    def scores(key):
        length = len(data[key][0])
        fixed = union(said, [one for one in said if "spike" not in one], key, length)
        told = [bar * union(fits, [name(key[1], bar, times)], key, length) for bar in BARS for times in times_of(key)]
        return numpy.maximum.reduce([SURE * fixed, *told])

    return scores


def steps_of(chosen):
    return [int(chosen.rsplit("-", 1)[1])] if chosen else []


def fitted(data, said, fits):
    """What is judged by a fit on all stations, and by one on all but the judged one; the spikes chosen by the first and, by series, the other."""

    def alarmed(key, chosen):
        length = len(data[key][0])
        fixed = [one for one in said if "spike" not in one]
        return union(said, fixed, key, length) | union(fits, [chosen] if chosen else [], key, length)

    parts = {}
    for variable in VARIABLES:
        for chosen in [None] + [name(*one) for one in candidates([variable])]:
            parts[variable, chosen] = {key[0]: judge(data[key], alarmed(key, chosen)) for key in data if key[1] == variable}

    def choose(variable, stations):
        mean = lambda chosen: numpy.mean([worth(parts[variable, chosen][station]) for station in stations])
        return max([chosen for of, chosen in parts if of == variable], key=mean)

    all_of, without, choices = {}, {}, {}
    for variable in VARIABLES:
        stations = list(parts[variable, None])
        best = choose(variable, stations)
        held = {station: choose(variable, [other for other in stations if other != station]) for station in stations}
        all_of[variable] = pooled(list(parts[variable, best].values()))
        without[variable] = pooled([parts[variable, chosen][station] for station, chosen in held.items()])
        choices[variable] = best, held
    return all_of, without, choices


def show(judges, volume):
    print("| judge | " + " | ".join(VARIABLES) + " | mean |\n|---|" + "---|" * (len(VARIABLES) + 1))
    told = lambda at: {who: [own[variable]["scores"][at] for variable in VARIABLES] for who, own in judges.items()}
    ranked = {who: [own[variable] for variable in VARIABLES] for who, own in volume.items()}
    for title, scores in [("event", told(2)), ("ranges", told(5)), ("VUS-PR", ranked)]:
        for who, every in scores.items():
            print(f"| {who}, {title} | " + " | ".join(f"{x:.2f}" for x in every) + f" | {numpy.mean(every):.3f} |")


def show_variables(scores):
    print("\n| variable | events | found | false | repeats | precision | recall | F1 | range precision | range recall | range F1 |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for variable, own in scores.items():
        counts = [own[what] for what in ["events", "found", "false", "repeats"]]
        print(f"| {variable} | " + " | ".join(map(str, counts)) + " | " + " | ".join(f"{x:.2f}" for x in own["scores"]) + " |")


def show_kinds(data, rows):
    count = {}
    for key, one in data.items():
        for what, hit in judge(one, rows(key))["by"]:
            own = count.setdefault(what, [0, 0])
            own[0] += 1
            own[1] += hit
    print("\n| event | there | found |\n|---|---|---|")
    for what in sorted(count):
        print(f"| {what} | {count[what][0]} | {count[what][1]} |")


def table(folder):
    warnings.filterwarnings("ignore")
    data = series()
    said, fits = told(folder / "yiwang.jsonl", data), told(folder / "fits.jsonl", data)
    rows = lambda names: lambda key: union(said, names, key, len(data[key][0]))
    ours = of_variables(data, rows(list(said)))
    all_of, without, choices = fitted(data, said, fits)
    judges = {"**yiwang**": ours, "**yiwang**, fitted without the station": without}
    judges["yiwang, without the spikes that are fitted"] = of_variables(data, rows([one for one in said if "spike" not in one]))
    volume = dict(zip(judges, [volumes(data, graded(data, said, fits, times_of)) for times_of in [
        lambda key: steps_of(choices[key[1]][0]), lambda key: steps_of(choices[key[1]][1][key[0]]), lambda key: []]]))  # fmt: skip
    score = lambda key: pandas.read_csv(folder / "scores" / file_of(key))["anomaly_score"].to_numpy()
    volume["yiwang, `ensemble` with its defaults"] = volumes(data, score)
    for ahead, how in [(False, "learns 7 days"), (True, "has seen the whole series")]:
        for title, method in [("3 sigma", sigma), ("EWMA", ewma), ("isolation forest", forest)]:
            judges[f"{title}, {how}"], volume[f"{title}, {how}"] = textbook(data, method, ahead)
    show(judges, volume)
    show_variables(ours)
    show_kinds(data, rows(list(said)))
    print()
    for variable, (best, held) in choices.items():
        print(f"{variable}: fitted on all {best}; without each station in turn {', '.join(sorted({str(one) for one in held.values()}))}")
    same = all(all_of[variable] == ours[variable] for variable in VARIABLES)
    print("rivers/detectors.toml is what the fit on all stations gives" if same else "rivers/detectors.toml is NOT what the fit on all stations gives")


if __name__ == "__main__":
    {"write": write, "table": table}[sys.argv[1]](pathlib.Path(sys.argv[2]))
