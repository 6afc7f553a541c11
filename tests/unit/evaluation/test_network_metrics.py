"""LPIPS, CLIP similarity and FID by random weights of the real architectures."""

import dataclasses
import functools
import hashlib
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_model

from lrm_core.baselines.balloon import BalloonPredictor
from lrm_core.baselines.loading import PredictorOptions
from lrm_core.errors import ConfigError, MetricUnavailableError, MissingDependencyError
from lrm_core.evaluation import network_metrics, runner
from lrm_core.evaluation.aggregate import build_report
from lrm_core.evaluation.collection import find_objects
from lrm_core.evaluation.network_metrics import MetricNetwork, load_network, locate_networks
from lrm_core.evaluation.observation import Observation, observe
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.evaluation.reference import make_reference
from lrm_core.evaluation.runner import EvaluationResult, ScoreObject, evaluate
from lrm_core.evaluation.setups import Setup
from lrm_core.metrics import clip_similarity
from lrm_core.metrics.fid import InceptionEncoder
from lrm_core.metrics.metric_weights import FOLDER_VARIABLE, WEIGHTS, WeightsFile
from lrm_core.metrics.volume_iou import VolumeIou

lpips = pytest.importorskip("lpips")
open_clip = pytest.importorskip("open_clip")
inception = pytest.importorskip("pytorch_fid.inception")
pytest.importorskip("manifold3d")

METRICS = ("psnr", "lpips", "clip_similarity", "fid")
NAMES = {
    "lpips": "lpips/alex",
    "clip_similarity": "clip/ViT-B-32/openai",
    "fid": "fid/inception",
}
SMALL_CLIP = "ViT-S-32-alt"  # ViT-B-32's file has 605 MB
PROTOCOL = load_protocol("procedural-v1")
PROTOCOL = dataclasses.replace(
    PROTOCOL,
    objects=("0", "1"),
    input_view=dataclasses.replace(PROTOCOL.input_view, size=64),
    reference_views=dataclasses.replace(PROTOCOL.reference_views, size=64, num_views=2),
    geometry=dataclasses.replace(PROTOCOL.geometry, num_points=300),
)
COLLECTION = find_objects(PROTOCOL)


