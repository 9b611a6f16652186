"""Pareto/NBD with time-varying covariates."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._notebook import described
from clvmodels._typing import FloatArray
from clvmodels.data.time_varying import TimeVaryingSummary
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.estimate import Estimate, Method
from clvmodels.inference.mle import run
from clvmodels.inference.newton import minimise
from clvmodels.inference.problem import Objective, Parameter, Problem, limits
from clvmodels.models.covariate_likelihood import ridge_penalty
from clvmodels.models.covariates import WHILE_WAITING, Covariates
from clvmodels.models.design import Design
from clvmodels.models.fitted_time_varying import FittedTimeVarying, check_walks, walks_of
from clvmodels.models.nbd import RATE, rate_limits
from clvmodels.models.purchases import check_positive
from clvmodels.models.storage import dump_estimate, load_estimate
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    from clvmodels.kernels.time_varying_pareto_nbd import Walks

_OWN = (
    *RATE,
    Parameter("s", "pure", "shape of dropout rates over customers"),
    Parameter("beta", "time", "scale of dropout rates: the mean rate is s / beta"),
)
_ALIKE = 1e-9  # standard deviation relative to the mean, of what passes for a constant
_NOBODY = 1e-4  # share of customers leaving that no data can tell from none
_PERIODS_PER_THREAD = 20_000  # some milliseconds of work


@final
@dataclass(frozen=True, slots=True)
class TimeVaryingParetoNBDModel:
    """Pareto/NBD whose purchase and dropout rates follow covariates that change over time.

    Within each period a customer buys at rate lambda exp(g1'z) and leaves at rate mu exp(g2'z),
    with gamma lambda and mu. Use it for what moves over a customer's time: promotions, contacts,
    prices, seasons. What never changes belongs here too where the rest does change.

    Covariates are standardised over the time at risk of the customers fitted; means and standard
    deviations are kept with the fit. A coefficient g is reported as the multiplier exp(g): what one
    standard deviation more multiplies the rate by.

    Parameters
    ----------
    purchase : str or sequence of str
        Covariates that act on the purchase rate.
    dropout : str or sequence of str
        Covariates that act on the dropout rate.
    ridge : float
        Adds ridge / 2 times the sum of squared coefficients to the negative log-likelihood: a
        normal prior with standard deviation ridge**-0.5, on the coefficients alone.

    Raises
    ------
    ParameterError
        If no covariate is named, one is named twice for one process, or the ridge is negative.

    Notes
    -----
    Parameters, all positive:

    - r, a pure number, and alpha, in the time unit of the data: shape and scale of the purchase
      rates; their mean under average covariates is r / alpha.
    - s, a pure number, and beta, in the time unit of the data: the same for dropout rates.
    - purchase:<column> and dropout:<column>, pure numbers: multipliers, 1 for no effect.

    References
    ----------
    Bachmann, Meierer and Naef (2021), The Role of Time-Varying Contextual Factors in Latent
    Attrition Models for Customer Base Analysis, Marketing Science 40(4), 783-809.

    Examples
    --------
    >>> model = TimeVaryingParetoNBDModel(purchase="promo", dropout=["promo", "price"])
    >>> [p.name for p in model.parameters][4:]
    ['purchase:promo', 'dropout:promo', 'dropout:price']
    """

    key: ClassVar[str] = "time_varying_pareto_nbd"
    title: ClassVar[str] = "Pareto/NBD with time-varying covariates"

    purchase: Sequence[str] = ()
    dropout: Sequence[str] = ()
    ridge: float = 0.0

    def __post_init__(self) -> None:
        checked = Covariates(purchase=self.purchase, dropout=self.dropout, ridge=self.ridge)
        if not checked:
            raise ParameterError(
                "Name the covariates: purchase=('promo',), dropout=('promo',), or one of them. "
                "Without any, this is the Pareto/NBD."
            )
        for name in ("purchase", "dropout"):
            object.__setattr__(self, name, getattr(checked, name))

    @property
    def covariates(self) -> Covariates:
        """Which columns act on which process."""
        return Covariates(purchase=self.purchase, dropout=self.dropout, ridge=self.ridge)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The Pareto/NBD's own, and a multiplier per process and covariate."""
        return _parameters(self._plain_design())

    def fit(self, data: TimeVaryingSummary, method: Method | None = None) -> FittedTimeVarying:
        """Estimate the parameters from a summary with covariates.

        Parameters
        ----------
        data : TimeVaryingSummary
            One row per customer, one-time buyers included; see `time_varying_summary`.
        method : Method, optional
            ``MLE()`` if not given; ``Bootstrap()``, ...

        Returns
        -------
        FittedTimeVarying
            Parameters, diagnostics, and every prediction.

        Raises
        ------
        DataError
            If nobody bought again, a covariate is not among the columns, does not vary while
            customers are at risk, or follows from others.
        FitError
            If the method cannot fit this model.
        """
        check_walks(data, self.covariates.columns)
        if not (data.rfm.frequency > 0).any():
            raise DataError(
                f"None of the {len(data):,} customers bought again, so neither purchase rates nor "
                "dropout can be estimated. Observe them longer, or check that the log holds repeat "
                "purchases."
            )
        design = self._design(data)
        problem = self._problem(data, design)
        estimate = run(method, problem)
        notes = (
            *estimate.diagnostics.notes,
            *rate_limits(estimate),
            *_dropout_limits(estimate, float(data.rfm.T.max())),
            *design.sentences(estimate),
        )
        estimate = replace(estimate, diagnostics=replace(estimate.diagnostics, notes=notes))
        return FittedTimeVarying(
            estimate=estimate, model=self, time_unit=data.rfm.time_unit, design=design
        )

    def with_params(
        self,
        *,
        r: float,
        alpha: float,
        s: float,
        beta: float,
        purchase: Mapping[str, float],
        dropout: Mapping[str, float],
        time_unit: TimeUnit | str,
    ) -> FittedTimeVarying:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        r, s : float
            Shapes of purchase and dropout rates over customers, pure numbers.
        alpha, beta : float
            Their scales, in `time_unit`, where all covariates are 0.
        purchase, dropout : mapping of str to float
            What one unit more of each covariate multiplies the rate by: exp(g) of a published
            coefficient g. Covariates are taken as they are, not standardised.
        time_unit : TimeUnit or str
            What alpha and beta count.

        Returns
        -------
        FittedTimeVarying
            Without covariance, so that intervals have no width.

        Raises
        ------
        ParameterError
            If a parameter is not positive and finite, or a covariate has none.
        UnitError
            If the time unit is unknown.
        """
        values = {"r": r, "alpha": alpha, "s": s, "beta": beta}
        for process, given in (("purchase", purchase), ("dropout", dropout)):
            if set(given) != set(getattr(self, process)):
                raise ParameterError(
                    f"{process}= takes a multiplier for each of "
                    f"{', '.join(getattr(self, process)) or 'no covariates'}, got "
                    f"{', '.join(given) or 'none'}."
                )
            values |= {f"{process}:{name}": given[name] for name in getattr(self, process)}
        point = {name: np.array([[check_positive(name, v)]]) for name, v in values.items()}
        return FittedTimeVarying(
            estimate=Estimate(
                method="given", point=point, covariance_note="The parameters were given."
            ),
            model=self,
            time_unit=TimeUnit.parse(time_unit),
            design=self._plain_design(),
        )

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    _repr_html_ = described

    def _plain_design(self) -> Design:
        """Covariates as they are."""
        columns = self.covariates.columns
        zeros, ones = (0.0,) * len(columns), (1.0,) * len(columns)
        return Design(self.covariates, WHILE_WAITING, zeros, ones)

    def _design(self, data: TimeVaryingSummary) -> Design:
        """Covariates standardised over the time that customers were at risk."""
        names = self.covariates.columns
        counts = np.diff(data.indptr)
        begin = np.concatenate([[0.0], data.until[:-1]])
        begin[data.indptr[:-1]] = 0.0
        T = np.repeat(data.rfm.T, counts)
        share = np.clip(np.minimum(data.until, T) - begin, 0.0, None)
        share *= np.repeat(data.rfm.weights, counts)
        share /= share.sum()
        values = data.values[:, [data.columns.index(name) for name in names]]
        means = share @ values
        sds = np.sqrt(share @ (values - means) ** 2)
        for name, mean, sd in zip(names, means, sds, strict=True):
            if sd <= _ALIKE * abs(mean):
                raise DataError(
                    f"The covariate {name} is {mean:g} in every period at risk of all "
                    f"{len(data):,} customers, so it has no effect to be seen. Leave it out."
                )
        design = replace(self._plain_design(), means=tuple(means.tolist()), sds=tuple(sds.tolist()))
        design.check_independence(share, (values - means) / sds)
        return design

    def _problem(self, data: TimeVaryingSummary, design: Design) -> Problem:
        from clvmodels.kernels.time_varying_pareto_nbd import merged

        walks = merged(walks_of(data, design, data.rfm.time_unit))
        return Problem(
            model=self.key,
            parameters=_parameters(design),
            data={"customer": np.arange(len(data), dtype=np.float64)},
            weight=data.rfm.weights,
            compile=partial(_objective, walks),
            starts=partial(_starts, walks),
            penalty=ridge_penalty(self.ridge, len(_OWN)) if self.ridge else None,
        )


def dump_time_varying(fit: FittedTimeVarying) -> dict[str, Any]:
    """A fit with time-varying covariates as a JSON document."""
    return {
        "role": "time_varying",
        "model": fit.model.key,
        "choices": asdict(fit.model),
        "time_unit": str(fit.time_unit),
        "design": fit.design.to_dict(),
        "estimate": dump_estimate(fit.estimate),
    }


def load_time_varying(document: Mapping[str, Any]) -> FittedTimeVarying:
    """The fit of a document made by `dump_time_varying`."""
    model = TimeVaryingParetoNBDModel(**document["choices"])
    return FittedTimeVarying(
        estimate=load_estimate(document["estimate"]),
        model=model,
        time_unit=TimeUnit.parse(document["time_unit"]),
        design=Design.from_dict(document["design"], model.covariates, WHILE_WAITING),
    )


def _parameters(design: Design) -> tuple[Parameter, ...]:
    return (*_OWN, *design.parameters)


def _rows(data: Mapping[str, FloatArray]) -> Any:
    return data["customer"].astype(np.int64)


def _objective(walks: "Walks", data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
    """The likelihood of some of the customers, on all cores where they have many periods."""
    from clvmodels.kernels.special import tail_counts
    from clvmodels.kernels.time_varying_pareto_nbd import nll_grad_hess, take

    some = take(walks, _rows(data))
    parts = max(1, min(usable_cores(), len(some.until) // _PERIODS_PER_THREAD))
    terms = []
    for rows in np.array_split(np.arange(len(weight)), parts):
        share, its_weight = take(some, rows), weight[rows]
        tail = tail_counts(share.x, its_weight)
        terms.append(partial(nll_grad_hess, walks=share, weight=its_weight, tail=tail))
    if parts == 1:
        return terms[0]
    pool = ThreadPoolExecutor(parts)

    def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        values, gradients, hessians = zip(*pool.map(lambda term: term(theta), terms), strict=True)
        return sum(values), sum(gradients), sum(hessians)

    return objective


def _starts(
    walks: "Walks", data: Mapping[str, FloatArray], weight: FloatArray
) -> Sequence[FloatArray]:
    """The Pareto/NBD without covariates, fitted first, and a start by moments to check it with."""
    from clvmodels.kernels.time_varying_pareto_nbd import take

    rows = _rows(data)
    some = take(walks, rows)
    none = np.empty((len(rows), 0))
    plain = some._replace(
        start=np.arange(len(rows) + 1), until=some.T, buying=none, leaving=none, bought=none
    )
    x, T = some.x, some.T
    rate = max(float(weight @ x), 1.0) / float(weight @ T)
    excess = float(weight @ (x - rate * T) ** 2 - weight @ x)
    poisson = rate**2 * float(weight @ T**2)
    r = float(np.clip(poisson / max(excess, 1e-3 * poisson), 0.05, 20.0))
    mean_T = float(weight @ T / weight.sum())
    # those who left count in the mean rate, so living customers buy faster than it
    moments = np.array([r, r / (1.5 * rate), 0.6, 0.6 * mean_T])
    everyone = {"customer": np.arange(len(rows), dtype=np.float64)}
    fitted = minimise(_objective(plain, everyone, weight), moments, limits(_OWN))
    ones = np.ones(walks.buying.shape[1] + walks.leaving.shape[1])
    return [np.append(start, ones) for start in (np.exp(fitted.log_params), moments)]


def _dropout_limits(estimate: Estimate, oldest: float) -> list[str]:
    """Say so where the data do not pin down s and beta."""
    theta, loose = estimate.means, {"s", "beta"} & set(estimate.diagnostics.boundary)
    if not loose:
        return []
    if theta["s"] * np.log1p(oldest / theta["beta"]) < _NOBODY:
        return ["No dropout to be seen: P(alive) is 1 for everybody, and s / beta runs to 0."]
    if theta["s"] > 1:
        return [
            "Customers show no differences in dropout rate: s and beta run off together at "
            f"s / beta = {theta['s'] / theta['beta']:.4g}."
        ]
    return []
