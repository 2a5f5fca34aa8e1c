#!/usr/bin/env python3
"""Trends of water against pymannkendall: trend.py write FOLDER, then, after `yiwang replay`, trend.py table FOLDER.

Chesapeake Bay, surface (S) and bottom (B), six or seven variables at eight stations, means of months 1985 to 2016; and five years of
Klamath's satellite indices, means of half-years, since a boat that goes from spring to autumn leaves no more. A value is the middle
of what the laboratory gives for it. `write` makes FOLDER/readings.csv and FOLDER/catalogue, with one detector a variable that looks at 20
years; `table` holds what it says at the end of 2016 against the reference. trend.py reference FILE writes trend/reference.csv, which a test of
yiwang-detect reads: p and slope of the seasonal test; score and variance of the correlated one, over the years without a gap.
"""

import csv
import gzip
import json
import pathlib
import sys
import warnings

import numpy
import pymannkendall

HERE = pathlib.Path(__file__).parent
SOURCE = HERE / "../../../shared/data/water-quality"
VARIABLES = ["secchi", "salinity", "do", "wtemp", "chla", "tn", "tp"]
INDICES = ["NDCI_Mean", "NDVI_Mean", "B3B2_Mean", "B4B8A_Mean"]
KLAMATH = ["belowcopco", "copco", "irongate"]


def chesapeake():
    """Dates and values by station, layer, variable."""
    found = {}
    for row in csv.DictReader(gzip.open(SOURCE / "chesapeake-bay.csv.gz", "rt")):
        for variable in VARIABLES:
            low, high = row[variable + "_lo"], row[variable + "_hi"]
            if row["layer"] in "SB" and low and high:
                found.setdefault((row["station"], row["layer"], variable), []).append((row["date"], (float(low) + float(high)) / 2))
    return found


def klamath():
    found = {}
    for place in KLAMATH:
        for row in csv.DictReader(open(SOURCE / f"klamath-sentinel2-{place}.csv")):
            for index in INDICES:
                if row["Sentinel_Date"] and row[index]:
                    found.setdefault((place, "satellite", index), []).append((row["Sentinel_Date"], float(row[index])))
    return found


def means(dated, first, years, seasons):
    """The mean of each part of each year, in the order of the file."""
    sums, counts = numpy.zeros(years * seasons), numpy.zeros(years * seasons)
    for date, value in dated:
        at = (int(date[:4]) - first) * seasons + (int(date[5:7]) - 1) * seasons // 12
        if 0 <= at < years * seasons:
            sums[at] += value
            counts[at] += 1
    with numpy.errstate(invalid="ignore"):
        return sums / counts


def reference(path):
    series = [(key, own, 1985, 32, 12) for key, own in chesapeake().items()]
    series += [(key, own, 2015, 6, 2) for key, own in klamath().items()]
    with open(path, "w") as out:
        out.write("station,layer,variable,first,years,seasons,p,slope,complete_score,complete_variance\n")
        for key, own, first, years, seasons in sorted(series):
            values = means(own, first, years, seasons)
            if numpy.isfinite(values).sum() < 5 * seasons:
                continue
            plain = pymannkendall.seasonal_test(values, period=seasons)
            table = values.reshape(years, seasons)
            whole = table[numpy.isfinite(table).all(axis=1)]
            both = pymannkendall.correlated_multivariate_test(whole) if len(whole) >= 5 else None
            last = f"{both.s:.0f},{float(both.var_s)!r}" if both else ","
            out.write(f"{','.join(key)},{first},{years},{seasons},{float(plain.p)!r},{float(plain.slope)!r},{last}\n")


def write(folder):
    (folder / "catalogue").mkdir(parents=True, exist_ok=True)
    data = chesapeake()
    rows = sorted((date, f"{station}-{layer}", variable, value) for (station, layer, variable), own in data.items() for date, value in own)
    seen = set()
    with open(folder / "readings.csv", "w") as out:
        out.write("source,metric,time,value\n")
        for date, source, variable, value in rows:
            hour = next(hour for hour in range(24) if (date, source, variable, hour) not in seen)
            seen.add((date, source, variable, hour))
            out.write(f"{source},{variable},{date}T{hour:02}:00:00Z,{value}\n")
        # A month is judged when it is over.
        for source, variable in sorted({(source, variable) for _, source, variable, _ in rows}):
            out.write(f"{source},{variable},2017-01-01T00:00:00Z,0\n")
    text = (HERE / "trend/catalogue.toml").read_text()
    for variable in VARIABLES:
        text += f'\n[[metric]]\nname = "{variable}"\nzh = "{variable}"\nen = "{variable}"\nkind = "water"\nunit = "1"\nmin = -1e6\nmax = 1e6\nperiod = "24h"\nsource = "Chesapeake Bay Program"\n'
    for source in sorted({source for _, source, _, _ in rows}):
        text += f'\n[[station]]\nid = "{source}"\nzh = "{source}"\nen = "{source}"\nkind = "water"\ndistrict = "bay"\ngateway = "boat"\nmetrics = {json.dumps(VARIABLES)}\n'
    (folder / "catalogue/catalogue.toml").write_text(text)


def table(folder):
    told = {(one["source"], one["metric"]): one for one in map(json.loads, open(folder / "yiwang.jsonl")) if one["end"] is None}
    count = {variable: [0, 0, 0, 0] for variable in VARIABLES}
    for (station, layer, variable), own in chesapeake().items():
        values = means(own, 1997, 20, 12)
        if numpy.isfinite(values).sum() < 60:
            continue
        plain = pymannkendall.seasonal_test(values, period=12, alpha=0.01)
        one = told.get((f"{station}-{layer}", variable))
        agree = (one is not None) == bool(plain.h) and (one is None or one["extreme"] * plain.slope > 0)
        count[variable][0] += 1
        count[variable][1] += bool(plain.h)
        count[variable][2] += one is not None
        count[variable][3] += agree
    print("| variable | series | trend by pymannkendall | told | agree |\n|---|---|---|---|---|")
    for variable, own in count.items():
        print(f"| {variable} | " + " | ".join(map(str, own)) + " |")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    {"reference": reference, "write": write, "table": table}[sys.argv[1]](pathlib.Path(sys.argv[2]))
