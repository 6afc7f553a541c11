import pytest

from lrm_core.baselines.balloon import BalloonPredictor
from lrm_core.baselines.blank import BlankPredictor
from lrm_core.baselines.external import ExternalPredictor
from lrm_core.baselines.loading import PredictorOptions, load_predictor
from lrm_core.baselines.lrm import LrmPredictor
from lrm_core.baselines.one_2_3_45 import One2345Predictor
from lrm_core.errors import CheckpointError, ConfigError, InputError

CPU = PredictorOptions(device="cpu")


def test_names_choose_predictors(tmp_path):
    assert isinstance(load_predictor("blank"), BlankPredictor)
    assert isinstance(load_predictor("balloon"), BalloonPredictor)
    external = load_predictor(f"external:{tmp_path}", PredictorOptions(external_up="z"))
    assert isinstance(external, ExternalPredictor)
    assert external.name == f"external:{tmp_path}"
    assert external.up == "z"
    mini = load_predictor("lrm-mini", PredictorOptions(device="cpu", resolution=40))
    assert isinstance(mini, LrmPredictor)
    assert mini.mesh.resolution == 40
    process = load_predictor("one-2-3-45", PredictorOptions(command="run {input} {output}"))
    assert isinstance(process, One2345Predictor)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match="command"):
        load_predictor("one-2-3-45")
    with pytest.raises(InputError, match="no such folder"):
        load_predictor(f"external:{tmp_path}/none")
    with pytest.raises(ConfigError, match="names no folder"):
        load_predictor("external:")
    with pytest.raises(CheckpointError):
        load_predictor("./no-such-model", CPU)


def test_every_predictor_says_what_it_is(tmp_path):
    options = PredictorOptions(device="cpu", command="run {input} {output}")
    for name in ("blank", "balloon", f"external:{tmp_path}", "one-2-3-45", "lrm-mini"):
        predictor = load_predictor(name, options)
        assert predictor.name == name
        assert predictor.licence
        assert predictor.source
        assert len(predictor.fingerprint) == 64
        assert predictor.alignment in ("canonical", "free_azimuth", "free")
