"""Optional packages are missed with one clear line that names the extra."""

import sys
import tomllib
from pathlib import Path

import pytest

from lrm_core.errors import MissingDependencyError
from lrm_core.optional import require

ROOT = Path(__file__).parents[2]


def test_an_installed_module_is_returned() -> None:
    assert require("json", extra="any", purpose="this test") is sys.modules["json"]


@pytest.mark.parametrize(
    "body",
    ["import no_such_package_of_anyone", "import sys; sys.exit(1)"],
    ids=["import error", "a package that exits, as rembg does"],
)
def test_a_broken_module_names_its_extra(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package_of_a_test.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError) as caught:
        require("broken_package_of_a_test", extra="rembg", purpose="background removal")
    assert "background removal" in caught.value.message
    assert caught.value.hint == "pip install 'lrm-toolkit[rembg]'"
    assert "\n" not in caught.value.message


def test_every_extra_that_the_code_names_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {
        line.split('extra="')[1].split('"')[0]
        for path in (ROOT / "lrm_core").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if 'extra="' in line
    }
    assert named <= set(project["optional-dependencies"])


def test_kaolin_stays_out_of_all_and_is_never_the_placeholder() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert extras["kaolin"] == ["kaolin>=0.17"]
    assert "kaolin" not in "".join(extras["all"])
