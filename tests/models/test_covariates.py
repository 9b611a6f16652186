"""Covariates: choices, standardisation, chain rule, recovery of what was simulated, and words."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from oracles import beta_geo as bg_oracle
from oracles import gamma_gamma as gg_oracle
from oracles import modified_beta_geo as mbg_oracle
from oracles.derivatives import gradient_hessian

from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.mle import MLE
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.kernels import beta_geo, gamma_gamma, modified_beta_geo
from clvmodels.models.covariate_likelihood import covariate_objective, ridge_penalty
from clvmodels.models.covariates import (
    AT_PURCHASE,
    PURCHASE_RATE,
    WHILE_WAITING,
    Covariates,
    coefficients,
    spend_process,
)
from clvmodels.models.design import Design

KERNELS = {"bg": beta_geo, "mbg": modified_beta_geo}
ORACLES = {"bg": bg_oracle, "mbg": mbg_oracle}
TRUTH = {"r": 0.8, "alpha": 5.0, "a": 0.8, "b": 2.5}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}  # Fader, Hardie and Lee (2005b)
RATE = (Parameter("r"), Parameter("alpha", "time"), Parameter("a"), Parameter("b"))


def table(columns, n=None, **kwargs):
    """A summary whose further columns are all that matters."""
    n = n or len(next(iter(columns.values())))
    one, age = np.ones(n), np.full(n, 10.0)
    ids = np.array([f"c{k}" for k in range(n)])
    return RFMSummary(ids, one, one, age, None, "week", columns=columns, **kwargs)


def attributes(n, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "income": rng.normal(40, 12, n),
        "age": rng.uniform(18, 80, n),
        "online": rng.integers(0, 2, n).astype(float),
    }


def bg_problem(kernel, x, t_x, T, weight=None):
    """The likelihood without covariates."""
    weight = np.ones(len(x)) if weight is None else weight

    def compile_(data, weight):
        x, t_x, T = (data[name] for name in ("x", "t_x", "T"))
        tails = kernel.tails(x, weight)
        return lambda theta: kernel.nll_grad_hess(theta, x, t_x, T, weight, *tails)

    data = {"x": x, "t_x": t_x, "T": T}
    starts = [np.array([1.0, 5.0, 1.0, 3.0]), np.array([0.5, 3.0, 0.5, 1.0])]
    return Problem("bg", RATE, data, weight, compile_, lambda data, weight: starts)


def spend_problem(x, m):
    def compile_(data, weight):
        return lambda theta: gamma_gamma.nll_grad_hess(theta, data["x"], data["m"], weight)

    parameters = (Parameter("p"), Parameter("q"), Parameter("v", "money"))
    start = np.array([4.0, 4.0, 20.0])
    return Problem(
        "gg", parameters, {"x": x, "m": m}, np.ones(len(x)), compile_, lambda *_: [start]
    )


def world(name, design, z, multipliers, seed=1):
    """Histories of customers with covariates z, drawn with known multipliers."""
    rng, kernel, n = np.random.default_rng(seed), KERNELS[name], len(z)
    point = {**TRUTH, **multipliers}
    params = design.row_params({k: np.array([[v]]) for k, v in point.items()}, z)
    params = {k: np.broadcast_to(v, (1, n))[0] for k, v in params.items()}
    zero, T = np.zeros(n), rng.uniform(20, 60, n)
    x, t_x = kernel.simulate(zero, zero, T, rng, **params)
    alive = rng.random(n) < kernel.prob_alive(zero, zero, zero, **params)
    return np.where(alive, x, 0.0), np.where(alive, t_x, 0.0), T


def small(n=60, seed=3):
    """A few customers of every kind."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(3, n).astype(float)
    T = rng.uniform(10, 40, n)
    return x, np.where(x > 0, T * rng.uniform(0.2, 1, n), 0.0), T


def design_of(columns, covariates, processes):
    data = table(columns)
    design = Design.of(data, covariates, processes)
    return design, design.matrix(data)


