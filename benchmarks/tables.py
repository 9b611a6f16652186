"""README's tables from the committed results: ``python -m benchmarks.tables [--check]``.

README marks the place of each: ``<!-- bench:name -->`` before it, ``<!-- /bench -->`` after it.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.peers import PACKAGES
from benchmarks.results import read

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
MARKED = re.compile(r"(<!-- bench:([\w-]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
Lines = Sequence[Mapping[str, str]]
PEERS = {package.replace("-", "_"): name for name, package in PACKAGES.items()}  # by column


class StaleError(Exception):
    """README and the results do not go together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where README is not up to date")
    options = parser.parse_args()
    text = README.read_text()
    fresh = refreshed(text)
    if fresh == text:
        return
    if options.check:
        sys.exit("README differs from benchmarks/*/*.csv: run python -m benchmarks.tables")
    README.write_text(fresh)


def refreshed(text: str) -> str:
    """A text with every marked table made anew."""

    def table(found: re.Match[str]) -> str:
        name = found[2]
        if name not in TABLES:
            raise StaleError(f"there is no table {name!r}; there are {', '.join(TABLES)}")
        return f"{found[1]}{TABLES[name]()}\n{found[3]}"

    return MARKED.sub(table, text)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)


SPEED = (
    ("BG/NBD fit with standard errors, 1,000,000 customers", "BG/NBD fit", 10**6, "s"),
    ("MBG/NBD, the same", "MBG/NBD fit", 10**6, "s"),
    ("Pareto/NBD, 100,000 customers", "Pareto/NBD fit", 10**5, "s"),
    ("BG/NBD, times not rounded to days", "BG/NBD fit, times not rounded to days", 10**6, "s"),
    ("expected purchases, P(alive) and 12-month CLV, 1,000,000 customers",
     "expected purchases, P(alive), 12-month CLV", 10**6, "s"),
    ("the same with 90 % intervals", "the same with 90 % intervals", 10**6, "s"),
    ("RFM summary of a Parquet log, 10,000,000 rows", "RFM summary from Parquet", 10**7, "s"),
    ("its peak memory", "its peak memory, MB", 10**7, "MB"),
    ("backtest of eight methods at four cutoffs on the full CDNOW log",
     "backtest of eight methods at four cutoffs", 23_570, "s"),
    ("the report on it, after the fits", "report after the fits", 23_570, "s"),
    ("import, summary of the CDNOW sample and BG/NBD fit, in a fresh process",
     "import, summary and fit", 2357, "s"),
    ("the cost of a BG/NBD fit grows as customers to the power, from 10^4 to 10^6",
     "BG/NBD fit: cost grows as customers to the power, sizes of all", 10**6, ""),
    ("the same from 10^4 to 10^7", "BG/NBD fit: cost grows as customers to the power", 10**7, ""),
    ("that of expected purchases, from 10^4 to 10^7",
     "expected purchases: cost grows as customers to the power", 10**7, ""),
)  # fmt: skip


def speed() -> str:
    """Times beside the other packages', of what was measured."""
    lines = read(HERE / "speed" / "results.csv")
    measured = {(line["what"], line["size"]): line for line in lines}
    rows = []
    for label, what, size, unit in SPEED:
        line = measured.get((what, str(size)))
        if line is None:
            continue
        ours = float(line["ours"])
        cells = [_amount(ours, unit)]
        for peer in PEERS:
            theirs = line[peer]
            more = f" ({_short(float(theirs) / ours)} times)" if theirs and unit else ""
            cells.append(_amount(float(theirs), unit) + more if theirs else "")
        rows.append([label, *cells])
    head = ["", "clvmodels", *PEERS.values()]
    return f"{_made_with(lines)}\n\n{markdown(head, rows)}"


