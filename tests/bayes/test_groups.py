"""Groups of customers: pooled, nested, unseen, tiny, silent; and the promise of partial pooling."""

import pickle
from copy import deepcopy
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataError, DataWarning, FitError, ParameterError
from clvmodels.inference.groups import Groups

# short chains, whose r-hat and effective sizes are what they are
pytestmark = pytest.mark.filterwarnings("ignore:NOT to be relied on")
SHORT = {"draws": 100, "chains": 2, "tune": 150, "seed": 1, "progress": False}
SIZES = (200, 80, 30, 1)  # of the groups a, b, c, d


def pooled(data, groups="segment", model=None, **options):
    method = clv.MCMC(**{**SHORT, **options}, groups=groups)
    return (model or clv.NBDModel()).fit(data, method)


def customers(rate, size, seed, r=0.6):
    """Simulated customers of whom `rate` purchases a week are expected."""
    model = clv.NBDModel().with_params(r=r, alpha=r / rate, time_unit="week")
    return model.simulate(size, "52 weeks", seed=seed)


def joined(parts, **columns):
    """Several summaries in one."""
    names = ("frequency", "recency", "T")
    x, t_x, T = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    out = clv.RFMSummary.from_arrays(x, t_x, T, time_unit="week")
    for name, values in columns.items():
        out = out.with_column(name, values)
    return out


@pytest.fixture(scope="module")
def rfm():
    rates = (0.05, 0.1, 0.2, 0.3)
    parts = [
        customers(rate, n, seed) for seed, (rate, n) in enumerate(zip(rates, SIZES, strict=True))
    ]
    return joined(parts, segment=np.repeat(list("abcd"), SIZES))


@pytest.fixture(scope="module")
def fit(rfm):
    return pooled(rfm)


@pytest.fixture(scope="module")
def nested_rfm():
    labels = [("north", "web"), ("north", "shop"), ("south", "web")]
    rates = (0.05, 0.1, 0.3)
    parts = [customers(rate, 60, k) for k, rate in enumerate(rates)]
    markets, channels = (np.repeat([label[k] for label in labels], 60) for k in (0, 1))
    return joined(parts, market=markets, channel=channels)


@pytest.fixture(scope="module")
def nested(nested_rfm):
    return pooled(nested_rfm, ("market", "channel"))


def rate_of(fit, place):
    return (fit.estimate.point["r"] / fit.estimate.point["alpha"])[:, place].mean()


# what a fit knows of its groups


def test_groups_have_parameters_of_their_own(fit, rfm):
    assert fit.groups.names == ("a", "b", "c", "d")
    assert fit.groups.customers == SIZES
    assert fit.estimate.point["r"].shape == (200, 6)  # typical, a to d, and one not seen
    rates = [rate_of(fit, 1 + k) for k in range(3)]
    assert rates == sorted(rates)
    raw = [rfm.frequency[rfm.columns["segment"] == s].mean() / 52 for s in "abc"]
    np.testing.assert_allclose(rates, raw, rtol=0.25)  # 2 standard errors of 30 customers
    assert "groups=segment" in fit.estimate.method


def test_likelihood_is_that_of_each_group_at_its_own(fit, rfm):
    assert fit.loglik_of(rfm) == pytest.approx(fit.loglik, rel=1e-12)
    by_group = 0.0
    for k, name in enumerate("abcd"):
        own = dict(zip(("r", "alpha"), fit.estimate.means_of(k), strict=True))
        alone = clv.NBDModel().with_params(**own, time_unit="week")
        by_group += alone.loglik_of(rfm.select(rfm.columns["segment"] == name))
    assert fit.loglik == pytest.approx(by_group, rel=1e-10)


def test_predictions_are_those_of_each_group(fit, rfm):
    expected = fit.expected_purchases(rfm, "10 weeks")
    for k, name in enumerate("abcd"):
        draws = {p: v[:, [1 + k]] for p, v in fit.estimate.point.items()}
        rows = np.flatnonzero(rfm.columns["segment"] == name)[:3]
        x, T = rfm.frequency[rows], rfm.T[rows]
        # of a customer who never drops out: (r + x) / (alpha + T) a week
        right = (10 * (draws["r"] + x) / (draws["alpha"] + T)).mean(axis=0)
        np.testing.assert_allclose(expected[rows], right, rtol=1e-10)
    table = fit.predict(rfm, "10 weeks")
    np.testing.assert_allclose(table["expected_purchases"], expected, rtol=1e-12)
    assert (table["expected_purchases_lo"] < table["expected_purchases_hi"]).all()