class Networks:
    """Random weights and the packages' own networks that hold them."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(31)
        self.folder = folder
        self.lpips = self._alex()
        features = {f"features.{n}": t for n, t in self.alex_features.items()}
        torch.save(features, folder / WEIGHTS["lpips/alex"].filename)
        self.clip, _, self.preprocess = open_clip.create_model_and_transforms(SMALL_CLIP)
        save_model(self.clip.eval(), folder / WEIGHTS["clip/ViT-B-32/openai"].filename)
        state = self._inception_state()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
            self.inception = inception.InceptionV3([3]).eval()
        torch.save(state, folder / WEIGHTS["fid/inception"].filename)

    def _alex(self) -> torch.nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
        for parameter in network.net.parameters():
            parameter.data = torch.randn(parameter.shape) / parameter[0].numel() ** 0.5
        self.alex_features = {
            name.partition(".")[2]: tensor for name, tensor in network.net.state_dict().items()
        }
        return network

    @staticmethod
    def _inception_state() -> dict[str, torch.Tensor]:
        taken: list[torch.nn.Module] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: {})
            patch.setattr(
                torchvision.models.Inception3,
                "load_state_dict",
                lambda network, *_: taken.append(network),
            )
            inception.fid_inception_v3()
        # the default's variance shrinks from layer to layer until all pictures look alike
        return {
            name: tensor * 6**0.5 if tensor.ndim == 4 else tensor
            for name, tensor in taken[0].state_dict().items()
        }


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    yield Networks(tmp_path_factory.mktemp("weights"))
    load_network.cache_clear()


@pytest.fixture(autouse=True)
def no_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights on this disk, no network, objects made once."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "no weights"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "no torch"))

    def refuse(name: str) -> Path:
        raise MetricUnavailableError(f"{name} cannot be downloaded", hint="copy it")

    monkeypatch.setattr("lrm_core.metrics.metric_weights.download_weights", refuse)
    monkeypatch.setattr(type(COLLECTION), "load", load_once)
    unmeasured = VolumeIou(None, "takes long and needs no network")
    monkeypatch.setattr("lrm_core.evaluation.scoring.volume_iou", lambda *_: unmeasured)
    runner._predictor.cache_clear()


load_once = functools.lru_cache(type(COLLECTION).load)


@pytest.fixture
def networks(upstream: Networks, monkeypatch: pytest.MonkeyPatch) -> tuple[MetricNetwork, ...]:
    """The random weights, believed."""
    monkeypatch.setitem(clip_similarity._ARCHITECTURES, "ViT-B-32/openai", SMALL_CLIP)
    for name in NAMES.values():
        content = (upstream.folder / WEIGHTS[name].filename).read_bytes()
        believed = dataclasses.replace(WEIGHTS[name], sha256=hashlib.sha256(content).hexdigest())
        monkeypatch.setitem(WEIGHTS, name, believed)
    found, unavailable = locate_networks(PROTOCOL, METRICS, weights_dir=upstream.folder)
    assert unavailable == {}
    return found


def run(networks: tuple[MetricNetwork, ...], cache: Path | None, *methods: str) -> EvaluationResult:
    scorer = ScoreObject(
        PROTOCOL,
        COLLECTION,
        tuple(Setup(method) for method in methods or ("balloon",)),
        PredictorOptions(),
        cache,
        networks,
    )
    result = evaluate(scorer)
    assert result.unusable == {}
    return result


def report_of(result: EvaluationResult, method: str = "balloon"):
    return build_report(
        PROTOCOL, COLLECTION, BalloonPredictor(), result, Setup(method), {},
        metrics=METRICS, unavailable={},
    )[0]  # fmt: skip


def look(name: str) -> tuple[Observation, Observation]:
    """The balloon and its reference, as the protocol sees them."""
    reference = make_reference(name, COLLECTION.load(name)[0], PROTOCOL)
    scene = BalloonPredictor().predict(reference.picture, name=name).scene
    return observe(scene, reference.cameras, PROTOCOL), reference.observation


def test_the_numbers_are_those_of_the_packages(
    networks: tuple[MetricNetwork, ...],
    upstream: Networks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The packages' own functions on the pictures; pytorch-fid's on files, as its command line."""
    fid_score = pytest.importorskip("pytorch_fid.fid_score")
    monkeypatch.setattr(fid_score, "tqdm", lambda batches: batches)
    result = run(networks, None)
    features: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for name in COLLECTION.names:
        sides = [one.rgb for one in look(name)]
        scores = result.scores["balloon"][name]
        a, b = (torch.tensor(side).permute(0, 3, 1, 2) / 127.5 - 1.0 for side in sides)
        pictures = [[Image.fromarray(view) for view in side] for side in sides]
        with torch.no_grad():
            distance = upstream.lpips(a, b).mean().item()
            c, d = (
                upstream.clip.encode_image(
                    torch.stack([upstream.preprocess(view) for view in views]), normalize=True
                )
                for views in pictures
            )
        assert scores.values["lpips"] == pytest.approx(distance, rel=1e-5)
        similarity = (c * d).sum(dim=1).mean().item()
        assert scores.values["clip_similarity"] == pytest.approx(similarity, rel=1e-6)
        for which, views in enumerate(pictures):
            files = [str(tmp_path / f"{name}-{which}-{index}.png") for index in range(len(views))]
            for file, view in zip(files, views, strict=True):
                view.save(file)
            features[which].append(
                fid_score.get_activations(files, upstream.inception, 2, num_workers=0)
            )
    # the trace from the features themselves, see test_fid
    x, y = (np.concatenate(side).astype(np.float64) for side in features)
    p, q = ((f - f.mean(axis=0)) / (len(f) - 1) ** 0.5 for f in (x, y))
    cross = np.linalg.svd(p @ q.T, compute_uv=False).sum()
    step = x.mean(axis=0) - y.mean(axis=0)
    expected = step @ step + (p**2).sum() + (q**2).sum() - 2 * cross
    report = report_of(result)
    fid = report.metrics["fid"]
    assert expected > 1e-3
    assert fid.mean == pytest.approx(expected, rel=1e-4, abs=0.0)
    assert (fid.num, fid.low, fid.high) == (2, None, None)
    for metric, package in (("lpips", "lpips"), ("clip_similarity", "open_clip")):
        assert package in report.metrics[metric].backend
    assert "pytorch-fid" in fid.backend


