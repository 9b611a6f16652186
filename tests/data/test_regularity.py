"""The shape of simulated logs is found again, and real ones are told in words."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import dirichlet

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.regularity import Regularity, ShapeEstimate, regularity
from clvmodels.data.simulate import simulate_log
from clvmodels.exceptions import DataError, ParameterError


def made(k: int, customers: int, seed: int, gap: float = 40.0) -> pd.DataFrame:
    """Customers who buy every `gap` weeks or so, at rates that differ widely."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 8, customers)
    t_x = np.where(x > 0, x * gap * rng.gamma(4, 1 / 4, customers), 0.0)
    return simulate_log(
        x, t_x, t_x + 1, start_date="1980-01-01", time_unit="week", regularity=k, seed=rng
    )


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_shape_is_found_again(k):
    found = regularity(made(k, 3_000, seed=10 + k))
    for estimate in (found.wheat_morrison, found.maximum_likelihood):
        assert abs(estimate.k - k) < 4 * estimate.se
        assert estimate.lo < estimate.k < estimate.hi
    assert found.erlang == k
    # all gaps say more than the last two
    assert found.maximum_likelihood.se < 0.6 * found.wheat_morrison.se


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3])
def test_intervals_hold_the_truth_as_often_as_they_say(k):
    runs = [regularity(made(k, 250, seed=1_000 * k + i)) for i in range(200)]
    for name in ("wheat_morrison", "maximum_likelihood"):
        held = np.mean([getattr(r, name).lo < k < getattr(r, name).hi for r in runs])
        # 3.5 binomial standard errors of 90 % in 200 runs
        assert abs(held - 0.9) < 3.5 * np.sqrt(0.9 * 0.1 / 200)


def shares_of(log: pd.DataFrame) -> list[np.ndarray]:
    days = log.assign(day=log["date"].dt.normalize())[["customer_id", "day"]].drop_duplicates()
    days = days.sort_values(["customer_id", "day"])
    gaps = [
        np.diff(d.to_numpy()) / np.timedelta64(1, "D")
        for _, d in days.groupby("customer_id")["day"]
    ]
    return [g / g.sum() for g in gaps if len(g) > 1]


def test_both_estimates_are_those_of_the_definition():
    # CDNOW, from the raw gaps: Wheat and Morrison's k = (1 - 4 V) / (8 V) of the shares of the last
    # two, and the likeliest k by SciPy's Dirichlet density
    log = load_cdnow(sample=True)
    found = regularity(log)
    shares = shares_of(log)
    halves = np.array([s[-2] / (s[-2] + s[-1]) for s in shares])
    variance = np.mean((halves - 0.5) ** 2)
    assert found.wheat_morrison.k == pytest.approx((1 - 4 * variance) / (8 * variance))
    assert found.wheat_morrison.customers == len(shares) == 736

    def nll(k: float) -> float:
        return -sum(dirichlet.logpdf(s / s.sum(), np.full(len(s), k)) for s in shares)

    k = found.maximum_likelihood.k
    best = minimize_scalar(nll, bracket=(0.9, 1.1), options={"xtol": 1e-7})
    assert k == pytest.approx(best.x, rel=1e-5)
    h = 0.01
    curvature = (nll(k + h) - 2 * nll(k) + nll(k - h)) / h**2
    assert found.maximum_likelihood.se == pytest.approx(curvature**-0.5, rel=1e-3)
    # CDs are bought by chance, if anything in slight bursts
    assert found.erlang == 1
    assert found.maximum_likelihood.k == pytest.approx(0.96, abs=0.01)


def test_the_words_name_the_models():
    regular = regularity(made(2, 500, seed=1))
    assert "as regular as Erlang-2, within error" in repr(regular)
    assert "BetaGeoCNBDModel(k=2)" in regular._repr_html_()
    assert "cannot be told from chance" in repr(regularity(made(1, 500, seed=1)))
    bursts = simulate_log([5] * 50, [1] * 50, [400] * 50, start_date="2020-01-01", time_unit="week")
    late = bursts.groupby("customer_id")["date"].max() + pd.Timedelta(days=900)
    log = pd.concat([bursts, late.reset_index()])
    assert "come in bursts" in repr(regularity(log))


@pytest.mark.parametrize(
    ("k", "half", "erlang", "words"),
    [
        (1.51, 0.02, 2, "between chance (k = 1) and Erlang-2 (k = 1.51 counted by the day, 90 % "
         "interval 1.49 to 1.53); the likeliest whole k is 2: see BetaGeoCNBDModel(k=2)"),
        (1.25, 0.02, 1, "the likeliest whole k is 1, as in BetaGeoModel."),
        (2.40, 0.10, 2, "between Erlang-2 and Erlang-3"),
        (1.95, 0.10, 2, "as regular as Erlang-2, within error"),
        (1.09, 0.02, 1, "close to chance (k = 1.09"),
        (0.97, 0.01, 1, "the difference is small, though beyond error: k = 1"),
        (0.96, 0.036, 1, "cannot be told from chance"),  # told as 0.92 to 1.00
        (0.85, 0.10, 1, "come in bursts"),
        (0.85, 0.20, 1, "cannot be told from chance"),
        (1.80, 0.90, 2, "cannot be told from chance"),
        (30.0, 2.00, 30, "the likeliest whole k is beyond 20"),
    ],
)  # fmt: skip
def test_words_claim_no_more_than_the_interval_bears_out(k, half, erlang, words):
    shape = ShapeEstimate(k, half / 1.645, k - half, k + half, 500)
    assert words in Regularity(shape, shape, erlang, "day").in_words


def test_the_frame_has_one_row_per_method():
    found = regularity(made(2, 500, seed=1)).frame
    assert found["method"].tolist() == ["Wheat-Morrison", "maximum likelihood"]
    assert found.columns.tolist() == ["method", "k", "se", "lo", "hi", "customers"]


def test_purchases_by_the_clock_are_as_regular_as_can_be():
    days = pd.date_range("2024-01-01", periods=12, freq="7D")
    log = pd.DataFrame({"customer_id": np.repeat(np.arange(20), 12), "date": np.tile(days, 20)})
    found = regularity(log)
    assert np.isfinite(found.frame.drop(columns="method").to_numpy()).all()
    assert found.maximum_likelihood.k > 1000


def test_hours_show_what_days_hide():
    # buyers of every second day: days merge the short gaps away and so look regular
    log = made(1, 2_000, seed=3, gap=2 / 7)
    by_day, by_hour = regularity(log), regularity(log, period="hour")
    assert by_hour.period == "hour"
    assert by_day.maximum_likelihood.k > 1.3
    assert by_hour.maximum_likelihood.k < 1.1


def test_the_end_cuts_and_few_purchases_are_refused():
    log = load_cdnow(sample=True)
    early = regularity(log, observation_end="1997-06-30")
    assert early.maximum_likelihood.customers < 736
    with pytest.raises(DataError, match="0 of 2,357 customers bought three times or more; 10 are"):
        regularity(log.drop_duplicates("customer_id"))
    with pytest.raises(ParameterError, match="period='week' is unknown"):
        regularity(log, period="week")
