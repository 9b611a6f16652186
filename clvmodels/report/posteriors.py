"""Displays of what a posterior knows of parameters, beside the maximum of the likelihood."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self, final

import numpy as np

from clvmodels.evaluation.marginal import Fitted, Marginal, is_over_time, marginal
from clvmodels.exceptions import DataError, FitError, ParameterError
from clvmodels.models.fitted import check_level
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import percent, signed_percent, significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_BINS: Final = 40  # at most; of few draws, about the root of their number
_SHOWN: Final = 0.998  # of the draws
_SAME: Final = 1e-9  # relative: two sums of the same numbers
_PEAK: Final = "maximum likelihood"
_RATIOS: Final = ((1.0, 1.1, 1.2), (1.0, 1.2, 1.5), (1.0, 1.5, 2.0, 3.0), (1.0, 2.0, 5.0, 10.0))
_BY: Final = {
    "posterior": "by the posterior",
    "replicates": "by replicates",
    _PEAK: "by maximum likelihood",
}


class _Row(NamedTuple):
    """What one source says of a parameter."""

    source: str
    estimate: float
    lo: float
    hi: float


@final
@dataclass(frozen=True, eq=False, repr=False)
class ParameterPosterior(Display):
    """Draws of one parameter, or of one trait of the population, against the maximum likelihood.

    Attributes
    ----------
    frame : DataFrame
        lo, hi (limits of each class), draws (their number), density (share of the draws per unit),
        mle_density (of the normal distribution around the maximum, normal on the log scale; NaN
        where there is none).
    summary : DataFrame
        source ("posterior" or "replicates", and "maximum likelihood" where one was given),
        estimate, lo, hi.
    name, meaning, unit : str
        Of what is shown.
    level : float
        Probability of the intervals.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> model = clv.BetaGeoModel()
    >>> posterior = model.fit(rfm, clv.Laplace(draws=1000, seed=1))
    >>> ParameterPosterior.of(posterior, "alpha", mle=model.fit(rfm)).summary["source"].tolist()
    ['posterior', 'maximum likelihood']
    """

    summary: "pd.DataFrame"
    name: str
    meaning: str
    unit: str
    level: float

    @classmethod
    def of(cls, fit: Fitted, name: str, mle: Fitted | None = None, level: float = 0.9) -> Self:
        """Sort the draws into classes, and lay the normal curve of the maximum over them.

        Parameters
        ----------
        fit : fitted model
            With draws: by `MCMC`, `Laplace` or `Bootstrap`. With groups, of the typical one.
        name : str
            A parameter, or (of posteriors) a trait that the priors are about: "purchases".
        mle : fitted model, optional
            The same model, fitted to the same data by `MLE`.
        level : float
            Probability of the intervals.

        Raises
        ------
        ParameterError
            If there is no parameter or trait of that name, or `mle` is another model or no fit by
            maximum likelihood.
        FitError
            If the fit has no draws.
        DataError
            If `mle` was fitted to other data.
        """
        import pandas as pd

        check_level(level)
        its = marginal(fit, name)
        drawn = its.values
        source = "posterior" if fit.estimate.is_sample else "replicates"
        rows = [_Row(source, float(drawn.mean()), *_interval(its, level))]
        low, high = np.quantile(drawn, [(1 - _SHOWN) / 2, (1 + _SHOWN) / 2])
        peak = None
        if mle is not None:
            _require_alike(fit, mle)
            peak = marginal(mle, name, fit.estimate.scales)
            at = peak.value(peak.centre)
            rows.append(_Row(_PEAK, at, *_interval(peak, level)))
            low, high = min(low, at), max(high, at)
        bins = min(_BINS, math.ceil(len(drawn) ** 0.5))
        edges = np.linspace(low, max(high, low * (1 + 1e-6)), bins + 1)
        counts, _ = np.histogram(drawn, edges)
        width, curve = np.diff(edges), np.full(bins, np.nan)
        if peak is not None and peak.se > 0:
            curve = peak.normal_share(edges) / width
        frame = pd.DataFrame(
            {
                "lo": edges[:-1],
                "hi": edges[1:],
                "draws": counts,
                "density": counts / len(drawn) / width,
                "mle_density": curve,
            }
        )
        summary = pd.DataFrame(rows)
        return cls(frame, summary, name, its.trait.meaning, _unit(fit, name), level)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        told = [
            f"{significant(row.estimate)} ({significant(row.lo)} to {significant(row.hi)}) "
            f"{_BY[row.source]}"
            for row in self._rows
        ]
        return f"{self._label}: {'; '.join(told)}"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        curve = ""
        if len(self.summary) > 1:
            curve = (
                " The dashed line is the maximum of the likelihood, the curve its normal "
                "approximation, the lower interval is its own. Where the two differ, priors speak, "
                "or the likelihood is skewed."
            )
        return (
            f"{self.name}: {self.meaning}. Bars are the draws, points their mean with the interval "
            f"of {percent(self.level)}.{curve}"
        )

    @property
    def _label(self) -> str:
        return f"{self.name} in {self.unit}" if self.unit else self.name

    @property
    def _rows(self) -> list[_Row]:
        return [_Row(*row) for row in self.summary.itertuples(index=False, name=None)]

    def _draw(self, ax: "Axes") -> None:
        frame, look = self.frame, style.looks(["draws", "mle"])
        width = frame["hi"] - frame["lo"]
        ax.bar(
            frame["lo"], frame["density"], width, align="edge", color=look["draws"].color,
            alpha=0.45, linewidth=0,
        )  # fmt: skip
        middle = (frame["lo"] + frame["hi"]) / 2
        ax.plot(middle, frame["mle_density"], color=look["mle"].color, linewidth=1.6)
        top = float(np.nanmax(frame[["density", "mle_density"]].to_numpy()))
        for k, (row, its) in enumerate(zip(self._rows, look.values(), strict=False)):
            place = -(k + 1) * 0.06 * top
            ax.plot([row.lo, row.hi], [place, place], color=its.color, linewidth=1.6)
            ax.plot(
                row.estimate, place, its.marker, color=its.color, markersize=6,
                label=row.source, linestyle="-",
            )  # fmt: skip
            if k == 1:
                ax.axvline(row.estimate, color=its.color, linestyle=its.dash, linewidth=1.2)
        ax.axhline(0, color=style.SHADE, linewidth=0.8)
        ax.set_ylim(bottom=-(len(self.summary) + 0.6) * 0.06 * top)
        ax.set_yticks([])
        style.amounts(ax.xaxis)
        ax.set(xlabel=self._label, ylabel="density")
        style.tidy(ax, grid="x")
        style.legend(ax)


@final
@dataclass(frozen=True, eq=False, repr=False)
class ParameterIntervals(Display):
    """All parameters of several fits of one model, each relative to its maximum likelihood.

    Attributes
    ----------
    frame : DataFrame
        fit (its name, or "maximum likelihood"), parameter, estimate, lo, hi; relative, relative_lo
        and relative_hi are these over the parameter's maximum likelihood. NaN where the data give
        no interval.
    level : float
        Probability of the intervals.
    left_out : tuple of str
        Parameters whose maximum lies at no finite place, so that nothing is relative to it.
    """

    level: float
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, fits: Mapping[str, Fitted], mle: Fitted, level: float = 0.9) -> Self:
        """Take estimates and intervals from the summaries of the fits.

        Parameters
        ----------
        fits : mapping of str to fitted model
            By the names to show: of posteriors, means and quantiles of the draws. No name may be
            "maximum likelihood".
        mle : fitted model
            The same model, fitted to the same data by `MLE`.
        level : float
            Probability of the intervals.

        Raises
        ------
        ParameterError
            If a fit is of another model or has the name of `mle`, or `mle` is no fit by maximum
            likelihood.
        DataError
            If a fit is to other data, or the data pin down no parameter.
        """
        import pandas as pd

        if _PEAK in fits:
            raise ParameterError(f"{_PEAK!r} is the name of mle: give the fit another.")
        base, left_out = mle.params, tuple(mle.diagnostics.boundary)
        if set(base) <= set(left_out):
            raise DataError("The data pin down no parameter, so there is no maximum to compare to.")
        parts = []
        for name, fit in {**fits, _PEAK: mle}.items():
            _require_alike(fit, mle)
            table = fit.summary(level)[["parameter", "estimate", "lo", "hi"]]
            table = table[~table["parameter"].isin(left_out)]
            peak = table["parameter"].map(base)
            relative = {
                f"relative{end}": table[column] / peak
                for end, column in (("", "estimate"), ("_lo", "lo"), ("_hi", "hi"))
            }
            parts.append(table.assign(fit=name, **relative))
        frame = pd.concat(parts, ignore_index=True)
        columns = ["fit", *(name for name in frame.columns if name != "fit")]
        return cls(frame[columns], level, left_out)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        others = self.frame[self.frame["fit"] != _PEAK]
        if others.empty:
            return f"Maximum likelihood, with intervals of {percent(self.level)}"
        far = others.iloc[int(np.abs(np.log(others["relative"])).argmax())]
        return (
            f"{far['parameter']} lies farthest from its maximum likelihood: {far['fit']} has "
            f"{significant(far['estimate'])}, {signed_percent(far['relative'] - 1)}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        without = (
            f" Left out, since the data do not pin them down: {', '.join(self.left_out)}."
            if self.left_out
            else ""
        )
        return (
            f"Estimates with intervals of {percent(self.level)}, over the maximum likelihood of "
            "each parameter. Where they differ, priors speak, or the likelihood is skewed."
            f"{without}"
        )

    def _draw(self, ax: "Axes") -> None:
        names = self.frame["parameter"].unique().tolist()
        parts = dict(iter(self.frame.groupby("fit", sort=False)))
        step = 0.7 / len(parts)
        ax.axvline(1, color=style.SHADE, linewidth=1)
        for k, (name, look) in enumerate(style.looks(map(str, parts)).items()):
            part = parts[name]
            place = -np.arange(len(names)) + 0.35 - (k + 0.5) * step
            ax.hlines(place, part["relative_lo"], part["relative_hi"], color=look.color)
            ax.plot(
                part["relative"], place, look.marker, color=look.color, markersize=6, label=name,
            )  # fmt: skip
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(lambda value, _: "")
        _ratios(ax)
        ax.set_yticks(-np.arange(len(names)), labels=names, parse_math=False)
        ax.set(xlabel="relative to the maximum likelihood", ylim=(-len(names) + 0.4, 0.6))
        style.tidy(ax, grid="x")
        style.legend_below(ax)


def _ratios(ax: "Axes") -> None:
    """Round ratios along a logarithmic axis, where it spans no whole tenfold."""
    low, high = ax.get_xlim()
    span = max(high, 1 / low)
    fine = next((steps for steps in _RATIOS if steps[-1] >= span), None)
    if fine is not None:
        ticks = sorted({1 / step for step in fine} | set(fine))
        ax.set_xticks([tick for tick in ticks if low <= tick <= high])
    style.amounts(ax.xaxis)


def _interval(its: Marginal, level: float) -> tuple[float, float]:
    low, high = its.limits(level)
    return its.value(low), its.value(high)


def _unit(fit: Fitted, name: str) -> str:
    """What a parameter counts, or the time over which a trait does; nothing of pure numbers."""
    if is_over_time(fit, name) and isinstance(fit, FittedPurchases):
        return f"{significant(fit.estimate.scales['time'])} {fit.clock}"
    dimension = {p.name: p.dimension for p in fit.model.parameters}.get(name, "pure")
    if dimension == "money":
        return "the currency of the data"
    if dimension in ("time", "rate") and isinstance(fit, FittedPurchases):
        return str(fit.clock) if dimension == "time" else f"1 / {fit.time_unit}"
    return ""


def _require_alike(fit: Fitted, mle: Fitted) -> None:
    """Refuse to compare fits of different models or data, or with something else than a maximum."""
    if mle.estimate.is_sample:
        raise ParameterError("mle takes a fit by MLE, not a posterior.")
    if fit.model != mle.model:
        raise ParameterError(
            f"One fit is of {fit.model!r}, the maximum likelihood of {mle.model!r}. Compare fits "
            "of one model."
        )
    one, other = fit.estimate.fingerprint, mle.estimate.fingerprint
    if not one or not other:
        raise FitError("Parameters that were given have no data: compare fits.")
    if len(one) != len(other) or not np.allclose(one, other, rtol=_SAME, atol=0):
        raise DataError("The fits are of different data, or count time in different units.")