def family() -> str:
    """The other models' fits beside the BG/NBD's, in a sentence."""
    lines = read(HERE / "speed" / "results.csv")
    end = " fit beside BG/NBD"
    times = {
        line["what"].removesuffix(end): float(line["ratio"])
        for line in lines
        if line["what"].endswith(end) and line["target"]
    }
    slow = sorted((ratio, name) for name, ratio in times.items() if ratio > 2)
    beside = _the(lines, what="BG/NBD fit", size=str(10**5))
    listed = "; ".join(f"{name} {_short(ratio)}" for ratio, name in slow)
    each = [
        _short(float(line["ours"]))
        for line in sorted(lines, key=lambda line: int(line["size"]))
        if line["what"] == "BG/NBD fit, µs a customer"
    ]
    ever = [float(line["ratio"]) for line in lines if " DERT " in line["what"]]
    words = (
        f"A BG/NBD fit takes {', '.join(each[:-1])} and {each[-1]} µs per customer at 10^5, 10^6 "
        f"and 10^7 customers. Beside the {_amount(float(beside['ours']), 's')} of the BG/NBD on "
        f"100,000 customers, other models take this many times as long: {listed}; all others at "
        "most twice. "
        "Discounting all the future of 1,000,000 customers takes "
        f"{_short(min(ever))} to {_short(max(ever))} times as long as expecting a year's purchases."
    )
    return _wrapped(words)


POSTERIORS = (
    ("BG/NBD, 2,357 customers, MCMC 4 x 1,000", "BG/NBD, MCMC", 2357, "ESS/s"),
    ("until it is done", "BG/NBD, MCMC", 2357, "s"),
    ("until it is done, nothing compiled before", "BG/NBD, MCMC, nothing compiled before", 2357,
     "s"),
    ("BG/NBD, 100,000 customers, MCMC", "BG/NBD, MCMC", 10**5, "ESS/s"),
    ("the same by Laplace with importance weights", "BG/NBD, Laplace", 10**5, "ESS/s"),
    ("Pareto/NBD, 2,357 customers, MCMC", "Pareto/NBD, MCMC", 2357, "ESS/s"),
    ("BG/NBD, 1,000,000 customers, Laplace", "BG/NBD, Laplace", 10**6, "s"),
    ("BG/NBD, 1,000,000 customers, MCMC 4 x 500", "BG/NBD, MCMC", 10**6, "s"),
    ("12-month CLV with quantiles, 200,000 customers x 1,000 draws (theirs from 5,000)",
     "12-month discounted CLV, 1,000 draws", 200_000, "s"),
    ("its peak memory", "12-month discounted CLV, 1,000 draws: peak", 200_000, "MB"),
    ("BG/NBD pooled over 50 groups of 1,000, MCMC 4 x 1,000", "hierarchical BG/NBD, MCMC", 50_000,
     "s"),
)  # fmt: skip


def posteriors() -> str:
    """Posteriors beside PyMC-Marketing's."""
    lines = read(HERE / "bayes" / "results.csv")
    rows = []
    for label, what, size, unit in POSTERIORS:
        line = _the(lines, what=what, size=str(size), unit=unit)
        theirs = _amount(float(line["theirs"]), unit) if line["theirs"] else ""
        ratio = _short(float(line["ratio"])) if line["ratio"] else ""
        rows.append([label, _amount(float(line["ours"]), unit), theirs, ratio])
    return f"{_made_with(lines)}\n\n{markdown(['', 'clvmodels', 'PyMC-Marketing', 'ratio'], rows)}"


def agreement() -> str:
    """The largest relative difference in each quantity."""
    lines = read(HERE / "accuracy" / "agreement.csv")
    quantities = list(dict.fromkeys(line["quantity"] for line in lines))
    rows = []
    for quantity in quantities:
        models = dict.fromkeys(x["model"] for x in lines if x["quantity"] == quantity)
        cells = []
        for peer in PEERS.values():
            found = [
                float(x["max_rel_diff"])
                for x in lines
                if x["quantity"] == quantity and x["peer"] == peer
            ]
            cells.append(f"{max(found):.0e}" if found else "")
        rows.append([quantity, ", ".join(models), *cells])
    head = ["largest relative difference from", "models", *PEERS.values()]
    return f"{_made_with(lines)}\n\n{markdown(head, rows)}"


