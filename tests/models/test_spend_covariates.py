"""Spend that depends on covariates, from the columns of a summary to predictions and money."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError
from clvmodels.models.registry import SPEND_MODELS

TRUE = {
    "gamma_gamma": {"p": 6.25, "q": 3.74, "v": 15.44},
    "lognormal_normal": {"median": 26.77, "sigma": 0.56, "tau": 0.48},
}
SCALE = {"gamma_gamma": "v", "lognormal_normal": "median"}  # what amounts are proportional to
EFFECTS = {"income": 1.3, "abroad": 0.8}  # of one standard deviation
COVARIATES = clv.Covariates(spend=tuple(EFFECTS))
ANNUAL = clv.DiscountRate(0.15, per="year")

every_spend_model = pytest.mark.parametrize("key", SPEND_MODELS)


def customers(key, n=4000, seed=0):
    """Customers whose amounts follow from two columns, and a third that has to do with nothing."""
    rng = np.random.default_rng(seed)
    x = rng.geometric(0.4, n) - 1.0
    columns = {
        "income": rng.normal(60.0, 15.0, n),
        "abroad": rng.choice([0.0, 1.0], n, p=[0.7, 0.3]),
        "noise": rng.normal(size=n),
    }
    plain = SPEND_MODELS[key]().with_params(**TRUE[key]).simulate(x, seed)
    buyers, effect = x > 0, np.zeros(n)
    for name, multiplier in EFFECTS.items():
        values = columns[name]
        z = (values - values[buyers].mean()) / values[buyers].std()
        effect += np.log(multiplier) * z
    data = clv.RFMSummary.from_arrays(
        x, np.where(buyers, 20.0, 0.0), np.full(n, 40.0), time_unit="week",
        monetary_value=plain * np.exp(effect),
    )  # fmt: skip
    for name, values in columns.items():
        data = data.with_column(name, values)
    return data


@pytest.fixture(scope="module")
def data():
    return {key: customers(key) for key in SPEND_MODELS}


@pytest.fixture(scope="module")
def fits(data):
    return {key: model(covariates=COVARIATES).fit(data[key]) for key, model in SPEND_MODELS.items()}


def own_params(fit, data, row):
    """The model's parameters of one customer, put together by hand."""
    params = {name: value for name, value in fit.params.items() if ":" not in name}
    for name, mean, sd in zip(COVARIATES.columns, fit.design.means, fit.design.sds, strict=True):
        z = (data.column(name)[row] - mean) / sd
        params[SCALE[fit.model.key]] *= fit.params[f"spend:{name}"] ** z
    return params


@every_spend_model
def test_recovers_the_truth(key, fits):
    table = fits[key].summary().set_index("parameter")
    truth = {**TRUE[key], **{f"spend:{name}": value for name, value in EFFECTS.items()}}
    off = (table.estimate - [truth[name] for name in table.index]) / table.se
    assert off.abs().max() < 4


@every_spend_model
def test_predicts_at_each_customers_own_parameters(key, fits, data):
    expected = fits[key].expected_spend(data[key])
    for row in (0, 1, 17, 1234):
        alone = SPEND_MODELS[key]().with_params(**own_params(fits[key], data[key], row))
        one = alone.expected_spend(data[key].select([row]))
        assert expected[row] == pytest.approx(one[0], rel=1e-12)
    table = fits[key].predict(data[key])
    assert (table.expected_spend == expected).all()
    assert ((table.expected_spend_lo < expected) & (expected < table.expected_spend_hi)).all()


@every_spend_model
def test_the_population_is_that_of_the_average_customer(key, fits):
    own = {name: value for name, value in fits[key].params.items() if ":" not in name}
    average = SPEND_MODELS[key]().with_params(**own)
    assert fits[key].population_mean == pytest.approx(average.population_mean, rel=1e-12)
    assert fits[key].population_median == pytest.approx(average.population_median, rel=1e-12)


@every_spend_model
def test_says_in_words_what_each_column_does(key, fits):
    fit = fits[key]
    sd = f"{fit.design.sds[0]:.3g}"
    words = f"ne sd ({sd}) more of income multiplies the value of a purchase by"
    value = f"{fit.params['spend:income']:.2f}"
    assert fit.summary().meaning.iloc[3] == f"o{words} {value}"
    assert f"O{words} {value} (90 % interval" in repr(fit)
    assert f"o{words} {value}" in fit._repr_html_()  # not cut off at the width of a column


@every_spend_model
def test_simulated_customers_take_their_covariates(key, fits):
    x = np.full(20_000, 50.0)
    low = fits[key].simulate(x, seed=1, covariates={"income": 60.0, "abroad": 0.0})
    high = fits[key].simulate(x, seed=1, covariates={"income": 75.0, "abroad": 0.0})
    effect = fits[key].params["spend:income"] ** (15.0 / fits[key].design.sds[0])
    np.testing.assert_allclose(high, effect * low, rtol=1e-9)
    with pytest.raises(ParameterError, match="income, abroad; got income"):
        fits[key].simulate(x, covariates={"income": 60.0})


@every_spend_model
def test_money_is_the_unit_of_the_scale_alone(key, fits, data):
    cents = clv.RFMSummary(
        **{name: getattr(data[key], name) for name in ("customer_id", "frequency", "recency", "T")},
        monetary_value=100 * data[key].monetary_value, time_unit="week",
        columns=data[key].columns,
    )  # fmt: skip
    fit = SPEND_MODELS[key](covariates=COVARIATES).fit(cents)
    for name, value in fits[key].params.items():
        factor = 100 if name == SCALE[key] else 1
        assert fit.params[name] == pytest.approx(factor * value, rel=1e-5)


