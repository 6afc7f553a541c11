import dataclasses
from typing import Any

import pytest

from lrm_core.baselines.loading import PredictorOptions
from lrm_core.baselines.predictor import Prediction
from lrm_core.evaluation.alignment import Fit
from lrm_core.evaluation.protocol import Protocol, load_protocol
from lrm_core.evaluation.setups import Setup, setups_of


@dataclasses.dataclass
class Method:
    """Says what it can."""

    alignment: str = "canonical"
    iso_level: float | None = None
    photo_colors: bool = False
    name: str = "m"
    licence: str = "none"
    source: str = "here"
    fingerprint: str = "f" * 64

    def predict(self, rgba: Any, *, name: str) -> Prediction:
        raise NotImplementedError


def with_alignment(name: str, **changes: Any) -> Protocol:
    protocol = load_protocol(name)
    return dataclasses.replace(protocol, geometry=dataclasses.replace(protocol.geometry, **changes))


def rows(method: Method, protocol: Protocol) -> dict[str, tuple[str, bool, bool]]:
    return {
        setup.label: (setup.views, setup.fit is not None, setup.photo_colors)
        for setup in setups_of("m", method, protocol)
    }


@pytest.mark.parametrize(
    ("protocol", "method", "expected"),
    [
        (
            "gso-v1",
            Method(),
            {"m": ("mesh", False, True), "m+aligned": ("mesh", True, True)},
        ),
        (
            "gso-v1",
            Method(iso_level=10.0),
            {
                "m": ("mesh", False, True),
                "m+field": ("field", False, True),
                "m+aligned": ("mesh", True, True),
            },
        ),
        (
            "lrm2023",
            Method(iso_level=10.0, photo_colors=True),
            {
                "m": ("field", False, True),
                "m+mesh": ("mesh", False, True),
                "m+no-photo-colors": ("mesh", False, False),
                "m+aligned": ("field", True, True),
            },
        ),
        (  # nothing else can be rendered
            "lrm2023",
            Method(),
            {"m": ("mesh", False, True), "m+aligned": ("mesh", True, True)},
        ),
        (with_alignment("gso-v1", alignment="none"), Method(), {"m": ("mesh", False, True)}),
        (
            "gso-v1",
            Method("free_azimuth"),
            {"m": ("mesh", True, True), "m+unaligned": ("mesh", False, True)},
        ),
        ("triposr2024", Method(), {"m": ("mesh", True, True)}),
    ],
)
def test_what_readers_need_beside_the_protocols_own_number(protocol, method, expected) -> None:
    if isinstance(protocol, str):
        protocol = load_protocol(protocol)
    assert rows(method, protocol) == expected
    own = setups_of("m", method, protocol, comparisons=False)
    assert [setup.label for setup in own] == ["m"]


@pytest.mark.parametrize(
    ("protocol", "alignment", "fit"),
    [
        (with_alignment("gso-v1", alignment="none"), "free", None),
        (load_protocol("gso-v1"), "canonical", None),
        (load_protocol("gso-v1"), "free_azimuth", Fit("azimuth")),
        (load_protocol("gso-v1"), "free", Fit("rotation")),
        (load_protocol("triposr2024"), "canonical", Fit("rotation", translate=True)),
        (load_protocol("instantmesh2024"), "free_azimuth", Fit("azimuth", rescale=True)),
    ],
)
def test_what_is_fitted_follows_from_protocol_and_promise(protocol, alignment, fit) -> None:
    assert setups_of("m", Method(alignment), protocol)[0].fit == fit


def test_a_method_that_keeps_its_frame_is_aligned_beside_as_free_methods_are() -> None:
    """How much the alignment of others flatters them: by the same search."""
    protocol = with_alignment("gso-v1", translate=True)
    *_, flattered = setups_of("m", Method(), protocol)
    assert flattered.fit == setups_of("m", Method("free_azimuth"), protocol)[0].fit
    assert flattered.fit == Fit("azimuth", translate=True)


def test_the_words_say_what_is_fitted() -> None:
    words = Fit("azimuth").description
    assert "about the vertical" in words
    assert "position" not in words
    assert "scale" not in words
    assert "position" in Fit("rotation", translate=True).description
    assert "position, scale" in Fit("rotation", rescale=True).description


def test_photo_colors_are_an_option_of_the_predictor() -> None:
    options = PredictorOptions(resolution=64)
    assert Setup("m").options(options) == options
    without = Setup("m", photo_colors=False).options(options)
    assert without == dataclasses.replace(options, photo_colors=False)


def test_the_number_of_pictures_reaches_every_row_and_the_predictor() -> None:
    method = Method("free_azimuth", iso_level=10.0, photo_colors=True)
    setups = setups_of("m", method, load_protocol("gso-v1-multiview"), num_views=4)
    assert {setup.label for setup in setups} == {
        f"m+4-views{suffix}" for suffix in ("", "+field", "+no-photo-colors", "+unaligned")
    }
    assert {setup.num_views for setup in setups} == {4}
    assert {setup.options(PredictorOptions()).num_views for setup in setups} == {4}