def test_new_customers_may_come_of_a_group(fit):
    new = [fit.expected_purchases_new_customer("52 weeks", {"segment": s}) for s in "abc"]
    np.testing.assert_allclose(new, [52 * rate_of(fit, 1 + k) for k in range(3)], rtol=1e-10)
    unseen = fit.expected_purchases_new_customer("52 weeks")
    assert unseen == pytest.approx(52 * rate_of(fit, 5), rel=1e-10)


def test_one_customer_is_a_group_that_leans_on_the_others(fit):
    spread = np.log(fit.estimate.point["r"] / fit.estimate.point["alpha"]).std(axis=0)
    assert spread[1] < spread[2] < spread[3] < spread[4]  # 200, 80, 30 and 1 customers
    assert spread[4] < 1.5


def test_customers_of_unseen_groups_are_told_of(fit, rfm):
    strange = rfm.select(np.arange(5)).with_column("segment", ["x", "a", "a", "y", "x"])
    with pytest.warns(DataWarning, match=r"3 of 5 rows are of a segment that was not fitted"):
        expected = fit.expected_purchases(strange, "10 weeks")
    known = fit.expected_purchases(rfm.select(np.arange(5)), "10 weeks")
    np.testing.assert_allclose(expected[1:3], known[1:3], rtol=1e-12)
    draws = {p: v[:, [-1]] for p, v in fit.estimate.point.items()}
    right = (10 * (draws["r"] + strange.frequency) / (draws["alpha"] + strange.T)).mean(axis=0)
    np.testing.assert_allclose(expected[[0, 3]], right[[0, 3]], rtol=1e-10)


def test_likelihood_of_unseen_groups_is_that_of_a_new_one(fit, nested, rfm, nested_rfm):
    def by_place(some_fit, data, places):
        total = 0.0
        for place in set(places):
            point = some_fit.estimate.point
            own = {k: np.exp(np.log(v[:, place]).mean()) for k, v in point.items()}
            alone = clv.NBDModel().with_params(**own, time_unit="week")
            total += alone.loglik_of(data.select(np.flatnonzero(places == place)))
        return total

    strange = rfm.select(np.arange(5)).with_column("segment", ["x", "a", "b", "y", "x"])
    with pytest.warns(DataWarning, match="3 of 5 rows"):
        found = fit.loglik_of(strange)
    assert found == pytest.approx(by_place(fit, strange, np.array([5, 1, 2, 5, 5])), rel=1e-10)
    some = nested_rfm.select(np.arange(4)).with_column("channel", ["web", "mail", "mail", "web"])
    some = some.with_column("market", ["north", "north", "south", "east"])
    with pytest.warns(DataWarning, match="3 of 4 rows"):
        found = nested.loglik_of(some)
    assert found == pytest.approx(by_place(nested, some, np.array([2, 4, 5, 6])), rel=1e-10)


def test_newcomers_of_unseen_groups_are_told_of(fit):
    told = r"segment that was not fitted \(first values of segment: x\).*share"
    with pytest.warns(DataWarning, match=told):
        strange = fit.expected_purchases_new_customer("52 weeks", {"segment": "x"})
    assert strange == fit.expected_purchases_new_customer("52 weeks")


def test_leave_one_out_is_of_the_groups_and_covariates_fitted(fit, rfm):
    assert np.isfinite(clv.loo(fit, rfm).elpd)
    swapped = rfm.with_column("segment", rfm.columns["segment"][::-1])
    with pytest.raises(DataError, match="same histories with other groups or covariates"):
        clv.loo(fit, swapped)
    age = np.random.default_rng(3).normal(40, 10, len(rfm))
    aged = rfm.with_column("age", age)
    model = clv.BetaGeoModel(covariates=clv.Covariates(purchase=["age"]))
    other = model.fit(aged, clv.Laplace(draws=50, seed=1))
    assert np.isfinite(clv.loo(other, aged).elpd)
    with pytest.raises(DataError, match="same histories with other groups or covariates"):
        clv.loo(other, rfm.with_column("age", age[::-1]))


