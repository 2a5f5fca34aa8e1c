#!/usr/bin/env python3
"""Gross product of Chinese cities: economy.py write FOLDER, then, after `yiwang replay`, economy.py table FOLDER.

Yearly figures of 287 cities, 2004 to 2012, each published (its vintage) at the end of the next year. The source names ten figures of gross
product that are wrong or jump; an episode that was told with one of them finds it. Ranks of Chengdu are of the same table, and of the
lists of 2017, 2020 and 2022; growth at current prices.
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


def write(folder):
    (folder / "catalogue").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "economy/catalogue.toml", folder / "catalogue/catalogue.toml")
    with open(folder / "readings.csv", "w") as out, open(folder / "catalogue/cities.toml", "w") as text:
        out.write("source,metric,time,value,period_end,vintage\n")
        for city, years in figures().items():
            text.write(f'[[station]]\nid = "{city}"\nzh = "{city}"\nen = "{city}"\nkind = "statistics_office"\ndistrict = "china"\ngateway = "yearbook"\nmetrics = ["gdp"]\n\n')
            for year, value in years.items():
                out.write(f"{city},gdp,{year}-01-01T00:00:00+08:00,{value},{year + 1}-01-01T00:00:00+08:00,{year + 1}-12-31T00:00:00+08:00\n")


def growth(own, year):
    return 100 * (own[year] / own[year - 1] - 1) if year in own and year - 1 in own else None


def rank(values, name):
    ordered = sorted(values, key=values.get, reverse=True)
    return f"{ordered.index(name) + 1} of {len(ordered)}"


def table(folder):
    data = figures()
    told = {}
    for one in map(json.loads, open(folder / "yiwang.jsonl")):
        told[one["source"], int(one["begin"][:4]) + 1] = one
    compared = sum(growth(own, year) is not None for own in data.values() for year in own)
    found = [key for key in NAMED.items() if key in told]
    others = sorted(set(told) - set(NAMED.items()))
    print(f"{compared} figures with one of the year before, {len(told)} told; of the {len(NAMED)} that the source names {len(found)}.")
    print("told beside them: " + ", ".join(f"{city} {year} ({growth(data[city], year):+.0f} %)" for city, year in others))
    print("\n| year | gross product, 100 million CNY | rank | year on year | rank of it |\n|---|---|---|---|---|")
    own = data["成都市"]
    for year in sorted(own):
        of_year = {city: years[year] for city, years in data.items() if year in years}
        rises = {city: growth(years, year) for city, years in data.items() if growth(years, year) is not None}
        rise = growth(own, year)
        shown = (f"{rise:.1f} %", rank(rises, "成都市")) if rise is not None else ("", "")
        print(f"| {year} | {own[year] / 1e4:.1f} | {rank(of_year, '成都市')} | {shown[0]} | {shown[1]} |")
    lists = {}
    for row in csv.DictReader(open(SOURCE / "city-gdp-2017-2020-2022.csv")):
        lists.setdefault(row["year"], {})[row["city"]] = float(row["gdp_100m_cny"])
    for year, values in sorted(lists.items()):
        print(f"| {year}, the largest | {values['Chengdu']:.1f} | {rank(values, 'Chengdu')} | | |")


if __name__ == "__main__":
    {"write": write, "table": table}[sys.argv[1]](pathlib.Path(sys.argv[2]))
