import pytest

from lrm_core.baselines.blank import BlankPredictor
from lrm_core.errors import InputError


def test_blank_predicts_nothing(picture):
    predictor = BlankPredictor()
    prediction = predictor.predict(picture, name="anything")
    assert prediction.scene is None
    assert predictor.alignment == "canonical"
    with pytest.raises(InputError):
        predictor.predict(picture[:10], name="anything")