def test_groups_without_repeat_buyers_work_and_are_named(rfm):
    silent = rfm.columns["segment"] == "c"
    x, t_x = (np.where(silent, 0.0, v) for v in (rfm.frequency, rfm.recency))
    quiet = joined([clv.RFMSummary.from_arrays(x, t_x, rfm.T, time_unit="week")])
    fit = pooled(quiet.with_column("segment", rfm.columns["segment"]))
    assert "Nobody bought again in 1 of 4 groups (c)" in repr(fit)
    assert np.isfinite(fit.estimate.point["r"]).all()
    of_none = {s: fit.purchase_pmf_new_customer(0, "52 weeks", {"segment": s}) for s in ("a", "c")}
    assert of_none["a"] + 0.2 < of_none["c"] < 1


def test_pooled_groups_may_have_covariates_and_spend():
    rng = np.random.default_rng(4)
    rfm = clv.datasets.load_cdnow_summary().select(np.arange(150))
    rfm = rfm.with_column("age", rng.normal(40, 10, 150))
    rfm = rfm.with_column("segment", rng.choice(["a", "b"], 150))
    model = clv.BetaGeoModel(covariates=clv.Covariates(purchase=["age"]))
    fit = pooled(rfm, model=model, tune=20, draws=15)
    assert fit.estimate.point["purchase:age"].shape == (30, 1)  # which all groups share
    assert fit.loglik_of(rfm) == pytest.approx(fit.loglik, rel=1e-12)
    assert np.isfinite(fit.predict(rfm, "10 weeks")["expected_purchases"]).all()
    assert fit.group_summary()["trait"].nunique() == 4
    new = fit.expected_purchases_new_customer("52 weeks", {"segment": "b", "age": 50})
    assert np.isfinite(new)
    spend = pooled(rfm, model=clv.GammaGammaModel(), tune=20, draws=15)
    buyers = rfm.frequency > 0
    counts = [(rfm.columns["segment"][buyers] == s).sum() for s in "ab"]
    assert spend.groups.customers == tuple(counts)
    assert spend.loglik_of(rfm) == pytest.approx(spend.loglik, rel=1e-12)
    own = spend.expected_spend(rfm)
    for s in "ab":  # who bought once is expected to be as all of the group
        once = (rfm.frequency == 0) & (rfm.columns["segment"] == s)
        assert len(set(own[once])) == 1


# order, weights, labels


def test_weights_count(fit, rfm):
    twice = pooled(joined([rfm, rfm], segment=np.tile(rfm.columns["segment"], 2)), tune=60)
    weighted = pooled(replace(rfm, weight=np.full(len(rfm), 2.0)), tune=60)
    assert weighted.groups.customers == twice.groups.customers == tuple(2 * n for n in SIZES)
    assert weighted.params == twice.params
    width = [np.log(f.estimate.point["alpha"][:, 1]).std() for f in (fit, twice)]
    assert width[1] < width[0]


def test_order_of_rows_and_names_of_groups_do_not_matter(fit, rfm):
    order = np.random.default_rng(2).permutation(len(rfm))
    shuffled = rfm.select(order)
    names = dict(zip("abcd", "dcba", strict=True))
    renamed = shuffled.with_column("segment", [names[s] for s in shuffled.columns["segment"]])
    other = pooled(renamed)
    assert other.groups.customers == SIZES[::-1]
    for k in range(4):
        one, two = (
            np.log(f.estimate.point["r"] / f.estimate.point["alpha"])[:, 1 + place]
            for f, place in ((fit, k), (other, 3 - k))
        )
        # 200 draws, worth about half as many: four standard errors of the difference of two means
        assert one.mean() == pytest.approx(two.mean(), abs=4 * one.std() * np.sqrt(2 / 100))


def test_whole_numbers_are_one_label_however_stored():
    ids, one = np.arange(4), np.ones(4)
    groups = Groups.of(("g",), {"g": np.array([2, 1, 10, 2])}, ids, one)
    assert groups.labels == (("1",), ("10",), ("2",))
    assert groups.customers == (1, 1, 2)
    for other in ([2.0, 1.0, 10.0, 2.0], ["2", "1", "10", "2"], [2, 1.0, "10", 2]):
        table = {"g": np.array(other, dtype=object)}
        np.testing.assert_array_equal(groups.places(table, ids), [3, 1, 2, 3])
    short = {"g": np.array([2, 1, 10, 2], dtype=np.float32)}
    np.testing.assert_array_equal(groups.places(short, ids), [3, 1, 2, 3])