@every_spend_model
def test_columns_that_say_nothing_cost_nothing(key, fits, data):
    """The likelihood-ratio test tells columns that matter from one that does not."""
    model = SPEND_MODELS[key]
    every = model(covariates=clv.Covariates(spend=("income", "abroad", "noise"))).fit(data[key])
    named = {"none": model().fit(data[key]), "two": fits[key], "three": every}
    table = clv.compare(named, data[key]).set_index("model")
    assert table.against.to_dict() == {"none": "", "two": "none", "three": "two"}
    assert table.lr_df[["two", "three"]].tolist() == [2, 1]
    assert table.lr_p["two"] < 1e-6 < 1e-3 < table.lr_p["three"]


@every_spend_model
def test_a_ridge_shrinks_the_coefficients_alone(key, fits, data):
    model = SPEND_MODELS[key]
    covariates = clv.Covariates(spend=COVARIATES.spend, ridge=1e9)
    hard = model(covariates=covariates).fit(data[key])
    plain = model().fit(data[key])
    assert hard.params["spend:income"] == pytest.approx(1, abs=1e-5)
    for name, value in plain.params.items():
        assert hard.params[name] == pytest.approx(value, rel=1e-4)
    some = model(covariates=clv.Covariates(spend=COVARIATES.spend, ridge=100.0)).fit(data[key])
    assert 1 < some.params["spend:income"] < fits[key].params["spend:income"]


@every_spend_model
def test_files_keep_the_covariates(key, fits, data, tmp_path):
    fits[key].save(tmp_path / "spend.json")
    again = clv.load(tmp_path / "spend.json")
    assert again.model == fits[key].model
    assert repr(again) == repr(fits[key])
    assert again.predict(data[key]).equals(fits[key].predict(data[key]))


@every_spend_model
def test_value_with_covariates_on_both_sides(key, data, tmp_path):
    some = data[key].select(np.arange(800))
    purchases = clv.ParetoNBDModel(covariates=clv.Covariates(purchase="income", dropout="abroad"))
    spend = SPEND_MODELS[key](covariates=COVARIATES)
    value = clv.CLVModel(purchases, spend, discount=ANNUAL, margin=0.3).fit(some)
    table = value.predict(some, "12 months")
    np.testing.assert_allclose(
        table.clv,
        0.3 * value.spend.expected_spend(some)
        * value.purchases.residual_transactions(some, ANNUAL, "12 months"),
        rtol=1e-9,
    )  # fmt: skip
    assert (table.clv_lo < table.clv).all()
    assert (table.clv < table.clv_hi).all()
    value.save(tmp_path / "value.json")
    assert clv.load(tmp_path / "value.json").predict(some, "12 months").equals(table)
    # one customer's value does not depend on who is beside
    alone = value.clv(some.select([5]), "12 months")
    assert alone[0] == pytest.approx(table.clv[5], rel=1e-9)


@every_spend_model
def test_what_is_missing_is_named(key, fits, data):
    bare = clv.RFMSummary.from_arrays([1], [2], [3], time_unit="week", monetary_value=[20.0])
    with pytest.raises(DataError, match="no column 'income'"):
        fits[key].expected_spend(bare)
    with pytest.raises(DataError, match="no column 'salary'"):
        SPEND_MODELS[key](covariates=clv.Covariates(spend="salary")).fit(data[key])
    gaps = data[key].with_column("gaps", np.where(np.arange(4000) == 7, np.nan, 1.0))
    with pytest.raises(DataError, match=r"gaps .*7"):
        SPEND_MODELS[key](covariates=clv.Covariates(spend="gaps")).fit(gaps.select(range(5, 4000)))


@every_spend_model
def test_constant_and_collinear_columns_are_refused(key, data):
    model = SPEND_MODELS[key]
    # differs between customers, but not between those who bought again
    some = data[key].with_column("bought", (data[key].frequency > 0).astype(float))
    with pytest.raises(DataError, match="bought is 1 for all"):
        model(covariates=clv.Covariates(spend="bought")).fit(some)
    twins = data[key].with_column("home", 1 - data[key].column("abroad"))
    with pytest.raises(DataError, match="abroad, home are collinear"):
        model(covariates=clv.Covariates(spend=("abroad", "home"))).fit(twins)


@every_spend_model
def test_covariates_of_the_wrong_kind_are_refused_at_once(key):
    with pytest.raises(ParameterError, match="no purchase= covariates; it takes spend"):
        SPEND_MODELS[key](covariates=clv.Covariates(purchase="income"))
    with pytest.raises(ParameterError, match=r"takes Covariates\(spend=\.\.\.\), got 'income'"):
        SPEND_MODELS[key](covariates="income")
    with pytest.raises(ParameterError, match="without covariates"):
        SPEND_MODELS[key](covariates=COVARIATES).with_params(**TRUE[key])


def test_a_population_without_a_mean_says_so_with_covariates_too():
    x = np.full(3000, 2.0)
    heavy = clv.GammaGammaModel().with_params(p=6.0, q=0.8, v=15.0).simulate(x, seed=3)
    income = np.random.default_rng(3).normal(size=3000)
    data = clv.RFMSummary.from_arrays(
        x, np.full(3000, 20.0), np.full(3000, 40.0), time_unit="week", monetary_value=heavy
    ).with_column("income", income)
    fit = clv.GammaGammaModel(covariates=clv.Covariates(spend="income")).fit(data)
    assert fit.params["q"] < 1
    with pytest.raises(UndefinedMeanError, match="median"):
        _ = fit.population_mean
    assert np.isfinite(fit.population_median)
    assert np.isfinite(fit.expected_spend(data)).all()  # q + p x > 1
