"""Volume under the surface of precision and recall (VUS-PR): how well scores order rows, with no threshold chosen.

Paparrizos et al., "Volume Under the Surface", PVLDB 15(11), 2022. A label of rows s..e also counts beside them: for a buffer of w rows,
a row at distance d <= w/2 of it counts sqrt(1 - d/w). With T the labelled rows above a threshold, B the weight of the rows beside them
that are above it, P all labelled rows, and E the share of labels (joined where their buffers touch) with a row above it,

    precision = (T + B) / rows above,    recall = E min(1, (T + B) / (P + B/2)),

the area is the sum of precision times the step of recall over falling thresholds, the volume its mean over w = 0..most. P + B/2 and the
step, in place of all of the buffer and a trapezoid, are as the authors' package `vus` 0.0.6 has them, which gives the same figures (`agrees`).
It takes 250 thresholds at equal ranks, between which alarms of a few rows in 100,000 get lost; here every score is one.

A label that is found, nothing else:
>>> round(vus_pr([0, 0, 1, 0, 0], [0, 0, 1, 0, 0], 0), 4)
1.0

One row of five that is not it, then all: recall goes from 0 to 1 at a precision of 1/5:
>>> round(vus_pr([0, 0, 1, 0, 0], [1, 0, 0, 0, 0], 0), 4)
0.2

The row after it: 1/5 for w = 0 and 1, which reach no row beside. For w = 2 it counts b = sqrt(1/2), precision b, recall b / (1 + b/2) = 0.5224;
then all rows, precision (1 + 2b) / 5 = 0.4828, recall 1: 0.3694 + 0.2306 = 0.6.
>>> round(vus_pr([0, 0, 1, 0, 0], [0, 0, 0, 1, 0], 2), 4)
0.3333

Two labels, one found by the first threshold (E = 1/2, 1/2 of the rows: recall 1/4, precision 1), the other by the second with one row that is
none (recall 1, precision 2/3): 1/4 + 3/4 2/3.
>>> round(vus_pr([1, 0, 0, 0, 1], [2, 0, 1, 0, 1], 0), 4)
0.75
"""

import sys

import numpy


def vus_pr(labels, scores, most):
    labels = numpy.asarray(labels, bool)
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate([[0], labels.astype(int), [0]])))
    spans = list(zip(edges[::2], edges[1::2] - 1))
    rank = numpy.unique(-numpy.asarray(scores, float), return_inverse=True)[1]
    # only thresholds at which a label, or a row beside one, is passed change recall
    kept = numpy.unique(rank[labels | (buffers(spans, most, len(labels)) > 0)])
    above = numpy.cumsum(numpy.bincount(rank))[kept]
    passed = lambda ranks, weights=None: numpy.cumsum(numpy.bincount(numpy.searchsorted(kept, ranks), weights, len(kept)))
    hits = passed(rank[labels])
    areas = []
    for wide in range(most + 1):
        beside = buffers(spans, wide, len(labels)) * ~labels
        rows = numpy.flatnonzero(beside)
        soft = passed(rank[rows], beside[rows])
        firsts = [rank[max(begin, 0) : end + 1].min() for begin, end in touching(spans, wide // 2)]
        exist = passed(firsts) / len(firsts)
        recall = exist * numpy.minimum(1, (hits + soft) / (labels.sum() + soft / 2))
        areas.append(numpy.sum(numpy.diff(recall, prepend=0) * (hits + soft) / above))
    return float(numpy.mean(areas))


def buffers(spans, wide, length):
    weight, half = numpy.zeros(length), numpy.arange(1, wide // 2 + 1)
    for begin, end in spans:
        for rows in [begin - half, end + half]:
            there = (rows >= 0) & (rows < length)
            weight[rows[there]] += numpy.sqrt(1 - half[there] / wide)
    return numpy.minimum(weight, 1)


def touching(spans, half):
    joined = []
    for begin, end in spans:
        if joined and begin - half <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end + half)
        else:
            joined.append((begin - half, end + half))
    return joined


def agrees():
    """Holds it against the authors' package, over random labels and scores."""
    from vus.utils.metrics import metricor

    dice = numpy.random.default_rng(1)
    for _ in range(40):
        length, most = int(dice.integers(40, 120)), int(dice.integers(0, 12))
        labels = numpy.convolve(dice.random(length) < 0.06, numpy.ones(dice.integers(1, 5)), "same") > 0
        labels[length // 2] = True
        scores = numpy.round(dice.random(length) + labels * dice.random(), int(dice.integers(0, 4)))
        theirs = metricor().RangeAUC_volume_opt(labels.astype(int), scores, most, thre=4 * length)[-1]
        ours = vus_pr(labels, scores, most)
        assert abs(ours - theirs) < 1e-12, (length, most, ours, theirs)
    print("vus_pr gives what the package vus gives, 40 random series")


if __name__ == "__main__":
    import doctest

    if doctest.testmod().failed:
        sys.exit(1)
    agrees()
