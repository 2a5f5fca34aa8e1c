#!/usr/bin/env python3
"""Gross product of Chinese cities: economy.py write FOLDER, then, after `yiwang replay`, economy.py table FOLDER.

Yearly figures of 287 cities, 2004 to 2012, each published (its vintage) at the end of the next year. The source names ten figures of gross
product that are wrong or jump; an episode that was told with one of them finds it. Ranks of Chengdu are of the same table, and of the
lists of 2017, 2020 and 2022; growth at current prices. The program ranks the table too (economy/ranks.toml); its rank of a year is read off a ladder of
detectors, one for each rank, that tell a year with a larger one, and held against ours.
"""

import csv
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).parent
SOURCE = HERE / "../../../shared/data/economy"
NAMED = {
    "平凉市": 2005, "大同市": 2005, "晋城市": 2005, "白山市": 2005, "丹东市": 2012, "佳木斯市": 2012, "呼伦贝尔市": 2012,
    "呼和浩特市": 2012, "开封市": 2012, "克拉玛依市": 2008,
}  # fmt: skip


def figures():
    """Gross product by city and year, 10,000 CNY."""
    found = {}
    for row in csv.DictReader(open(SOURCE / "china-cities-2004-2012.csv")):
        found.setdefault(row["city"], {})[int(row["year"])] = float(row["gdp_current_10k_cny"])
    return found


OURS = "成都市"
RANKED = ["gdp_rank", "gdp_growth_rank"]


def step(metric, rank):
    return (
        f'[[detector]]\nname = "{metric}-after-{rank}"\nzh = "位次"\nen = "Rank after {rank}"\nkind = "impossible"\nmetrics = ["{metric}"]\n'
        f'most = {rank + 0.5}\ncalm = 1\ncategory = "economy"\nseverity = "notice"\nsource = "a step of the ladder"\n\n'
    )


def write(folder):
    (folder / "catalogue").mkdir(parents=True, exist_ok=True)
    for name in ["catalogue.toml", "ranks.toml"]:
        shutil.copy(HERE / "economy" / name, folder / "catalogue" / name)
    (folder / "catalogue/ladder.toml").write_text("".join(step(metric, rank) for metric in RANKED for rank in range(1, len(figures()))))
    with open(folder / "readings.csv", "w") as out, open(folder / "catalogue/cities.toml", "w") as text:
        out.write("source,metric,time,value,period_end,vintage\n")
        for city, years in figures().items():
            text.write(f'[[station]]\nid = "{city}"\nzh = "{city}"\nen = "{city}"\nkind = "statistics_office"\ndistrict = "china"\ngateway = "yearbook"\nmetrics = ["gdp", "gdp_growth"]\n\n')
            for year, value in years.items():
                for metric, figure in [("gdp", value), ("gdp_growth", growth(years, year))]:
                    if figure is not None:
                        out.write(f"{city},{metric},{year}-01-01T00:00:00+08:00,{figure},{year + 1}-01-01T00:00:00+08:00,{year + 1}-12-31T00:00:00+08:00\n")


def growth(own, year):
    return 100 * (own[year] / own[year - 1] - 1) if year in own and year - 1 in own else None


def rank(values, name):
    return f"{1 + sum(value > values[name] for value in values.values())} of {len(values)}"


def year_of(text):
    """The year that a moment is the begin of, in Chengdu."""
    return int(text[:4]) + (text[5:7] == "12")


def by_program(told, metric, year):
    """The rank that the program found: one more than the steps of the ladder that it is above."""
    steps = [one for one in told if one["detector"].startswith(metric + "-after-")]
    is_in = lambda one: year_of(one["begin"]) <= year and (one["end"] is None or year < year_of(one["end"]))
    return 1 + sum(map(is_in, steps))


def table(folder):
    data = figures()
    every = [json.loads(line) for line in open(folder / "yiwang.jsonl")]
    told = {(one["source"], year_of(one["begin"])): one for one in every if one["detector"] == "gdp-year-on-year"}
    compared = sum(growth(own, year) is not None for own in data.values() for year in own)
    found = [key for key in NAMED.items() if key in told]
    others = sorted(set(told) - set(NAMED.items()))
    print(f"{compared} figures with one of the year before, {len(told)} told; of the {len(NAMED)} that the source names {len(found)}.")
    print("told beside them: " + ", ".join(f"{city} {year} ({growth(data[city], year):+.0f} %)" for city, year in others))
    print("\n| year | gross product, 100 million CNY | rank | year on year | rank of it |\n|---|---|---|---|---|")
    own = data[OURS]
    agree = []
    for year in sorted(own):
        of_year = {city: years[year] for city, years in data.items() if year in years}
        rises = {city: growth(years, year) for city, years in data.items() if growth(years, year) is not None}
        rise = growth(own, year)
        ranks = [rank(of_year, OURS), rank(rises, OURS) if rise is not None else ""]
        shown = f"{rise:.1f} %" if rise is not None else ""
        print(f"| {year} | {own[year] / 1e4:.1f} | {ranks[0]} | {shown} | {ranks[1]} |")
        agree += [int(ours.split()[0]) == by_program(every, metric, year) for metric, ours in zip(RANKED, ranks) if ours]
    lists = {}
    for row in csv.DictReader(open(SOURCE / "city-gdp-2017-2020-2022.csv")):
        lists.setdefault(row["year"], {})[row["city"]] = float(row["gdp_100m_cny"])
    for year, values in sorted(lists.items()):
        print(f"| {year}, the largest | {values['Chengdu']:.1f} | {rank(values, 'Chengdu')} | | |")
    assert agree and all(agree), "the program ranks otherwise"
    print(f"\n{sum(agree)} of {len(agree)} ranks are as the program found them. Told of ranks: " + "; ".join(
        f"{one['detector']} {year_of(one['begin'])} to {year_of(one['end']) if one['end'] else 'on'} ({one['extreme']:.0f})"
        for one in every if one["detector"] in ["not-among-ten", "rank-moved"]))  # fmt: skip


if __name__ == "__main__":
    {"write": write, "table": table}[sys.argv[1]](pathlib.Path(sys.argv[2]))