# choices


def test_a_name_or_a_list_of_names_becomes_a_tuple():
    covariates = Covariates(purchase="income", dropout=["income", "age"])
    assert covariates.purchase == ("income",)
    assert covariates.dropout == ("income", "age")
    assert covariates.columns == ("income", "age")
    assert covariates == Covariates(purchase=("income",), dropout=("income", "age"))
    assert hash(covariates) == hash(Covariates(purchase=("income",), dropout=("income", "age")))
    assert covariates
    assert not Covariates()
    assert not Covariates(ridge=2.0)


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ({"purchase": ("age", "age")}, "names the column 'age' twice"),
        ({"purchase": "age", "both": "age"}, "'age' is named in both= and in purchase="),
        ({"dropout": "age", "both": ["x", "age"]}, "'age' is named in both= and in dropout="),
        ({"spend": (3,)}, "takes names of columns, got 3"),
        ({"ridge": -1.0}, "0 or positive"),
        ({"ridge": np.nan}, "finite"),
        ({"ridge": "much"}, "must be a number"),
        ({"ridge": True}, "must be a number"),
    ],
)
def test_choices_that_make_no_sense_are_refused(choices, text):
    with pytest.raises(ParameterError, match=text):
        Covariates(**choices)


def test_coefficients_follow_the_processes_in_order():
    names = [c.name for c in coefficients(Covariates("income", ["income", "age"]), AT_PURCHASE)]
    assert names == [
        "purchase:income", "dropout_a:income", "dropout_a:age", "dropout_b:income",
        "dropout_b:age",
    ]  # fmt: skip
    names = [c.name for c in coefficients(Covariates("x", "y", "z"), WHILE_WAITING)]
    assert names == ["purchase:x", "dropout:y", "both:z"]
    assert [c.name for c in coefficients(Covariates(spend="y"), spend_process("v"))] == ["spend:y"]


def test_a_process_that_the_model_lacks_is_refused():
    with pytest.raises(ParameterError, match=r"no spend= covariates; it takes both, dropout"):
        coefficients(Covariates(spend="income"), AT_PURCHASE)
    with pytest.raises(ParameterError, match="no dropout="):
        Design.of(table({"x": np.arange(3.0)}), Covariates(dropout="x"), (PURCHASE_RATE,))


# standardisation


def test_columns_are_standardised_over_customers_not_rows():
    values, weight = np.array([1.0, 2.0, 5.0]), np.array([2.0, 1.0, 3.0])
    covariates = Covariates("x", ridge=1.0)
    one = Design.of(table({"x": values}, weight=weight), covariates, AT_PURCHASE)
    repeated = np.repeat(values, weight.astype(int))
    many = Design.of(table({"x": repeated}), covariates, AT_PURCHASE)
    assert one.means == pytest.approx([repeated.mean()])
    assert one.sds == pytest.approx([repeated.std()])
    assert many.means == pytest.approx(one.means)
    assert many.sds == pytest.approx(one.sds)


@pytest.mark.parametrize("values", [[True, False, True], [1, 3, 2], [1e300, -1e300, 3e299]])
def test_flags_counts_and_numbers_of_any_size_are_standardised(values):
    z = design_of({"x": np.array(values)}, Covariates("x"), AT_PURCHASE)[1]
    assert z.mean() == pytest.approx(0, abs=1e-12)
    assert z.std() == pytest.approx(1)


