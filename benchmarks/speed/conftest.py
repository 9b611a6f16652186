"""How a call is timed, and what is said of it."""

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from benchmarks.peers import Peer, installed


class Timed(Protocol):
    """Time a call, and keep what it is about; the last result comes back."""

    def __call__(
        self,
        call: Callable[..., Any],
        *,
        what: str,
        size: int,
        who: str = "ours",
        target: str = "",
        prepare: Callable[[], Any] | None = None,
        rounds: int = 3,
    ) -> Any: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", type=float, default=1.0, help="1 is up to ten million customers")


@pytest.fixture(scope="session")
def scaled(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """Sizes of this run, none so small that others do not converge."""
    scale = pytestconfig.getoption("--scale")
    return lambda size: max(round(size * scale), 1000)


@pytest.fixture
def timed(benchmark: Any) -> Timed:
    """`prepare` makes the value that a round is given; making it is not counted."""

    def run(
        call: Callable[..., Any],
        *,
        what: str,
        size: int,
        who: str = "ours",
        target: str = "",
        prepare: Callable[[], Any] | None = None,
        rounds: int = 3,
    ) -> Any:
        benchmark.group = f"{what}, {size:,}"
        benchmark.extra_info.update(what=what, size=size, who=who, target=target)
        setup = None if prepare is None else lambda: ((prepare(),), {})
        return benchmark.pedantic(call, setup=setup, rounds=rounds)

    return run


@pytest.fixture
def say(benchmark: Any) -> Callable[..., None]:
    """Add to what is kept: the objective `reached`, or the seconds of a run `beside`."""
    return benchmark.extra_info.update


@pytest.fixture
def peer(who: str) -> Peer:
    """The package that a case names, if it is installed."""
    there = installed()
    if who not in there:
        pytest.skip(f"{who} is not installed")
    return there[who]
