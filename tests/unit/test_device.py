"""Devices and number formats that are left open, or asked for and not there."""

import pytest
import torch

from lrm_core.device import choose_device, choose_dtype
from lrm_core.errors import ConfigError


@pytest.fixture
def with_devices(monkeypatch):
    def there(*, cuda: bool, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return there


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_at_hand(with_devices, cuda, mps, expected):
    with_devices(cuda=cuda, mps=mps)
    assert choose_device("auto") == expected
    assert choose_device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_an_error_that_names_what_is(with_devices):
    with_devices(cuda=False, mps=True)
    with pytest.raises(ConfigError, match="'cuda' is not available") as error:
        choose_device("cuda")
    assert error.value.hint == "available: mps, cpu"


def test_number_formats():
    assert choose_dtype("auto", "cpu") == torch.float32
    assert choose_dtype("auto", "cuda") == torch.bfloat16
    assert choose_dtype("float16", "cpu") == torch.float16
