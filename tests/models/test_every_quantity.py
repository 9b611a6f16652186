"""Windows, survival, waiting times and paths, of every model of the registry."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from model_examples import ANNUAL, PEOPLE, every_purchase_model, given

from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.units import Horizon


@every_purchase_model
def test_probability_alive_falls_from_what_it_is_now(key):
    fit = given(key)
    now = fit.probability_alive(PEOPLE)
    np.testing.assert_allclose(fit.probability_alive(PEOPLE, "0 days"), now, rtol=1e-12)
    later = [fit.probability_alive(PEOPLE, Horizon(t, "week")) for t in (1, 10, 100, 1e3, 1e4)]
    path = np.array([now, *later])
    assert ((path >= 0) & (path <= 1)).all()
    assert (np.diff(path, axis=0) <= 1e-14).all()


@every_purchase_model
def test_purchases_come_from_those_still_alive(key):
    # in a short window far ahead nobody buys who has left: at most the rate of those alive
    fit = given(key)
    some = PEOPLE.select(np.arange(6))
    alive = fit.probability_alive(some, "50 weeks")
    bought = fit.expected_purchases(some, "1 hour", start="50 weeks")
    assert (bought >= 0).all()
    assert (bought[alive < 1e-12] < 1e-10).all()
    if key == "nbd":
        assert (alive == 1).all()


@every_purchase_model
def test_windows_of_expected_purchases_add_up(key):
    fit = given(key)
    whole = fit.expected_purchases(PEOPLE, "3 years")
    parts = [
        fit.expected_purchases(PEOPLE, length, start)
        for start, length in (("0 days", "8 months"), ("8 months", "28 months"))
    ]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-9, atol=1e-300)


@every_purchase_model
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_next_purchase_comes_when_it_is_said_to(key, quantile):
    fit = given(key)
    some = PEOPLE.select(np.arange(6))
    wait = fit.next_purchase_time(some, quantile)
    assert (wait > 0).all()
    for k, t in enumerate(wait):
        one = some.select([k])
        if np.isinf(t):
            never = fit.probability_no_purchase(one, Horizon(1e9, "week"))[0]
            assert never > 1 - quantile - 1e-6
        else:
            silent = fit.probability_no_purchase(one, Horizon(float(t), "week"))[0]
            assert silent == pytest.approx(1 - quantile, abs=1e-9)


@every_purchase_model
@pytest.mark.parametrize("quantile", [0, 1, 50, -0.1])
def test_a_quantile_is_a_probability(key, quantile):
    with pytest.raises(ParameterError, match="quantile"):
        given(key).next_purchase_time(PEOPLE, quantile)


@every_purchase_model
def test_many_ages_give_what_each_gives_alone(key):
    # evaluated at few ages and interpolated, or one by one
    fit = given(key)
    T = np.linspace(0, 150, 400)
    for x in (0, 3):
        t_x = np.zeros(400) if x == 0 else np.full(400, 1e-3)
        data = RFMSummary.from_arrays(np.full(400, x), t_x, T + 2e-3, time_unit="week")
        for quantity in (
            lambda d: fit.expected_purchases(d, "39 weeks"),
            lambda d: fit.probability_alive(d, "39 weeks"),
            lambda d: fit.residual_transactions(d, ANNUAL),
        ):
            together = quantity(data)
            for k in (0, 1, 57, 200, 399):
                alone = quantity(data.select([k]))[0]
                assert together[k] == pytest.approx(alone, rel=2e-9)


@every_purchase_model
def test_the_path_of_p_alive_has_a_row_per_customer_and_date(key):
    fit = given(key)
    early = RFMSummary.from_arrays([0, 1], [0, 3], [5, 6], time_unit="week", customer_id=["a", "b"])
    late = RFMSummary.from_arrays(
        [1, 1, 0], [9, 3, 0], [15, 16, 2], time_unit="week", customer_id=["a", "b", "c"]
    )
    with pytest.raises(DataError, match="observation_end"):
        fit.probability_alive_path([early])
    early, late = (
        replace(data, observation_end=datetime(2024, month, 1))
        for month, data in ((1, early), (3, late))
    )
    path = fit.probability_alive_path([early, late])
    assert path.customer_id.tolist() == ["a", "b", "a", "b", "c"]
    np.testing.assert_array_equal(path.p_alive[:2], fit.probability_alive(early))
    np.testing.assert_array_equal(path.p_alive[2:], fit.probability_alive(late))
    silent = path[path.customer_id == "b"].p_alive.to_numpy()
    assert silent[1] <= silent[0]
