import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from torch import Tensor

from lrm_core.config import config_to_dict
from lrm_core.errors import CheckpointError, OutputError
from lrm_core.io.checkpoint_files import read_tensors, write_safetensors
from lrm_core.models import loading
from lrm_core.models.loading import load_lrm, save_lrm
from lrm_core.models.lrm import LRM

MakeTensors = Callable[[dict[str, tuple[int, ...]]], dict[str, Tensor]]


@pytest.fixture
def folder(tiny_model: LRM, tmp_path: Path) -> Path:
    save_lrm(tiny_model, tmp_path / "model")
    return tmp_path / "model"


def fails(source: str | Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_lrm(source)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def same_weights(a: LRM, b: LRM) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in a.state_dict().items())


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in read_tensors(path).items()}
    change(tensors)
    write_safetensors(path, tensors)


def test_round_trip(tiny_model: LRM, folder: Path) -> None:
    loaded = load_lrm(folder)
    assert loaded.config == tiny_model.config
    assert same_weights(loaded, tiny_model)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(
        loaded.predict_triplane(image).planes, tiny_model.predict_triplane(image).planes
    )
    config = json.loads((folder / "config.json").read_text())
    assert (config["format"], config["format_version"]) == ("lrm", 1)
    assert config["licence"] == "Apache-2.0"


def test_string_and_file_and_file_alone(tiny_model: LRM, folder: Path, tmp_path: Path) -> None:
    assert same_weights(load_lrm(str(folder)), tiny_model)
    assert same_weights(load_lrm(folder / "model.safetensors"), tiny_model)
    alone = tmp_path / "alone.safetensors"
    shutil.copy(folder / "model.safetensors", alone)
    assert load_lrm(alone).config == tiny_model.config
    # another model's configuration in the same folder is not taken for its own
    (tmp_path / "config.json").write_text('{"transformer_heads": 12}')
    assert load_lrm(alone).config == tiny_model.config


def test_a_folder_with_one_file_of_another_name(tiny_model: LRM, folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "step-100.safetensors")
    assert same_weights(load_lrm(folder), tiny_model)
    shutil.copy(folder / "step-100.safetensors", folder / "step-200.safetensors")
    assert "step-100.safetensors, step-200.safetensors" in fails(folder).message


def test_half_precision_on_disk(tiny_model: LRM, folder: Path, tmp_path: Path) -> None:
    save_lrm(tiny_model, tmp_path / "half", torch.float16)
    sizes = [(f / "model.safetensors").stat().st_size for f in (tmp_path / "half", folder)]
    assert sizes[0] < 0.6 * sizes[1]
    loaded = load_lrm(tmp_path / "half")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    weight = tiny_model.decoder.upsample.weight
    assert torch.equal(loaded.decoder.upsample.weight, weight.half().float())


def test_the_nerf_mlp_stays_float32(folder: Path) -> None:
    loaded = load_lrm(folder, dtype=torch.bfloat16)
    assert {p.dtype for p in loaded.nerf_mlp.parameters()} == {torch.float32}
    assert {p.dtype for p in loaded.decoder.parameters()} == {torch.bfloat16}
    triplane = loaded.predict_triplane(torch.rand(1, 3, 64, 64))
    density, _ = loaded.query(triplane, torch.rand(4, 3))
    assert density.dtype == torch.float32


def test_model_class(folder: Path) -> None:
    class Child(LRM):
        pass

    assert type(load_lrm(folder, model_class=Child)) is Child


def test_a_checkpoint_of_a_training_run(tiny_model: LRM, tmp_path: Path) -> None:
    """The averaged weights where there are some; what is damaged is refused."""
    last = {name: value + 1.0 for name, value in tiny_model.state_dict().items()}
    average = tiny_model.state_dict()
    state = {
        "step": 3, "model": last, "average": average, "optimizer": {"state": {}}, "best_score": 1.0,
        "configuration": {"model": config_to_dict(tiny_model.config), "training": {}},
    }  # fmt: skip
    path = tmp_path / "step-00000003.pt"
    torch.save(state, path)
    assert same_weights(load_lrm(path), tiny_model)
    torch.save(state | {"average": None}, path)
    bias = "decoder.upsample.bias"
    assert torch.equal(load_lrm(path).state_dict()[bias], last[bias])
    torch.save(state | {"configuration": {"training": {}}}, path)
    assert "does not say what its model is made of" in fails(path).message
    torch.save(state | {"configuration": {"model": {"layers": 3}}}, path)
    assert "layers" in fails(path).message


