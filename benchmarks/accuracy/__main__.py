"""Print the tables and keep them: ``python -m benchmarks.accuracy [--save]``."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import peers, results
from benchmarks.accuracy import agreement, case, fitting, logs, money, predictions
from benchmarks.peers import Peer

HERE = Path(__file__).parent
AGREEMENT, CASES = HERE / "agreement.csv", HERE / "cases.csv"
PACKAGES = ("numpy", "scipy", "pandas", "mpmath", "lifetimes", "pymc-marketing", "pymc", "pytensor")
QUESTIONS: tuple[Callable[[Mapping[str, Peer]], Iterator[case.Case]], ...] = (
    predictions.conditional,
    predictions.new_customers,
    predictions.many_purchases,
    fitting.small_samples,
    fitting.penalties,
    fitting.likelihoods,
    fitting.units,
    fitting.nothing_to_learn,
    fitting.broken_rows,
    money.no_mean,
    money.missing_spend,
    money.currency,
    money.defaults,
    money.alignment,
    logs.summaries,
    logs.months,
    logs.holdouts,
    logs.storage,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="write agreement.csv and cases.csv")
    options = parser.parse_args()
    for line in peers.absent():
        results.say(line)
    there = peers.installed()
    agree = [row.line() for row in agreement.everything(there)]
    results.show("Over CDNOW's 2,357 customers", agreement.COLUMNS[:-1], [x[:-1] for x in agree])
    cases = [one.line() for ask in QUESTIONS for one in ask(there)]
    results.show("Known difficulties", case.SHOWN, [case.brief(line) for line in cases])
    if options.save:
        made_with = results.setup(*PACKAGES)
        results.save(AGREEMENT, agreement.COLUMNS, agree, made_with)
        results.save(CASES, case.COLUMNS, cases, made_with)


if __name__ == "__main__":
    main()