def test_new_customers_are_measured_by_those_fitted():
    design, _ = design_of({"x": np.array([0.0, 2.0])}, Covariates("x"), AT_PURCHASE)
    np.testing.assert_allclose(design.matrix(table({"x": np.array([3, 1, -1])})).T, [[2, 0, -2]])
    np.testing.assert_allclose(design.row({"x": 3}), [[2]])
    np.testing.assert_array_equal(design.row(None), [[0]])
    columns = design.columns_of({"x": 3}, 2)
    np.testing.assert_array_equal(columns["x"], [3, 3])
    np.testing.assert_array_equal(design.columns_of({"x": [3, 4]}, 2)["x"], [3, 4])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "has the covariates x; got none"),
        ({"x": 1, "y": 2}, "got x, y"),
        ({"x": np.nan}, "takes a finite number"),
        ({"x": "much"}, "takes a finite number"),
        ({"x": [1, 2, 3]}, "one for each of 2 customers"),
    ],
)
def test_values_for_new_customers_must_be_complete(values, text):
    design, _ = design_of({"x": np.array([0.0, 2.0])}, Covariates("x"), AT_PURCHASE)
    with pytest.raises(ParameterError, match=text):
        design.columns_of(values, 2)


def test_a_stored_design_comes_back():
    columns = attributes(20)
    design, z = design_of(columns, Covariates("income", "age"), AT_PURCHASE)
    document = json.loads(json.dumps(design.to_dict()))
    back = Design.from_dict(document, design.covariates, AT_PURCHASE)
    assert back == design
    np.testing.assert_array_equal(back.matrix(table(columns)), z)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ([1.0, np.nan, 3, np.nan], r"x must be finite: broken by 2 of 4 customers, first c1, c3"),
        ([1.0, None, 3, 4], r"x must be finite: broken by 1 of 4 customers, first c1"),
        (["web", "shop", "web", "shop"], r"must hold numbers, not 'web'.*first c0.*0/1 columns"),
        ([1.0, "shop", None, 2], r"not 'shop': broken by 1 of 4 customers, first c1"),
        (["1", "2", "3", "4"], "must hold numbers, not '1'"),
        (np.array(["2024-01-01"] * 4, dtype="datetime64[s]"), "dates as numbers"),
        ([7.0, 7, 7, 7], r"x is 7 for all 4 customers, so it has no effect to be seen. Leave"),
        ([0.1 + 0.2, 0.3, 0.3, 0.3], r"x is 0.3 for all 4 customers"),
        ([0, 0, 0, 0], r"x is 0 for all"),
    ],
)
def test_columns_that_cannot_be_used_are_named(column, text):
    with pytest.raises(DataError, match=text):
        Design.of(table({"x": np.array(column)}), Covariates("x"), AT_PURCHASE)


def test_a_missing_column_is_named_with_what_there_is():
    with pytest.raises(DataError, match=r"no column 'wage'; further columns: income, age, online"):
        Design.of(table(attributes(5)), Covariates("wage"), AT_PURCHASE)
    design, _ = design_of(attributes(5), Covariates("age"), AT_PURCHASE)
    with pytest.raises(DataError, match="no column 'age'"):
        design.matrix(table({"income": np.arange(3.0)}))


def test_gaps_in_the_data_to_be_predicted_are_named():
    design, _ = design_of(attributes(5), Covariates("age"), AT_PURCHASE)
    with pytest.raises(DataError, match="age must be finite: broken by 1 of 2 customers, first c1"):
        design.matrix(table({"age": np.array([30, np.nan])}))


def test_collinear_columns_are_named_and_the_others_are_not():
    rng = np.random.default_rng(2)
    region = rng.integers(0, 3, 50)
    columns = {f"region_{k}": (region == k).astype(float) for k in range(3)}
    columns |= {"age": rng.normal(40, 9, 50), "months": np.arange(50.0)}
    columns["years"] = 1960 + columns["months"] / 12
    with pytest.raises(DataError) as error:
        design_of(columns, Covariates(["age", "region_0", "region_1", "region_2"]), AT_PURCHASE)
    assert "The covariates region_0, region_1, region_2 are collinear" in str(error.value)
    with pytest.raises(DataError, match="covariates years, months are collinear"):
        design_of(columns, Covariates(["age", "years"], both="months"), AT_PURCHASE)
    # of different processes they can be told apart
    design_of(columns, Covariates(purchase=["age", "months"], dropout="years"), AT_PURCHASE)
    design_of(columns, Covariates(["region_0", "region_1", "age"]), AT_PURCHASE)