def test_saving_over_an_older_model(tiny_model: LRM, folder: Path) -> None:
    with torch.no_grad():
        tiny_model.decoder.upsample.bias.fill_(7.0)
    save_lrm(tiny_model, folder)
    assert same_weights(load_lrm(folder), tiny_model)
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_saving_what_does_not_fit(tiny_model: LRM, tmp_path: Path) -> None:
    with torch.no_grad():
        tiny_model.decoder.upsample.bias.fill_(1e6)
    with pytest.raises(OutputError, match="float16"):
        save_lrm(tiny_model, tmp_path / "half", torch.float16)


def test_missing_extra_and_misshapen_tensors(folder: Path) -> None:
    name = "nerf_mlp.linears.0.bias"
    edit_tensors(folder, lambda tensors: tensors.update(extra=torch.zeros(1)))
    assert "'extra'" in fails(folder).message
    edit_tensors(folder, lambda tensors: (tensors.pop("extra"), tensors.pop(name)))
    assert f"missing (first: '{name}')" in fails(folder).message
    edit_tensors(folder, lambda tensors: tensors.update({name: torch.zeros(3)}))
    assert "has shape (3,), the model's configuration makes it (16,)" in fails(folder).message


def test_nan(folder: Path) -> None:
    def break_one(tensors: dict[str, Tensor]) -> None:
        tensors["decoder.upsample.bias"][0] = torch.nan

    edit_tensors(folder, break_one)
    assert "'decoder.upsample.bias' holds NaN" in fails(folder).message


def test_bad_configurations(folder: Path) -> None:
    good = (folder / "config.json").read_text()
    edit_config(folder, format_version=2)
    assert "format version 2" in fails(folder).message
    (folder / "config.json").write_text(good)
    edit_config(folder, color="red")
    assert "color" in fails(folder).message
    (folder / "config.json").write_text(good)
    edit_config(folder, decoder={"width": 30, "num_heads": 4})
    assert "divisible" in fails(folder).message
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not a JSON file"):
        load_lrm(folder)


def test_an_encoder_that_cannot_be_built(folder: Path) -> None:
    edit_config(folder, encoder={"kind": "rgba", "patch_size": 8})
    assert "no model can be built" in fails(folder).message


def test_damaged_configuration_in_the_header(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"a": torch.zeros(1)}, metadata={"lrm_config": "{"})
    with pytest.raises(CheckpointError, match="header"):
        load_lrm(path)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no model 'lrm-minni'" in fails("lrm-minni").message
    assert "no model" in fails(tmp_path / "none").message
    (tmp_path / "empty").mkdir()
    assert "found none" in fails(tmp_path / "empty").message
    error = fails("lrm-large")
    assert "architecture without weights" in error.message
    assert "train" in error.hint


def test_bundled_name_goes_before_a_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "bundled_folder", lambda name: folder if name == "x" else None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    assert load_lrm("x").config.name == "lrm-tiny"
    assert "found none" in fails("./x").message


def test_hub_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(source: str, weight_files: tuple[str, ...]) -> Path:
        asked.append(source)
        assert weight_files[0] == "model.safetensors"
        return folder

    monkeypatch.setattr(loading, "download", download)
    assert load_lrm("org/name").config.name == "lrm-tiny"
    assert load_lrm("org/name@v1.0").config.name == "lrm-tiny"
    assert asked == ["org/name", "org/name@v1.0"]
    assert "no model" in fails("a/b/c").message