CASES = (
    "BG/NBD, expected purchases: a one-time buyer, a + b < 1",
    "BG/NBD, expected purchases: a = 1",
    "MBG/NBD, expected purchases: 500 purchases in 500 days, the next 2,000",
    "Pareto/NBD, expected purchases: s = 1",
    "BG/NBD fit to 20 customers, few repeat: minus log-likelihood",
    "BG/NBD on CDNOW with penalizer 0.01: customers whose expected purchases are NaN",
    "BG/NBD on CDNOW in hours: 39 weeks' purchases beside those of weekly data (default priors, "
    "where there are any)",
    "Gamma-Gamma with q = 0.79: expected spend of a one-time buyer",
    "CLV of CDNOW's customer 1, weekly data, 12 months, arguments that are not asked for left",
    "summary with an amount that is missing: mean repeat spend",
    "holdout of two line items on one day (10 and 20) and one of 30: mean value of a purchase",
    "customers who first buy in the holdout",
)


def cases() -> str:
    """Some of the questions with one right answer."""
    lines = read(HERE / "accuracy" / "cases.csv")
    rows = []
    for what in CASES:
        line = _the(lines, case=what)
        cells = [_answer(line["ours"], line["right"])]
        cells += [_answer(line[peer], line[f"{peer}_right"]) for peer in PEERS]
        rows.append([what, _answer(line["truth"], "yes"), *cells])
    head = ["", "right is", "clvmodels", *PEERS.values()]
    words = f"{_made_with(lines)} {len(rows)} of {len(lines)} cases; wrong answers are bold."
    return f"{words}\n\n{markdown(head, rows)}"


def predictive() -> str:
    """The best forecaster of each world, and how much larger the errors of others are."""
    from benchmarks.predictive.standings import BESIDE, BEST_OF, Standings

    standings = Standings.of(read(HERE / "predictive" / "results.csv"))
    worlds = [line["world"] for line in read(HERE / "predictive" / "worlds.csv")]
    head = ["", "best", "its RMSE", *BESIDE, *(f"best {kind}" for kind in BEST_OF)]
    return markdown(head, ([world, *standings.beside_best(world)] for world in worlds))


def predictive_in_words() -> str:
    """What the table of forecasters comes to, in a few sentences."""
    from benchmarks.predictive.standings import Standings

    return _wrapped(Standings.of(read(HERE / "predictive" / "results.csv")).in_words())


TABLES: Mapping[str, Callable[[], str]] = {
    "speed": speed,
    "family": family,
    "bayes": posteriors,
    "agreement": agreement,
    "cases": cases,
    "predictive": predictive,
    "predictive-in-words": predictive_in_words,
}


def _the(lines: Lines, **cells: str) -> Mapping[str, str]:
    """The latest line with these cells."""
    found = [line for line in lines if all(line[k] == v for k, v in cells.items())]
    if not found:
        raise StaleError(f"no line of the results has {cells}")
    return found[-1]


def _made_with(lines: Lines) -> str:
    """Machine and packages, as far as a reader asks for them."""
    cores, python, *packages = lines[-1]["setup"].split(", ")
    titles = {package: name for name, package in PACKAGES.items()}
    used = [
        f"{titles[package]} {release}"
        for package, _, release in (used.partition(" ") for used in packages)
        if package in titles
    ]
    return f"{cores.capitalize()}, {python}, {', '.join(used)}."


def _answer(text: str, right: str) -> str:
    """An answer in a few words, bold where it is wrong."""
    if not text:
        return ""
    try:
        short = f"{float(text):.5g}"
    except ValueError:
        name, found, _ = text.partition(":")
        short = name if found else text
    return short if right == "yes" else f"**{short}**"


def _amount(value: float, unit: str) -> str:
    return f"{_short(value)} {unit}".strip()


def _short(value: float) -> str:
    """Two digits, and all of those before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _wrapped(words: str, width: int = 120) -> str:
    from textwrap import fill

    return fill(words, width, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