# signs


@pytest.mark.parametrize(
    ("processes", "covariates", "expected"),
    [
        (AT_PURCHASE, Covariates(purchase="x"), {"alpha": 1 / 8}),
        (AT_PURCHASE, Covariates(dropout="x"), {"a": 8.0, "b": 27.0}),
        (AT_PURCHASE, Covariates(both="x"), {"alpha": 1 / 8, "a": 8.0}),
        (WHILE_WAITING, Covariates(purchase="x"), {"alpha": 1 / 8}),
        (WHILE_WAITING, Covariates(dropout="x"), {"beta": 1 / 8}),
        (WHILE_WAITING, Covariates(both="x"), {"alpha": 1 / 8, "beta": 1 / 8}),
        (spend_process("v"), Covariates(spend="x"), {"v": 8.0}),
    ],
)
def test_signs_of_effects(processes, covariates, expected):
    # Fader and Hardie (2007): a higher covariate means faster purchases and faster dropout
    design, _ = design_of({"x": np.array([-1.0, 1.0])}, covariates, processes)
    own = {"alpha": 2.0, "beta": 3.0, "a": 0.5, "b": 4.0, "v": 10.0}
    point = {name: np.array([[value]]) for name, value in own.items()}
    point |= {
        c.name: np.array([[m]]) for c, m in zip(design.coefficients, (2.0, 3.0), strict=False)
    }
    got = design.row_params(point, np.array([[0.0], [3.0]]))
    assert set(got) == set(own)
    for name, value in own.items():
        at_three = value * expected.get(name, 1.0)
        np.testing.assert_allclose(np.broadcast_to(got[name], (1, 2)), [[value, at_three]])


def test_draws_and_customers_span_a_table():
    design, z = design_of(attributes(4), Covariates("income", both="age"), WHILE_WAITING)
    draws = {name: np.full((3, 1), 2.0) for name in ("r", "alpha", "s", "beta")}
    draws |= {"purchase:income": np.array([[0.5], [1], [2]]), "both:age": np.full((3, 1), 1.5)}
    got = design.row_params(draws, z)
    assert {name: v.shape for name, v in got.items()} == {
        "r": (3, 1), "alpha": (3, 4), "s": (3, 1), "beta": (3, 4),
    }  # fmt: skip
    one = design.row_params({name: v[[2]] for name, v in draws.items()}, z[[3]])
    np.testing.assert_allclose(one["alpha"], got["alpha"][2:, 3:], rtol=1e-15)
    # parameters that differ by customer meet the covariates of that customer
    each = design.row_params({name: v[[0, 1, 2, 2]].T for name, v in draws.items()}, z)
    np.testing.assert_allclose(each["alpha"][0, 1], got["alpha"][1, 1], rtol=1e-15)


def test_a_customer_beyond_all_measure_still_has_finite_parameters():
    design, _ = design_of({"x": np.array([-1.0, 1.0])}, Covariates("x"), AT_PURCHASE)
    point = {"alpha": np.array([[2.0]]), "purchase:x": np.array([[1.5]])}
    got = design.row_params(point, np.array([[1e6], [-1e6]]))["alpha"]
    assert np.isfinite(got).all()
    assert (got > 0).all()


# the likelihood


CHOICES = [
    Covariates(["income", "online"], ["income", "age"]),
    Covariates(["income"], both=["age", "online"]),
]


