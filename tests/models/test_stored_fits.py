"""Files that hold fits: small, whole, versioned, and refused with a reason if not ours."""

import json

import numpy as np
import pytest

from clvmodels.exceptions import DataError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.storage import FORMAT, VERSION
from clvmodels.value.storage import load


@pytest.fixture
def fit():
    return BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")


def test_is_plain_json_with_a_version(fit, tmp_path):
    fit.save(tmp_path / "fit.json")
    document = json.loads((tmp_path / "fit.json").read_text())
    assert document["format"] == "clvmodels"
    assert document["version"] == VERSION
    assert document["clock"] == {"counts": "time", "unit": "week"}
    assert document["estimate"]["point"]["alpha"] == [[4.414]]
    assert load(str(tmp_path / "fit.json")).params == fit.params


def test_saving_again_replaces_the_file(fit, tmp_path):
    path = tmp_path / "fit.json"
    path.write_text("something else")
    fit.save(path)
    assert load(path).params == fit.params
    assert [p.name for p in tmp_path.iterdir()] == ["fit.json"]


def test_nothing_is_left_behind_where_saving_fails(fit, tmp_path):
    (tmp_path / "fit.json").mkdir()
    with pytest.raises(OSError, match=r"fit\.json"):
        fit.save(tmp_path / "fit.json")
    assert [p.name for p in tmp_path.iterdir()] == ["fit.json"]
    with pytest.raises(OSError, match="nowhere"):
        fit.save(tmp_path / "nowhere" / "fit.json")


HEAD = {"format": FORMAT, "version": VERSION}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1]", "null", "{}", json.dumps({"format": FORMAT}),
        json.dumps({"format": FORMAT, "version": "1"}),
        json.dumps({"format": "another", "version": 1}), json.dumps(HEAD),
        json.dumps({**HEAD, "role": "oracle"}), json.dumps({**HEAD, "role": ["purchases"]}),
        json.dumps({**HEAD, "role": "purchases"}),
        json.dumps({**HEAD, "role": "purchases", "model": "nbd", "choices": {"k": 2}}),
        json.dumps({**HEAD, "role": "clv", "discount": [0.1]}), "\x00\xff",
    ],
)  # fmt: skip
def test_other_files_are_refused(text, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"other\.json"):
        load(path)


def test_damaged_fits_are_refused(fit, tmp_path):
    path = tmp_path / "fit.json"
    fit.save(path)
    document = json.loads(path.read_text())
    for change in (
        {"clock": {"counts": "time", "unit": "fortnight"}},
        {"clock": {"counts": "sheep"}},
        {"model": "psychic"},
        {"estimate": {}},
        {"estimate": "none"},
        {"estimate": {**document["estimate"], "point": None}},
        {"estimate": {**document["estimate"], "diagnostics": {"mood": "good"}}},
    ):
        path.write_text(json.dumps({**document, **change}))
        with pytest.raises(DataError, match="holds no fit"):
            load(path)


def test_newer_files_ask_for_an_upgrade(fit, tmp_path):
    path = tmp_path / "fit.json"
    fit.save(path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "version": VERSION + 1}))
    with pytest.raises(DataError, match="Upgrade clvmodels"):
        load(path)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="Cannot read"):
        load(tmp_path / "none.json")


def test_numbers_keep_their_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    values = dict(zip(("r", "alpha", "a", "b"), np.exp(rng.normal(0, 20, 4)), strict=True))
    BetaGeoModel().with_params(**values, time_unit="hour").save(tmp_path / "fit.json")
    assert load(tmp_path / "fit.json").params == values


def test_fits_of_an_earlier_schema_say_so(fit, tmp_path):
    path = tmp_path / "fit.json"
    fit.save(path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "version": 1}))
    with pytest.raises(DataError, match="earlier clvmodels"):
        load(path)
