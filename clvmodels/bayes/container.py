"""ArviZ's container, of whichever ArviZ is installed."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


def import_arviz() -> Any:
    """ArviZ, without what 0.x has to say at import about 1.0."""
    with warnings.catch_warnings():
        # arviz 0.23 announces its successor at import: arviz-devs/arviz, __init__.py
        warnings.filterwarnings("ignore", "(?s).*ArviZ is undergoing", FutureWarning)
        import arviz

    return arviz


@contextmanager
def few_draws() -> Iterator[None]:
    """Silence about chains that are shorter than they are many: diagnostics tell of them."""
    with warnings.catch_warnings():
        # arviz 0.23, data/base.py, and arviz-base 1.x, base.py
        warnings.filterwarnings("ignore", "More chains|Found chain dimension", UserWarning)
        yield


def to_arviz(
    sections: Mapping[str, Mapping[str, Any]],
    coords: Mapping[str, Any],
    dims: Mapping[str, Sequence[str]],
) -> Any:
    """InferenceData (ArviZ 0.x) or DataTree (1.x) of sections such as posterior and prior."""
    arviz = import_arviz()
    options = {"coords": dict(coords), "dims": {k: list(v) for k, v in dims.items()}}
    with few_draws():
        if int(arviz.__version__.split(".")[0]) >= 1:
            return arviz.from_dict({k: dict(v) for k, v in sections.items()}, **options)
        return arviz.from_dict(**{k: dict(v) for k, v in sections.items()}, **options)