def exact_bg(name, design, x, t_x, T, weight, z):
    """The negative log-likelihood in mpmath, with parameters by customer from their definition."""

    def nll(r, alpha, a, b, *multipliers):
        total = mp.mpf(0)
        for k in range(len(x)):
            scale = {"alpha": alpha, "a": a, "b": b}
            for c, m in zip(design.coefficients, multipliers, strict=True):
                for parameter, sign in c.effect.signs:
                    scale[parameter] *= m ** (sign * mp.mpf(z[k, c.column]))
            total -= weight[k] * ORACLES[name].loglik(x[k], t_x[k], T[k], r, **scale)
        return total

    return nll


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("covariates", CHOICES)
def test_value_gradient_and_hessian_equal_the_oracle(name, covariates):
    rows = small(6)
    weight = np.array([1.0, 2, 1, 3, 1, 1])
    design, z = design_of(attributes(6), covariates, AT_PURCHASE)
    rng = np.random.default_rng(5)
    multipliers = np.exp(rng.normal(0, 0.4, len(design.coefficients)))
    theta = np.array([*TRUTH.values(), *multipliers])
    problem = design.extend(
        bg_problem(KERNELS[name], *rows, weight), KERNELS[name].row_derivatives, z
    )
    got = problem.objective()(theta)
    exact = gradient_hessian(exact_bg(name, design, *rows, weight, z), theta)
    for mine, right in zip(got, exact, strict=True):
        # rounding only: both are exact
        np.testing.assert_allclose(mine, right, rtol=1e-11, atol=1e-11 * np.abs(right).max())


def test_spend_value_gradient_and_hessian_equal_the_oracle():
    rng = np.random.default_rng(6)
    x, m = rng.integers(1, 9, 6).astype(float), rng.lognormal(3, 0.5, 6)
    design, z = design_of(attributes(6), Covariates(spend=["age", "online"]), spend_process("v"))

    def nll(p, q, v, *multipliers):
        total = mp.mpf(0)
        for k in range(6):
            shift = [t ** mp.mpf(c) for t, c in zip(multipliers, z[k], strict=True)]
            total -= gg_oracle.loglik(x[k], m[k], p, q, v * mp.fprod(shift))
        return total

    theta = np.array([*SPEND.values(), 1.3, 0.8])
    got = design.extend(spend_problem(x, m), gamma_gamma.row_derivatives, z).objective()(theta)
    for mine, right in zip(got, gradient_hessian(nll, theta), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-11, atol=1e-11 * np.abs(right).max())


@pytest.mark.parametrize("name", KERNELS)
def test_zero_coefficients_give_the_model_without_covariates(name):
    n = 20_000  # more than a block of rows
    rows, weight = small(n), np.random.default_rng(8).uniform(0.5, 2, n)
    design, z = design_of(attributes(n), CHOICES[0], AT_PURCHASE)
    plain = bg_problem(KERNELS[name], *rows, weight)
    extended = design.extend(plain, KERNELS[name].row_derivatives, z)
    theta = np.array(list(TRUTH.values()))
    f, gradient, hessian = plain.objective()(theta)
    got = extended.objective()(np.append(theta, np.ones(6)))
    assert got[0] == pytest.approx(f, rel=1e-12)  # order of summation
    np.testing.assert_allclose(got[1][:4], gradient, rtol=1e-10)
    np.testing.assert_allclose(got[2][:4, :4], hessian, rtol=1e-10)


def test_an_effect_beyond_all_measure_is_bounded_for_the_one_it_concerns():
    x, t_x, T = small()
    odd = np.r_[np.zeros(59), 1.0]  # z is 7.7 for the last customer
    design, z = design_of({"x": odd}, Covariates("x"), AT_PURCHASE)
    problem = design.extend(bg_problem(beta_geo, x, t_x, T), beta_geo.row_derivatives, z)
    theta = np.array([*TRUTH.values(), 1e7])
    value, gradient, hessian = problem.objective()(theta)
    point = {name: np.array([[v]]) for name, v in zip(problem.names, theta, strict=True)}
    params = {name: v[0] for name, v in design.row_params(point, z).items()}
    assert value == pytest.approx(-beta_geo.loglik(x, t_x, T, **params).sum(), rel=1e-12)
    up, down = (problem.objective()(theta * [1, 1, 1, 1, k])[0] for k in (1 + 1e-5, 1 - 1e-5))
    assert gradient[4] * theta[4] == pytest.approx((up - down) / 2e-5, rel=1e-6)
    assert np.isfinite(hessian).all()


