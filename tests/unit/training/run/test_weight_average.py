"""The average against its recursion, and weights that come back as they were."""

import pytest
import torch

from lrm_core.training.run.weight_average import WeightAverage


def _model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))


@pytest.mark.parametrize("configured", [0.0, 0.25, 0.999])
def test_average_follows_its_recursion(configured: float):
    """With the configured decay once (1 + step) / (10 + step) has grown to it, with that before."""
    model = _model()
    average = WeightAverage(model, decay=configured)
    expected = model[0].weight.detach().double().clone()
    for step in range(8):
        with torch.no_grad():
            model[0].weight.add_(torch.randn(4, 3))
            model[1].num_batches_tracked += 1
        average.update(model, step)
        warm_up = (1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17)[step]
        decay = configured if warm_up > configured else warm_up
        expected = decay * expected + (1 - decay) * model[0].weight.detach().double()
    torch.testing.assert_close(average.state["0.weight"].double(), expected, rtol=1e-5, atol=1e-6)
    assert average.state["1.num_batches_tracked"] == 8  # counts are not averaged


def test_the_model_has_averaged_weights_inside_the_block_only():
    model = _model()
    average = WeightAverage(model, decay=0.9)
    with torch.no_grad():
        model[0].weight.normal_()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    averages = {name: value.clone() for name, value in average.state.items()}
    with average.applied_to(model):
        for name, value in model.state_dict().items():
            assert torch.equal(value, averages[name])
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name])
        assert torch.equal(average.state[name], averages[name])
    with pytest.raises(RuntimeError, match="inside"), average.applied_to(model):
        raise RuntimeError("inside")
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name])


def test_loading_needs_every_tensor():
    average = WeightAverage(_model(), decay=0.9)
    state = {name: value + 1 for name, value in average.state.items()}
    average.load(state)
    assert torch.equal(average.state["0.bias"], state["0.bias"])
    del state["0.bias"]
    with pytest.raises(KeyError):
        average.load(state)
