"""Devices and number formats that are left open, or asked for and not there."""

import pytest
import torch

from lrm_core import device
from lrm_core.device import bfloat16_is_faster, choose_device, choose_dtype, fast_precision
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
    assert choose_dtype("auto", "cuda", 4_000_000) == torch.bfloat16
    assert choose_dtype("float16", "cpu", 4_000_000) == torch.float16


@pytest.mark.parametrize("faster", [True, False])
def test_large_models_take_bfloat16_on_a_cpu_where_the_probe_finds_it_faster(monkeypatch, faster):
    monkeypatch.setattr(device, "bfloat16_is_faster", lambda: faster)
    expected = torch.bfloat16 if faster else torch.float32
    assert choose_dtype("auto", "cpu", 419_000_000) == expected
    assert choose_dtype("auto", "mps", 419_000_000) == torch.float32
    assert choose_dtype("float32", "cpu", 419_000_000) == torch.float32


def test_small_models_stay_float32_on_a_cpu_and_are_not_probed(monkeypatch):
    monkeypatch.delattr(device, "bfloat16_is_faster")
    assert choose_dtype("auto", "cpu", 4_000_000) == torch.float32


@pytest.mark.parametrize(("half_seconds", "expected"), [(1.0, True), (3.0, False), (9.0, False)])
def test_the_probe_asks_for_a_clear_gain(monkeypatch, half_seconds, expected):
    now = 0.0

    def product(tokens, weight):
        nonlocal now
        now += 4.0 if tokens.dtype == torch.float32 else half_seconds

    monkeypatch.setattr(device.F, "linear", product)
    monkeypatch.setattr(device.time, "perf_counter", lambda: now)
    bfloat16_is_faster.cache_clear()
    assert bfloat16_is_faster() == expected
    bfloat16_is_faster.cache_clear()


@pytest.mark.parametrize(
    ("name", "faster", "expected"),
    [
        ("cuda", False, "bfloat16"),  # the probe is the CPU's
        ("cpu", True, "bfloat16"),
        ("cpu", False, "float32"),
        ("mps", True, "float32"),
    ],
)
def test_the_fast_precision_of_a_device(monkeypatch, name, faster, expected):
    monkeypatch.setattr(device, "bfloat16_is_faster", lambda: faster)
    assert fast_precision(name) == expected