def test_columns_with_wild_tails_are_fitted_in_silence():
    rng, n = np.random.default_rng(0), 1500
    columns = {"pareto": rng.pareto(1.0, n), "cauchy": rng.standard_cauchy(n)}
    columns["rare"] = np.r_[np.ones(3), np.zeros(n - 3)]
    covariates = Covariates(["pareto", "rare"], dropout="cauchy")
    design, z = design_of(columns, covariates, AT_PURCHASE)
    rows = world("bg", design, 0 * z, {c.name: 1.0 for c in design.coefficients})
    assert fitted("bg", covariates, columns, rows)[1].diagnostics.converged


# fits


def fitted(name, covariates, columns, rows, **kwargs):
    design, z = design_of(columns, covariates, AT_PURCHASE)
    kernel = KERNELS[name]
    problem = design.extend(bg_problem(kernel, *rows), kernel.row_derivatives, z)
    return design, MLE(**kwargs).estimate(problem)


def distances(estimate, truth):
    """Errors of the logs of parameters in standard errors."""
    se = np.sqrt(np.diag(estimate.covariance))
    errors = [np.log(estimate.means[name] / value) for name, value in truth.items()]
    return np.abs(errors) / se


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("covariates", "multipliers"),
    [
        (
            Covariates(["income", "online"], ["income", "age"]),
            {
                "purchase:income": 1.4, "purchase:online": 0.75, "dropout_a:income": 0.8,
                "dropout_a:age": 1.5, "dropout_b:income": 1.2, "dropout_b:age": 0.9,
            },
        ),
        (
            Covariates("online", both=["income"]),
            {"purchase:online": 1.3, "both:income": 1.25},
        ),
    ],
)  # fmt: skip
def test_simulated_effects_are_recovered(name, covariates, multipliers):
    columns = attributes(6000)
    design, z = design_of(columns, covariates, AT_PURCHASE)
    rows = world(name, design, z, multipliers)
    _, estimate = fitted(name, covariates, columns, rows)
    assert estimate.diagnostics.converged
    assert estimate.diagnostics.starts_agree
    assert (distances(estimate, {**TRUTH, **multipliers}) < 4).all()
    se = np.sqrt(np.diag(estimate.covariance))
    assert (se[4:] < 0.2).all()  # and they are measured, not just not contradicted


def test_simulated_effects_on_spend_are_recovered():
    rng, n = np.random.default_rng(11), 6000
    multipliers = {"spend:income": 1.3, "spend:online": 0.9}
    design, z = design_of(attributes(n), Covariates(spend=["income", "online"]), spend_process("v"))
    point = {k: np.array([[v]]) for k, v in {**SPEND, **multipliers}.items()}
    x = rng.integers(1, 8, n).astype(float)
    m = gamma_gamma.simulate(x, rng, **design.row_params(point, z))[0]
    problem = design.extend(spend_problem(x, m), gamma_gamma.row_derivatives, z)
    estimate = MLE().estimate(problem)
    assert estimate.diagnostics.converged
    assert (distances(estimate, {**SPEND, **multipliers}) < 4).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_standard_errors_are_those_of_repeated_samples(name):
    multipliers = {"purchase:income": 1.4, "dropout_a:age": 1.4, "dropout_b:age": 0.8}
    covariates, columns = Covariates("income", "age"), attributes(4000)
    design, z = design_of(columns, covariates, AT_PURCHASE)
    inside = np.zeros(7)
    for seed in range(100):
        rows = world(name, design, z, multipliers, seed)
        estimate = fitted(name, covariates, columns, rows)[1]
        inside += distances(estimate, {**TRUTH, **multipliers}) < 1.645
    # 90 of 100 with a standard deviation of 3; four of them either way
    assert (np.abs(inside - 90) < 12).all()


