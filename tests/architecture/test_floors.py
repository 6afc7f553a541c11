"""The floors of docs/architecture.md hold, and what must stay light stays light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lrm_cli
import lrm_core

ROOT = Path(__file__).parents[2]
CORE = Path(lrm_core.__file__).parent
CLI = Path(lrm_cli.__file__).parent
HEAVY = {"torch", "numpy", "scipy", "trimesh", "timm", "cv2", "skimage", "PIL"}

# Signature and body.
MOST_LINES_OF_FUNCTION = 80
MOST_LINES_OF_FILE = 400

core_files = pytest.mark.parametrize(
    "path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE))
)


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_import_linter_contracts_are_kept() -> None:
    output = run_python(
        "import sys; from importlinter.cli import lint_imports;"
        "sys.exit(lint_imports(no_cache=True, config_filename='pyproject.toml'))"
    )
    assert "0 broken" in output


def test_the_command_line_starts_without_heavy_packages() -> None:
    loaded = run_python("import lrm_cli.app, sys; print(*sys.modules)").split()
    assert HEAVY.isdisjoint(loaded)
    assert "lrm_cli.commands.models" in loaded, "the guard above must look at the real program"


def test_recipes_are_listed_without_heavy_packages() -> None:
    loaded = run_python(
        "import sys; from lrm_core.training.config import recipe_names, read_training_config;"
        "read_training_config('lrm-mini', {}); print(*sys.modules)"
    ).split()
    assert (HEAVY - {"numpy"}).isdisjoint(loaded)


def test_one_photo_waits_for_no_package_that_it_does_not_need() -> None:
    """Each of these costs a twentieth of a second or more."""
    loaded = run_python("import sys, lrm_core.reconstruction.batch; print(*sys.modules)").split()
    slow = {"av", "pandas", "scipy.optimize", "scipy.spatial", "scipy.stats", "skimage", "trimesh"}
    assert slow.isdisjoint(loaded)
    assert "torch" in loaded, "the guard above must look at the real program"


@core_files
def test_the_core_neither_prints_nor_exits(path: Path) -> None:
    forbidden = {"print", "input", "breakpoint", "exit", "quit", "sys.exit", "os._exit"}
    calls = [
        (node.lineno, ast.unparse(node.func))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert [call for call in calls if call[1] in forbidden] == []


@core_files
def test_no_file_from_outside_is_unpickled(path: Path) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    for call in calls:
        name = ast.unparse(call.func)
        assert name not in {"pickle.load", "pickle.loads", "yaml.load", "eval", "exec"}
        if name == "torch.load":
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert keywords.get("weights_only") == "True", f"line {call.lineno}"
        if name in {"np.load", "numpy.load"}:
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert keywords.get("allow_pickle", "False") == "False", f"line {call.lineno}"


@pytest.mark.parametrize(
    "path",
    sorted([*CORE.rglob("*.py"), *CLI.rglob("*.py")]),
    ids=lambda path: str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name,
)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES_OF_FILE
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    too_long = {
        node.name
        for node in functions
        if node.end_lineno is not None and node.end_lineno - node.lineno >= MOST_LINES_OF_FUNCTION
    }
    assert too_long == set()


def test_no_drawer_for_everything() -> None:
    vague = {"utils", "helpers", "common", "misc", "base", "manager"}
    names = {path.stem for path in [*CORE.rglob("*"), *CLI.rglob("*")]}
    assert vague.isdisjoint(names)


def test_the_architecture_page_names_files_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:lrm_core/|lrm_cli/|tests/)?[a-z0-9_/-]+\.(?:py|yaml))`", page))
    assert len(named) > 30
    places = [ROOT, CORE, CLI, CORE / "reconstruction"]
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_unit_tests_mirror_the_core() -> None:
    """Every file under tests/unit tests the file of the same place and name."""
    unit = ROOT / "tests" / "unit"
    orphans = [
        str(test.relative_to(unit))
        for test in unit.rglob("test_*.py")
        if not (CORE / test.relative_to(unit).with_name(test.name.removeprefix("test_"))).exists()
    ]
    assert orphans == []