def test_days_are_one_label_however_stored():
    days = ["2024-01-01", "2024-02-01", "2024-01-01T06:00"]
    groups = Groups.of(("g",), {"g": np.array(days, dtype="M8[us]")}, np.arange(3), np.ones(3))
    assert groups.labels == (("2024-01-01",), ("2024-01-01 06:00:00",), ("2024-02-01",))
    for unit in ("s", "ns"):
        same = {"g": np.array(days, dtype=f"M8[{unit}]")}
        np.testing.assert_array_equal(groups.places(same, np.arange(3)), [1, 3, 2])
    dates = {"g": np.array([date(2024, 2, 1), datetime(2024, 1, 1, 6)], dtype=object)}
    np.testing.assert_array_equal(groups.places(dates, np.arange(2)), [3, 2])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([1, "1", "2"], "both as text and as numbers or times: 1"),
        ([1.0, np.inf, 2.0], "infinite values"),
        (["typical", "a", "b"], "cannot be named 'typical'.*Rename"),
        (["a", "not seen", "b"], "cannot be named 'not seen'.*Rename"),
    ],
)
def test_labels_that_mean_two_things_are_refused(values, told):
    kind = float if np.inf in values else object
    with pytest.raises(DataError, match=told):
        Groups.of(("g",), {"g": np.array(values, dtype=kind)}, np.arange(3), np.ones(3))


def test_nested_labels_must_not_look_joined():
    table = {"market": np.array(["a / b", "a"]), "channel": np.array(["c", "b / c"])}
    Groups.of(("market",), table, np.arange(2), np.ones(2))
    with pytest.raises(DataError, match=r"market cannot be named 'a / b'.*Rename"):
        Groups.of(("market", "channel"), table, np.arange(2), np.ones(2))


def test_many_labels_in_two_columns_are_found_at_once():
    ids = np.arange(20_000)  # pairs of labels: 400 million, of which 20,000 are there
    table = {"outer": ids, "inner": ids[::-1]}
    groups = Groups.of(("outer", "inner"), table, ids, np.ones(len(ids)))
    assert sorted(groups.places(table, ids)) == list(range(1, 20_001))


# two levels


def test_a_label_in_two_outer_groups_is_two_groups(nested):
    assert nested.groups.labels == (("north", "shop"), ("north", "web"), ("south", "web"))
    assert nested.groups.outer == ("north", "south")
    assert nested.groups.parents.tolist() == [0, 0, 1]
    # typical, three groups, one not seen of each market, and one of a market not seen
    assert nested.estimate.point["r"].shape == (200, 7)
    assert rate_of(nested, 2) < rate_of(nested, 1) < rate_of(nested, 3)


def test_unseen_channels_of_a_known_market_are_like_that_market(nested, nested_rfm):
    one = nested_rfm.select([0])
    strange = joined([one] * 4, channel=["web", "mail", "mail", "web"])
    strange = strange.with_column("market", ["north", "north", "south", "east"])
    np.testing.assert_array_equal(
        nested.groups.places(strange.columns, strange.customer_id), [2, 4, 5, 6]
    )
    with pytest.warns(DataWarning, match="3 of 4 rows are of a market / channel"):
        expected = nested.expected_purchases(strange, "10 weeks")
    assert expected[1] < expected[2]


def test_newcomers_name_all_levels_or_none(nested):
    known = nested.expected_purchases_new_customer("9 weeks", {"market": "south", "channel": "web"})
    assert known == pytest.approx(9 * rate_of(nested, 3), rel=1e-10)
    with pytest.raises(ParameterError, match="Give all of market, channel, or none"):
        nested.expected_purchases_new_customer("9 weeks", {"market": "south"})


# what is refused


def test_unknown_columns_and_gaps(rfm):
    with pytest.raises(DataError, match=r"no group column region; there are segment"):
        pooled(rfm, "region")
    gap = np.array(rfm.columns["segment"], dtype=object)
    gap[[1, 4]] = None, np.nan
    first = rfm.customer_id[1]
    with pytest.raises(DataError, match=rf"segment must have a value .*2 of 311.*{first}"):
        pooled(rfm.with_column("segment", gap))


