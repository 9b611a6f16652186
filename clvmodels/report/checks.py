"""Tables of what to check before trusting a fit: convergence, probabilities, whom it leans on."""

from functools import partial

from clvmodels.evaluation.influence import influential_customers
from clvmodels.models.fitted import FittedModel
from clvmodels.report.framed import Column, Table, framed
from clvmodels.report.numbers import MINUS, NONE, count, in_brackets, percent
from clvmodels.report.study import Study
from clvmodels.report.tables import cell, with_error
from clvmodels.value.clv import FittedCLV


def fits_of(study: Study) -> dict[str, FittedModel]:
    """The fits behind the values, then those behind the comparison."""
    fitted = study.comparison.models
    ours = [study.name, *(name for name in fitted if name != study.name)]
    fits: dict[str, FittedModel] = {
        f"{study.name}, whole log": study.value.purchases,
        f"{study.value.spend.model.title}, whole log": study.value.spend,
    }
    for name in ours:
        if isinstance(fit := fitted[name], FittedCLV):
            fits[f"{name}, calibration"] = fit.purchases
            fits.setdefault(f"{fit.spend.model.title}, calibration", fit.spend)
    return fits


def convergence(study: Study) -> Table:
    """How every fit went."""
    import pandas as pd

    rows = []
    for name, fit in fits_of(study).items():
        estimate, found = fit.estimate, fit.diagnostics
        rows.append(
            {
                "fit": name,
                "method": estimate.method,
                "customers": estimate.customers,
                "converged": "yes" if found.converged else "NO",
                "loglik": float("nan") if estimate.loglik is None else estimate.loglik,
                "gain_left": found.gain_left,
                "condition_number": found.condition_number,
                "not_pinned_down": ", ".join(found.boundary) or NONE,
                "draws": "" if found.sampling is None else str(found.sampling),
            }
        )
    frame = pd.DataFrame(rows)
    columns = [
        Column("fit", "fit"),
        Column("method", "method", words=True),
        Column("customers", "customers", count),
        Column("converged", "converged", words=True),
        Column("log-likelihood", "loglik", lambda v: f"{v:,.2f}".replace("-", MINUS)),
        Column("left to gain", "gain_left", _size),
        Column("not pinned down", "not_pinned_down", words=True),
    ]
    return framed(
        frame, "convergence", columns,
        title="How the fits went",
        note=(
            "Left to gain: log-likelihood that another step would be expected to add; far below 1 "
            "is none. Log-likelihoods compare within one set of customers only."
        ),
    )  # fmt: skip


def draws(study: Study) -> list[str]:
    """How good the draws of the posteriors are."""
    fits = {name: fit.diagnostics.sampling for name, fit in fits_of(study).items()}
    return [f"{name}: {sampling}" for name, sampling in fits.items() if sampling is not None]


def _size(value: float) -> str:
    """A number of which only the size matters."""
    if 0.01 <= value < 1e5:
        return cell(value)
    return f"{value:.0e}".replace("+", "").replace("-", MINUS)


def distributions(study: Study) -> tuple[Table, ...]:
    """How probable the methods held what came, of those that give distributions of it."""
    import pandas as pd

    judged = study.comparison.judged
    if "log_score" not in set(judged.frame["metric"]):
        return ()
    leagues = [
        judged.league(quantity)
        .set_index("method")
        .drop(columns=["kind", "cutoffs"])
        .add_prefix(f"{quantity}_")
        for quantity in ("purchases", "value", "active")
    ]
    frame = pd.concat(leagues, axis=1).reset_index()
    found = judged.differences("log_score", "purchases", by_cutoff=True)
    ends = {name: f"less_{name}" for name in ("difference", "se", "lo", "hi", "against")}
    less = found.rename(columns=ends).drop(columns="cutoff")
    frame = frame.merge(less, on="method", how="left").dropna(subset="purchases_log_score")
    frame = frame.sort_values("purchases_log_score", ignore_index=True)
    error = with_error(cell, partial(cell, digits=2))
    unit = in_brackets(study.currency)
    columns = [
        Column("method", "method"),
        Column("log score", "purchases_log_score purchases_log_score_se", error),
        Column("less the best", "less_difference less_se", error),
        Column("CRPS", "purchases_crps purchases_crps_se", error),
        Column("Brier", "active_brier active_brier_se", error),
        Column("inside", "purchases_coverage purchases_coverage_expected", _inside),
        Column(f"CRPS of revenue{unit}", "value_crps value_crps_se", error),
        Column("inside, revenue", "value_coverage value_coverage_expected", _inside),
    ]
    return (
        framed(
            frame, "distributions", columns,
            title="How probable the methods held what came",
            note=(
                "Log score: mean of -log of the probability given to the purchases of each "
                "customer; CRPS: error of the whole distribution; Brier: mean squared error of the "
                "probability of any purchase. Less is better. Inside: share of customers in their "
                f"{percent(study.level)} prediction intervals, and in brackets what these claim: "
                "purchases are whole numbers, so intervals hold more than they must. Small: "
                "standard errors."
            ),
        ),
    )  # fmt: skip


def _inside(share: float, claimed: float) -> str:
    return f"{percent(share, digits=3)} ({percent(claimed, digits=3)})"


def influence(study: Study) -> tuple[Table, ...]:
    """Customers on whom the fits behind the values lean most."""
    unit = in_brackets(study.currency)
    out = []
    for name, title, fit in (
        ("purchases", study.name, study.value.purchases),
        ("spend", study.value.spend.model.title, study.value.spend),
    ):
        frame = influential_customers(fit, study.base)
        if frame.empty:
            continue
        out.append(
            framed(
                frame, f"influence-{name}",
                [
                    Column("customer", "customer_id"),
                    Column("repeat purchases", "frequency", count),
                    Column(f"mean value{unit}", "monetary_value", cell),
                    Column("moves estimates by (s.e.)", "moves", cell),
                ],
                title=f"Customers on whom {title} leans most",
                note=(
                    "Above 2 standard errors, look at the customer: a reseller, a shared account, "
                    "a slip of the decimal point."
                ),
                most=5,
            )
        )  # fmt: skip
    return tuple(out)
