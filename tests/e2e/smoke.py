"""Try an installed lrm as a user would; standard library only, no pytest.

`python smoke.py` imports every module, asks for help and reconstructs a photo of `examples/`.
With `--not-from FOLDER` it fails if lrm comes from that checkout instead of the installed package.
With `--check mesh.obj` it only looks at the files of a finished reconstruction.
"""

import argparse
import importlib
import json
import pkgutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def import_everything(not_from: Path | None) -> None:
    """Import every module of both packages, but for those whose extra is not installed."""
    from lrm_core.optional import missing_extra

    count, skipped = 0, set()
    for name in ("lrm_core", "lrm_cli"):
        package = importlib.import_module(name)
        location = Path(package.__file__ or "").resolve().parent
        if not_from is not None and location.parent == not_from.resolve():
            raise SystemExit(f"{name} comes from {location}, not from the installed package")
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                try:
                    importlib.import_module(module.name)
                except ModuleNotFoundError as error:
                    if missing_extra(error) is None:
                        raise
                    skipped.add(error.name)
                count += 1
    print(f"{count} modules imported, without {', '.join(sorted(skipped)) or 'exception'}")


def lrm(*arguments: str) -> str:
    """Run the installed `lrm` and return what it wrote to stdout."""
    start = time.perf_counter()
    program = Path(sys.executable).with_name("lrm")
    done = subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    print(f"lrm {' '.join(arguments)}: {time.perf_counter() - start:.1f} s")
    return done.stdout


def check_reconstruction(mesh: Path) -> None:
    """The mesh, the material it names, the texture that one names, and the metadata beside it."""
    lines = mesh.read_text().splitlines()
    faces = sum(line.startswith("f ") for line in lines)
    (material,) = (line.split(maxsplit=1)[1] for line in lines if line.startswith("mtllib "))
    textures = [
        line.split()[-1]
        for line in mesh.with_name(material).read_text().splitlines()
        if line.strip().startswith("map_Kd ")
    ]
    images = [mesh.with_name(name) for name in textures] + [mesh.with_suffix(".input.png")]
    signature = b"\x89PNG\r\n\x1a\n"
    broken = [image.name for image in images if image.read_bytes()[:8] != signature]
    metadata = json.loads(mesh.with_suffix(".json").read_text())
    if faces < 100 or not textures or broken or "source_camera" not in metadata:
        raise SystemExit(
            f"{mesh}: {faces} faces, textures {textures}, not PNG {broken}, "
            f"metadata {sorted(metadata)}"
        )
    print(f"{mesh.name}: {faces} faces, {material}, {', '.join(image.name for image in images)}")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--not-from", type=Path)
    parser.add_argument("--check", type=Path)
    options = parser.parse_args()
    if options.check is not None:
        check_reconstruction(options.check)
        return
    import_everything(options.not_from)
    if "reconstruct" not in lrm("--help"):
        raise SystemExit("lrm --help does not list its commands")
    json.loads(lrm("models", "--json"))
    photo = min(Path("examples").glob("*.png"))
    with tempfile.TemporaryDirectory() as folder:
        mesh = Path(folder) / "mesh.obj"
        lrm("reconstruct", str(photo), "-o", str(mesh))
        check_reconstruction(mesh)


if __name__ == "__main__":
    main()