@pytest.mark.parametrize("groups", [3, (), ("a", "b", "c"), ("a", "a"), ("a", 1)])
def test_groups_that_are_no_columns(groups):
    with pytest.raises(ParameterError, match="groups takes"):
        clv.MCMC(groups=groups)


# copies, and what groups are like


def test_copies_predict_the_same(fit, rfm):
    from sklearn.base import clone

    right = fit.expected_purchases(rfm, "10 weeks")
    for again in (pickle.loads(pickle.dumps(fit)), deepcopy(fit), clone(fit)):
        np.testing.assert_array_equal(again.expected_purchases(rfm, "10 weeks"), right)
        assert again.groups.labels == fit.groups.labels
        assert again.diagnostics.sampling == fit.diagnostics.sampling


def test_group_summary(fit):
    table = fit.group_summary()
    assert table.columns.tolist() == [
        "segment", "customers", "trait", "estimate", "sd", "lo", "hi", "alone", "population",
        "shrinkage", "meaning",
    ]  # fmt: skip
    mine = table[table["trait"] == "purchases"].set_index("segment")
    assert mine["customers"].tolist() == list(SIZES)
    # all were observed for 52 weeks
    np.testing.assert_allclose(
        mine["estimate"], [52 * rate_of(fit, 1 + k) for k in range(4)], rtol=1e-9
    )
    assert (mine["lo"] < mine["estimate"]).all()
    assert (mine["estimate"] < mine["hi"]).all()
    moved = mine["shrinkage"]
    assert moved["a"] < 0.5 < moved["d"] < 1.2
    # the mode of 200 customers is near their mean, whatever the prior
    raw = fit.estimate.posterior.density.problem.by_group()[0]
    mean = raw.weight @ raw.data["x"] / raw.customers
    assert mine["alone"]["a"] == pytest.approx(mean, rel=0.03)
    narrow = fit.group_summary(level=0.5)
    assert (narrow["hi"] - narrow["lo"] < table["hi"] - table["lo"]).all()


def test_group_summary_without_data_or_groups(fit, rfm):
    kept = deepcopy(fit).group_summary()
    whole = fit.group_summary()
    same = ["segment", "customers", "trait", "estimate", "lo", "hi", "population"]
    assert kept[same].equals(whole[same])
    assert kept[["alone", "shrinkage"]].isna().all(axis=None)
    with pytest.raises(FitError, match="has no groups"):
        clv.NBDModel().fit(rfm).group_summary()


# the promise


@pytest.mark.slow
def test_partial_pooling_foresees_more_than_separate_fits_and_one_for_all():
    rng = np.random.default_rng(11)
    sizes = np.geomspace(10, 500, 14).astype(int)
    rates = 0.08 * np.exp(0.4 * rng.standard_normal(len(sizes)))
    shapes = 0.6 * np.exp(0.3 * rng.standard_normal(len(sizes)))
    names = np.array([f"s{k}" for k in range(len(sizes))])
    seen, held = (
        [customers(*args, seed=k + shift, r=r) for k, (*args, r) in enumerate(groups)]
        for shift, groups in (
            (0, list(zip(rates, sizes, shapes, strict=True))),
            # as many of every group, so that each counts alike
            (1000, [(rate, 400, r) for rate, r in zip(rates, shapes, strict=True)]),
        )
    )
    data = joined(seen, segment=np.repeat(names, sizes))
    future = joined(held, segment=np.repeat(names, 400))

    def score(fit, some):
        """Log of the predictive probability of customers, a posterior averaged over its draws."""
        problem, _ = fit.likelihood_of(some)
        code = problem.data.get("group", np.zeros(len(problem.weight))).astype(int)
        data = {k: v for k, v in problem.data.items() if k != "group"}
        params = {k: v[:, 1 + code] if v.shape[1] > 1 else v for k, v in fit.estimate.point.items()}
        rows = problem.rows(data, params)
        top = rows.max(axis=0)
        return problem.weight @ (top + np.log(np.exp(rows - top).mean(axis=0)))

    partly = score(pooled(data, draws=300, tune=400), future)
    none = sum(
        score(clv.NBDModel().fit(part, clv.Laplace(draws=600, seed=1)), other)
        for part, other in zip(seen, held, strict=True)
    )
    whole = score(clv.NBDModel().fit(data, clv.Laplace(draws=600, seed=1)), future)
    assert partly > none
    assert partly > whole