def test_foreign_tensors(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    error = fails(tmp_path / "resnet.pth")
    assert "no known layout (first: 'conv1.weight')" in error.message


@pytest.fixture
def triposr_folder(layouts: SimpleNamespace, random_tensors: MakeTensors, tmp_path: Path) -> Path:
    encoder = layouts.hf_vit(32, 1, grid=3)
    shapes = layouts.triposr(
        width=64, layers=1, channels=4, side=4, encoder_width=32, encoder=encoder
    )
    torch.save(random_tensors(shapes), tmp_path / "model.ckpt")
    values = {
        "cond_image_size": 64,
        "backbone": {"num_attention_heads": 2},
        "decoder": {"activation": "silu"},
        "renderer": {
            "radius": 0.87,
            "density_activation": "exp",
            "density_bias": -1.0,
            "num_samples_per_ray": 128,
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_triposr_and_its_copy_in_our_format(triposr_folder: Path) -> None:
    model = load_lrm(triposr_folder)
    assert model.config.name == triposr_folder.name
    assert model.config.licence == "MIT"
    triplane = model.predict_triplane(torch.rand(1, 3, 64, 64))
    assert triplane.extent == 0.87
    assert triplane.axes == (("-y", "x"), ("-y", "z"), ("x", "z"))
    save_lrm(model, triposr_folder / "ours")
    again = load_lrm(triposr_folder / "ours")
    assert again.config == model.config
    assert same_weights(again, model)


def test_triposr_without_or_with_a_hostile_configuration(triposr_folder: Path) -> None:
    path = triposr_folder / "config.yaml"
    ran = triposr_folder / "ran"
    path.write_text(f"a: !!python/object/apply:os.system ['touch {ran}']")
    with pytest.raises(CheckpointError, match="YAML"):
        load_lrm(triposr_folder)
    assert not ran.exists()
    path.unlink()
    assert "backbone.num_attention_heads" in fails(triposr_folder).message


def test_openlrm_1_0_carries_its_configuration(
    layouts: SimpleNamespace, random_tensors: MakeTensors, tmp_path: Path
) -> None:
    shapes = layouts.openlrm(
        width=64,
        layers=1,
        channels=4,
        encoder_width=32,
        encoder=layouts.hf_vit(32, 1, grid=3),
        camera_width=8,
        side=4,
        version="1.0",
    )
    weights = random_tensors(shapes)
    model = {"transformer_heads": 2, "rendering_samples_per_ray": 96, "triplane_dim": 4}
    path = tmp_path / "lrm-tiny-obj-v1.pth"
    kwargs = {"model": model, "infer": {"source_size": 48, "render_size": 32}}
    torch.save({"weights": weights, "kwargs": kwargs}, path)
    loaded = load_lrm(path)
    assert loaded.config.name == "lrm-tiny-obj-v1"
    assert loaded.config.encoder.image_size == 48
    assert loaded.predict_triplane(torch.rand(1, 3, 48, 48)).planes.shape == (1, 3, 4, 8, 8)
    torch.save({"weights": weights, "kwargs": None}, path)
    assert "transformer_heads" in fails(path).message


@pytest.mark.parametrize("least", [10, 10**9])
def test_auto_asks_for_the_format_of_a_model_of_this_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    asked = []

    def choose(name: str, device: str, num_parameters: int) -> torch.dtype:
        asked.append((name, device))
        return torch.bfloat16 if num_parameters >= least else torch.float32

    monkeypatch.setattr(loading, "choose_dtype", choose)
    model = load_lrm(folder, device=torch.device("cpu"), dtype="auto")
    assert asked == [("auto", "cpu")]
    expected = torch.bfloat16 if least == 10 else torch.float32
    assert model.decoder.triplane_tokens.dtype == expected
    assert model.nerf_mlp.linears[0].weight.dtype == torch.float32


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="Linux tells what is mapped")
@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
def test_weights_of_a_file_are_mapped_not_copied(
    triposr_folder: Path, folder: Path, kind: str
) -> None:
    source = folder if kind == "safetensors" else triposr_folder
    model = load_lrm(source)
    regions = [
        tuple(int(end, 16) for end in line.split()[0].split("-"))
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(("model.safetensors", "model.ckpt"))
    ]
    for name, parameter in model.decoder.blocks.named_parameters():
        address = parameter.data_ptr()
        assert any(start <= address < end for start, end in regions), name


def test_a_model_without_values_has_the_sizes_of_one_with(tiny_model: LRM) -> None:
    empty = loading.model_without_values(tiny_model.config)
    assert empty.num_parameters == tiny_model.num_parameters
    assert all(tensor.is_meta for tensor in empty.state_dict().values())
