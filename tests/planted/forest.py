#!/usr/bin/env python3
"""An isolation forest over the readings of a planted city, as a baseline: forest.py readings.csv episodes.jsonl DAYS

Liu, Ting, Zhou, ICDM 2008, by scikit-learn. One forest for each metric, grown in the first DAYS on all series of it.
A reading is three numbers, in deviations of its series in these days: the value, its step from the last one, and its distance from
the mean of the last six. It is strange when it scores below all but a share of 1e-5 of those. Readings that a flag marks are
passed over. An episode begins with the first strange reading and ends with the next that is not.
"""

import json
import sys

import numpy
import pandas
from sklearn.ensemble import IsolationForest

SHARE = 1e-5


def features(own, learnt):
    spread = own.value[learnt].std() or 1.0
    level = (own.value - own.value[learnt].mean()) / spread
    recent = level.rolling(6, min_periods=1).mean()
    return numpy.column_stack([level, level.diff().fillna(0), level - recent]).astype(numpy.float32)


def spans(times, strange):
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate([[False], strange, [False]]).astype(int)))
    for begin, end in edges.reshape(-1, 2):
        yield times[begin], times[end] if end < len(times) else None


def main(source, target, days):
    rows = pandas.read_csv(source, dtype={"source": "category", "metric": "category", "quality": str, "time": str})
    rows = rows[rows.quality.isna()]
    rows["at"] = pandas.to_datetime(rows.time)
    until = rows["at"].min() + pandas.Timedelta(days=int(days))
    with open(target, "w") as out:
        for metric, of_metric in rows.groupby("metric", observed=True):
            series = [(name, own) for name, own in of_metric.groupby("source", observed=True)]
            table = [features(own, own["at"] < until) for _, own in series]
            learnt = [(own["at"] < until).to_numpy() for _, own in series]
            past = numpy.concatenate([part[mask] for part, mask in zip(table, learnt)])
            forest = IsolationForest(n_estimators=100, max_samples=min(256, len(past)), random_state=1, n_jobs=-1).fit(past)
            bar = numpy.quantile(forest.score_samples(past), SHARE)
            scores = forest.score_samples(numpy.concatenate(table))
            at = 0
            for (name, own), mask in zip(series, learnt):
                strange = (scores[at : at + len(own)] < bar) & ~mask
                at += len(own)
                for begin, end in spans(own.time.to_numpy(), strange):
                    told = {"detector": "forest", "source": name, "metric": metric, "begin": begin, "end": end, "opened": begin}
                    out.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
