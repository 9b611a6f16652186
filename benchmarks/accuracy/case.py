"""One question, what is true, and what each package answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from warnings import catch_warnings, simplefilter

from benchmarks.peers import Peer, quiet

Answer = float | str
COLUMNS = (
    "case", "reference", "truth", "known_by", "ours", "right", "lifetimes", "lifetimes_right",
    "pymc_marketing", "pymc_marketing_right",
)  # fmt: skip
SHOWN = ("case", "truth", "ours", "lifetimes", "PyMC-Marketing")
CLOSE = 1e-6  # relative, unless a case says otherwise
LONGEST = 120  # characters of an error that are kept
LIFETIMES = "https://github.com/CamDavidsonPilon/lifetimes/issues/"
PYMC_MARKETING = "https://github.com/pymc-labs/pymc-marketing/issues/"


@dataclass(frozen=True)
class Case:
    """A question with one right answer: a number, or what there is to say instead of one."""

    what: str
    truth: Answer
    known_by: str
    ours: Answer
    theirs: Mapping[str, Answer]
    reference: str = ""
    right: Callable[[Answer], bool] | None = None

    def is_right(self, answer: Answer) -> bool:
        """Whether an answer is right; by default within a millionth."""
        if self.right is not None:
            return self.right(answer)
        if isinstance(answer, str) or isinstance(self.truth, str):
            return answer == self.truth
        return isclose(answer, self.truth, rel_tol=CLOSE, abs_tol=1e-15)

    def line(self) -> list[str]:
        """Its cells, in the order of `COLUMNS`."""
        cells = [self.what, self.reference, shown(self.truth), self.known_by]
        for answer in (self.ours, self.theirs.get("lifetimes"), self.theirs.get("PyMC-Marketing")):
            known = answer is not None
            cells += [
                shown(answer) if known else "",
                ("yes" if self.is_right(answer) else "NO") if known else "",
            ]
        return cells


def brief(line: Sequence[str]) -> list[str]:
    """The cells of a line that fit on a screen, wrong answers marked."""
    what, _, truth, _, *told = line
    pairs = zip(told[::2], told[1::2], strict=True)
    return [what, truth, *(f"WRONG: {a}" if right == "NO" else a for a, right in pairs)]


def shown(answer: Answer) -> str:
    """Ten digits, or the words."""
    return answer if isinstance(answer, str) else f"{answer:.10g}"


def answered(call: Callable[[], Answer]) -> Answer:
    """What a call of ours comes to; an error, or a warning, is an answer too."""
    try:
        with catch_warnings():
            simplefilter("error")
            return call()
    except Exception as error:
        return _words(error)


def answers(
    peers: Mapping[str, Peer], calls: Mapping[str, Callable[[], Answer]]
) -> dict[str, Answer]:
    """What those packages that are there come to; their warnings are not heard."""
    found: dict[str, Answer] = {}
    for name, call in calls.items():
        if name not in peers:
            continue
        try:
            with quiet():
                found[name] = call()
        except Exception as error:
            found[name] = _words(error)
    return found


def is_error(answer: Answer) -> bool:
    """Whether a package refused, or warned, and said so."""
    return isinstance(answer, str) and answer.partition(":")[0].endswith(("Error", "Warning"))


def _words(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no words"
    return f"{type(error).__name__}: {text}"[:LONGEST]
