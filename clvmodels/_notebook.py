"""How objects show themselves in a notebook: escaped HTML without colours of its own."""

import inspect
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def described(self: object) -> str:
    """How it was made, and the first line of what its class says of itself.

    A class of choices takes it as it is: ``_repr_html_ = described``.
    """
    says, *_ = (inspect.getdoc(type(self)) or "").splitlines() or [""]
    return f"<p><code>{escape(repr(self))}</code><br>{escape(says)}</p>"


def as_lines(self: object) -> str:
    """What it says in plain text, line by line; a class takes it as ``_repr_html_ = as_lines``."""
    return lines(*repr(self).splitlines())


def lines(*texts: str) -> str:
    """A paragraph, line by line."""
    return f"<p>{'<br>'.join(map(escape, texts))}</p>"


def headed(head: str, *texts: str) -> str:
    """A paragraph whose first line stands out."""
    return f"<p>{'<br>'.join([f'<b>{escape(head)}</b>', *map(escape, texts)])}</p>"


def listed(texts: Iterable[str]) -> str:
    """A list, if there is anything in it."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def captioned(frame: "pd.DataFrame", caption: str) -> str:
    """A frame in full, without its index."""
    import pandas as pd

    with pd.option_context("display.max_colwidth", None):  # some cells are sentences
        html = frame.to_html(index=False, float_format=plain)
    return html.replace(">", f"><caption>{escape(caption)}</caption>", 1)


def plain(value: float) -> str:
    """Four digits, never in powers of ten unless the number is minute."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def first_rows(frame: "pd.DataFrame", total: int) -> str:
    """The first rows of a long frame."""
    shown = f"First {len(frame):,}" if len(frame) < total else "All"
    return captioned(frame, f"{shown} of {total:,} rows")


def by_name(values: Mapping[str, float], caption: str) -> str:
    """Figures in a row, under their names."""
    import pandas as pd

    return captioned(pd.DataFrame({k: [f"{v:,.4g}"] for k, v in values.items()}), caption)