def test_recoding_a_covariate_changes_nothing():
    columns = attributes(3000)
    covariates = Covariates(["income", "online"], "age")
    design, z = design_of(columns, covariates, AT_PURCHASE)
    rows = world("mbg", design, z, {c.name: 1.2 for c in design.coefficients})
    recoded = {
        "income": 1e6 + 250 * columns["income"],
        "age": columns["age"] / 100,
        "online": 5 + 2 * columns["online"],
    }
    _, one = fitted("mbg", covariates, columns, rows)
    _, other = fitted("mbg", covariates, recoded, rows)
    assert other.loglik == pytest.approx(one.loglik, rel=1e-10)
    for name, value in one.means.items():
        assert other.means[name] == pytest.approx(value, rel=1e-6)
    reversed_ = {**columns, "online": 1 - columns["online"]}
    _, other = fitted("mbg", covariates, reversed_, rows)
    assert other.loglik == pytest.approx(one.loglik, rel=1e-10)
    expected = 1 / one.means["purchase:online"]
    assert other.means["purchase:online"] == pytest.approx(expected, rel=1e-6)


def test_the_constraint_of_equal_effects_is_nested():
    columns = attributes(3000)
    design, z = design_of(columns, Covariates("income", "income"), AT_PURCHASE)
    effects = {"purchase:income": 1.3, "dropout_a:income": 1.3, "dropout_b:income": 1.0}
    rows = world("bg", design, z, effects)
    _, free = fitted("bg", Covariates("income", "income"), columns, rows)
    _, equal = fitted("bg", Covariates(both="income"), columns, rows)
    gain = 2 * (free.loglik - equal.loglik)
    assert 0 <= gain < 16.3  # the 99.97 % point of chi-square with two degrees: the truth is equal


def test_a_group_that_never_bought_again_is_reported_and_nothing_overflows():
    n = 2000
    idle = np.r_[np.ones(20), np.zeros(n - 20)]
    x, t_x, T = small(n)
    x, t_x = np.where(idle > 0, 0.0, x), np.where(idle > 0, 0.0, t_x)
    design, estimate = fitted("bg", Covariates("idle"), {"idle": idle}, (x, t_x, T))
    assert estimate.diagnostics.converged
    assert "purchase:idle" in estimate.diagnostics.boundary
    assert estimate.means["purchase:idle"] < 0.2
    value = estimate.means["purchase:idle"] ** (1 / design.sds[0])
    assert design.sentences(estimate)[0] == (
        f"idle = 1 rather than 0 multiplies the purchase rate by {value:.3g}."
    )


# ridge


def test_the_penalty_is_that_of_its_definition():
    theta = np.array([0.5, 3.0, 1.7, 0.6])

    def penalty(r, alpha, one, other):
        return mp.mpf("1.25") * (mp.log(one) ** 2 + mp.log(other) ** 2)

    got = ridge_penalty(2.5, own=2)(theta)
    for mine, right in zip(got, gradient_hessian(penalty, theta), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-13, atol=1e-15)