@pytest.fixture
def few_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """A distance in 2048 dimensions takes seconds."""
    embed = InceptionEncoder.embed
    monkeypatch.setattr(
        InceptionEncoder, "embed", lambda self, images: embed(self, images)[:, :16].copy()
    )


def test_a_second_run_gives_the_identical_report_and_loads_nothing(
    networks: tuple[MetricNetwork, ...],
    few_features: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = report_of(run(networks, tmp_path))
    assert first == report_of(run(networks, None)), "the cache changes no number"
    assert {name: summary.num for name, summary in first.metrics.items()} == dict.fromkeys(
        METRICS, 2
    )

    def loaded(network: MetricNetwork) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr(network_metrics, "load_network", loaded)
    assert report_of(run(networks, tmp_path)) == first


def test_scores_made_without_weights_are_completed_by_the_networks_alone(
    networks: tuple[MetricNetwork, ...],
    few_features: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = run((), tmp_path).scores["balloon"]["0"]
    assert "lpips" not in bare.values
    assert bare.features is None

    def again(*_: object, **__: object) -> None:
        raise AssertionError("was scored again")

    monkeypatch.setattr(runner, "score_views", again)
    monkeypatch.setattr(BalloonPredictor, "predict", again)
    with_lpips = run(networks[:1], tmp_path).scores["balloon"]["0"]
    complete = run(networks, tmp_path).scores["balloon"]["0"]
    assert with_lpips.values == bare.values | {"lpips": complete.values["lpips"]}
    assert complete.values.keys() == with_lpips.values.keys() | {"clip_similarity"}
    assert complete.features is not None


def test_the_reference_is_shown_once_for_all_methods(
    networks: tuple[MetricNetwork, ...], few_features: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    run_network = network_metrics._run_network

    def counting(network: MetricNetwork, pictures: np.ndarray, reference: np.ndarray | None):
        shown.append(f"{network.metric} {'reference' if reference is None else 'method'}")
        return run_network(network, pictures, reference)

    monkeypatch.setattr(network_metrics, "_run_network", counting)
    result = run(networks, None, "balloon", "blank")
    assert {one: shown.count(one) for one in shown} == {
        "clip_similarity reference": 2,
        "fid reference": 2,
        "lpips method": 4,
        "clip_similarity method": 4,
        "fid method": 4,
    }
    assert report_of(result).metrics["fid"].mean != report_of(result, "blank").metrics["fid"].mean


def test_other_weights_find_nothing_in_the_cache(
    networks: tuple[MetricNetwork, ...], tmp_path: Path
) -> None:
    run(networks[:1], tmp_path)
    files = set((tmp_path / "network_outputs").rglob("*.safetensors"))
    others = (dataclasses.replace(networks[0], sha256="e" * 64),)
    run(others, tmp_path)
    assert (
        len(set((tmp_path / "network_outputs").rglob("*.safetensors")) - files) == len(files) == 2
    )


def test_a_damaged_file_of_the_cache_is_made_again(
    networks: tuple[MetricNetwork, ...], tmp_path: Path
) -> None:
    first = run(networks[:1], tmp_path)
    for path in (tmp_path / "network_outputs").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    assert run(networks[:1], tmp_path) == first


def test_a_network_that_cannot_be_loaded_leaves_its_metric_undefined(
    networks: tuple[MetricNetwork, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(network: MetricNetwork) -> None:
        raise MissingDependencyError("no such package")

    with monkeypatch.context() as patch:
        patch.setattr(network_metrics, "load_network", lacking)
        report = report_of(run(networks, tmp_path))
    for metric in NAMES:
        assert report.metrics[metric].mean is None
        assert report.metrics[metric].unavailable == "no such package"
    assert report.metrics["psnr"].mean is not None
    assert "lpips" in run(networks[:1], tmp_path).scores["balloon"]["0"].values


def test_only_what_is_asked_for_is_looked_for(upstream: Networks, networks: object) -> None:
    found, _ = locate_networks(PROTOCOL, ["fid", "psnr"], weights_dir=upstream.folder)
    assert [network.metric for network in found] == ["fid"]
    assert locate_networks(PROTOCOL, ["psnr"]) == ((), {})


def test_networks_travel_to_processes(networks: tuple[MetricNetwork, ...]) -> None:
    assert pickle.loads(pickle.dumps(networks)) == networks
    assert len({*networks, *networks}) == 3


def test_missing_weights_have_a_reason_that_reports_can_hold(tmp_path: Path) -> None:
    """The same in every run and on every machine; what the user needs is in the error."""
    for download in (True, False):
        found, unavailable = locate_networks(PROTOCOL, METRICS, download=download)
        assert found == ()
        for metric, name in NAMES.items():
            assert unavailable[metric].reason == f"no weights {WEIGHTS[name].filename}"
            assert unavailable[metric].error.exit_code == 9
            assert unavailable[metric].error.hint
    wrong = tmp_path / WEIGHTS["lpips/alex"].filename
    wrong.write_bytes(b"something else")
    _, unavailable = locate_networks(PROTOCOL, METRICS, weights_dir=tmp_path)
    assert str(tmp_path) not in unavailable["lpips"].reason
    assert "not the file expected" in unavailable["lpips"].error.message


def test_downloads_are_announced_and_given_up_where_nothing_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    announced: list[WeightsFile] = []
    locate_networks(PROTOCOL, METRICS, on_download=announced.append)
    assert [file.filename for file in announced] == [WEIGHTS[n].filename for n in NAMES.values()]
    assert all(file.licence for file in announced)
    announced.clear()
    monkeypatch.setattr(network_metrics, "_PATIENCE", 0.0)
    _, unavailable = locate_networks(PROTOCOL, METRICS, on_download=announced.append)
    assert announced == []
    clock = iter((0.0, 11.0, 12.0, 12.1, 13.0, 13.1))
    monkeypatch.setattr(network_metrics, "_PATIENCE", 10.0)
    monkeypatch.setattr(network_metrics.time, "monotonic", lambda: next(clock))
    _, unavailable = locate_networks(PROTOCOL, METRICS, on_download=announced.append)
    assert [file.filename for file in announced] == [WEIGHTS["lpips/alex"].filename]
    assert len(unavailable) == 3


def test_a_missing_package_is_named_and_nothing_is_downloaded_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    announced: list[WeightsFile] = []
    monkeypatch.setitem(sys.modules, "lpips", None)
    _, unavailable = locate_networks(PROTOCOL, ["lpips"], on_download=announced.append)
    assert unavailable["lpips"].reason == "package lpips is not installed"
    assert "lrm-toolkit[evaluate]" in unavailable["lpips"].error.hint
    assert unavailable["lpips"].error.exit_code == 10
    assert announced == []


def test_an_unknown_network_is_an_error_of_the_protocol() -> None:
    other = dataclasses.replace(PROTOCOL.networks, clip_weights="mine")
    with pytest.raises(ConfigError, match="'clip/ViT-B-32/mine' is not known"):
        locate_networks(dataclasses.replace(PROTOCOL, networks=other), METRICS)


def test_without_weights_the_packages_are_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from lrm_core.evaluation import aggregate, network_metrics as n;"
        "from lrm_core.evaluation.protocol import load_protocol;"
        "p = load_protocol('procedural-v1');"
        "assert len(n.locate_networks(p, p.metrics, download=False)[1]) == 3;"
        "assert not {'lpips', 'open_clip', 'pytorch_fid', 'torchvision'} & set(sys.modules)"
    )
    environment = {FOLDER_VARIABLE: str(tmp_path), "TORCH_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("settings", "metric", "name"),
    [
        ({}, "lpips", "lpips/alex"),
        ({"lpips": "vgg"}, "lpips", "lpips/vgg"),
        ({}, "clip_similarity", "clip/ViT-B-32/openai"),
        (
            {"clip_weights": "laion2b_s34b_b79k"},
            "clip_similarity",
            "clip/ViT-B-32/laion2b_s34b_b79k",
        ),
    ],
)
def test_the_networks_are_those_of_the_protocol(tmp_path, settings, metric, name) -> None:
    protocol = load_protocol("gso-v1")
    networks = dataclasses.replace(protocol.networks, **settings)
    protocol = dataclasses.replace(protocol, networks=networks)
    found, missing = locate_networks(protocol, [metric], weights_dir=tmp_path, download=False)
    assert found == ()
    assert missing[metric].reason == f"no weights {WEIGHTS[name].filename}"
