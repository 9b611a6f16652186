"""Print the tables and keep them: ``python -m benchmarks.predictive [--only WORLD ...] [--save]``.

UCI Online Retail II takes part if CLVMODELS_ONLINE_RETAIL gives the path of it as Parquet.
"""

import argparse
import time
from pathlib import Path

from benchmarks import results
from benchmarks.predictive import league
from benchmarks.predictive.methods import NO_BOOSTING, methods, seasonal_methods
from benchmarks.predictive.standings import Standings
from benchmarks.predictive.worlds import CUSTOMERS, WORLDS, AbsentError

HERE = Path(__file__).parent
RESULTS, ABOUT = HERE / "results.csv", HERE / "worlds.csv"
PACKAGES = ("numpy", "scipy", "pandas", "lifetimes", "scikit-learn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=WORLDS, default=list(WORLDS), metavar="WORLD")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 8,000 made customers")
    parser.add_argument("--save", action="store_true", help="write results.csv and worlds.csv")
    options = parser.parse_args()
    if results.release("scikit-learn") is None:
        results.say(NO_BOOSTING)
    lines, worlds = [], []
    for name in options.only:
        begun = time.monotonic()
        try:
            world = WORLDS[name](round(CUSTOMERS * options.scale))
        except AbsentError as reason:
            results.say(f"{name}: {reason}")
            continue
        found = league.judged(world, methods(), seasonal_methods())
        for failure in found.failures.itertuples():
            results.say(f"{name}, {failure.method}, {failure.cutoff:%Y-%m-%d}: {failure.error}")
        lines += league.lines(name, found)
        worlds.append(league.about(name, world, found))
        results.say(f"{name}: {time.monotonic() - begun:.0f} s")
    if not lines:
        return
    _print(lines, worlds)
    if options.save:  # lines of other worlds stay
        results.save(RESULTS, league.COLUMNS, lines, None, _world)
        results.save(ABOUT, league.WORLD_COLUMNS, worlds, results.setup(*PACKAGES), _world)


def _print(lines: list[list[str]], worlds: list[list[str]]) -> None:
    standings = Standings.of(dict(zip(league.COLUMNS, line, strict=True)) for line in lines)
    described = [dict(zip(league.WORLD_COLUMNS, world, strict=True)) for world in worlds]
    for world in described:
        title = f"{world['world']}: {world['what']}; {world['horizon']} after {world['cutoffs']}"
        results.show(title, *standings.league(world["world"]))
    homes = {world["world"]: world["home"] for world in described}
    results.show("Where what a model assumes is so", *standings.at_home(homes))
    results.show(f"Mean rank over {len(homes)} worlds", *standings.ranks())


def _world(line: dict[str, str]) -> str:
    return line["world"]


if __name__ == "__main__":
    main()