def test_ridge_shrinks_coefficients_alone_and_the_log_likelihood_stays_its_own():
    columns = attributes(2000)
    design, z = design_of(columns, Covariates(["income", "online"]), AT_PURCHASE)
    rows = world("bg", design, z, {"purchase:income": 1.5, "purchase:online": 0.7})
    fits = [
        fitted("bg", Covariates(["income", "online"], ridge=ridge), columns, rows)[1]
        for ridge in (0.0, 100.0, 1e4, 1e10)
    ]
    for name in ("purchase:income", "purchase:online"):
        sizes = [abs(np.log(fit.means[name])) for fit in fits]
        assert sizes == sorted(sizes, reverse=True)
    logliks = [fit.loglik for fit in fits]
    assert logliks == sorted(logliks, reverse=True)
    plain = MLE().estimate(bg_problem(beta_geo, *rows))
    assert fits[-1].loglik == pytest.approx(plain.loglik, abs=1e-3)
    assert fits[-1].means["alpha"] == pytest.approx(plain.means["alpha"], rel=1e-5)
    kernel_loglik = beta_geo.loglik(
        *rows, **{k: v[0] for k, v in design.row_params(fits[1].point, z).items()}
    ).sum()
    assert fits[1].loglik == pytest.approx(kernel_loglik, rel=1e-12)
    se = [np.sqrt(fit.covariance[4, 4]) for fit in fits]
    assert se == sorted(se, reverse=True)
    assert se[-1] == pytest.approx(1e-5, rel=1e-3)  # nothing but the prior, ridge**-0.5


# words


def test_every_multiplier_says_what_it_multiplies():
    design, _ = design_of(attributes(50), Covariates("income", "age"), AT_PURCHASE)
    sd = f"{attributes(50)['income'].std():.3g}"
    meanings = {p.name: p.meaning for p in design.parameters}
    assert meanings == {
        "purchase:income": f"one sd ({sd}) more of income multiplies the purchase rate by this",
        "dropout_a:age": meanings["dropout_a:age"],
        "dropout_b:age": meanings["dropout_b:age"],
    }
    assert (
        "more of age multiplies a, and with it the odds of dropout, by this"
        in (meanings["dropout_a:age"])
    )
    assert all(p.dimension == "pure" for p in design.parameters)


def test_sentences_give_effects_with_intervals():
    design, _ = design_of({"x": np.array([38.0, 62.6])}, Covariates("x", "x"), AT_PURCHASE)
    values = {**TRUTH, "purchase:x": 1.3, "dropout_a:x": 1.2, "dropout_b:x": 0.8}
    covariance = np.diag([1, 1, 1, 1, 0.0448**2, 0.03, 0.01])
    estimate = Estimate("MLE", {k: np.array([[v]]) for k, v in values.items()}, covariance)
    rate, odds = design.sentences(estimate)
    # 1.3 e^(+-1.645 * 0.0448), 1.5 e^(+-1.645 * 0.2)
    assert rate == (
        "One sd (12.3) more of x multiplies the purchase rate by 1.30 (90 % interval 1.21 to 1.40)."
    )
    assert odds == (
        "One sd (12.3) more of x multiplies the odds of dropout after a purchase by 1.50 "
        "(90 % interval 1.08 to 2.08)."
    )
    assert "(95 % interval 1.19 to 1.42)" in design.sentences(estimate, level=0.95)[0]
    bare = replace(estimate, covariance=None)
    assert design.sentences(bare)[0].endswith("multiplies the purchase rate by 1.30.")
    draws = {k: v * np.ones((101, 1)) for k, v in values.items()}
    draws["purchase:x"] = np.linspace(1, 2, 101)[:, None]
    drawn = replace(bare, replicates=draws)
    assert "(90 % interval 1.05 to 1.95)" in design.sentences(drawn)[0]


def test_the_objective_needs_nothing_but_rows_names_and_a_design():
    rows = small(30)
    design, z = design_of(attributes(30), CHOICES[1], AT_PURCHASE)
    compile_ = covariate_objective(beta_geo.row_derivatives, list(TRUTH), design)
    data = dict(zip(("x", "t_x", "T"), rows, strict=True))
    data |= {f"z{k}": column for k, column in enumerate(z.T)}
    theta = np.array([*TRUTH.values(), 1.1, 0.9, 1.2])
    whole = compile_(data, np.ones(30))(theta)
    halves = [
        compile_({k: v[half] for k, v in data.items()}, np.ones(15))(theta)
        for half in (slice(0, 15), slice(15, 30))
    ]
    for total, one, other in zip(whole, *halves, strict=True):
        np.testing.assert_allclose(total, one + other, rtol=1e-12)
