"""Damaged files of every kind that `lrm` reads: tracebacks, hangs and lost files are counted.

    python benchmarks/fuzz.py [--inputs 10000] [--seed 0] [--kinds obj,glb] [-o REPORT.json]

A whole file (`fuzz_seeds.py`) is damaged where its format has structure (numbers, names, JSON
values, XML attributes, lines, chunks with their lengths and checksums) or in its bytes, and read by
the function that the commands call. A reader may accept a file or raise an error of its own
(`LrmError`, or too little memory); everything else is a traceback. Inputs are functions of the seed
and their number: `--only NUMBER` runs a single one and shows its traceback.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from fuzz_seeds import MAKERS

from lrm_core.config import ModelConfig, parse_config, read_yaml
from lrm_core.errors import LrmError
from lrm_core.evaluation.protocol import load_protocol
from lrm_core.geometry.scene_conversion import mesh_from_scene
from lrm_core.io.camera_files import read_cameras
from lrm_core.io.checkpoint_files import read_metadata, read_tensors, require_tensors
from lrm_core.io.colmap_files import read_colmap_model
from lrm_core.io.image_files import read_image, read_mask
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.reconstruction.stored_field import load_field
from lrm_core.reporting.metric_report import read_report
from lrm_core.reporting.regression import read_accepted

SECONDS = 20
MEMORY = 6 << 30
NUMBERS = (
    "0", "-1", "1", "2147483647", "-2147483648", "4294967295", "18446744073709551615", "1e308",
    "-1e308", "1e-320", "nan", "inf", "-inf", "0.5", "1e400", "00", "9" * 40,
)  # fmt: skip
WORDS = (
    b"",
    b"..",
    b"/",
    b"a\0b",
    b"\xff\xfe",
    b"%00",
    b"%2e%2e%2f",
    b"x" * 300,
    b"\n",
    b"\x1b[2J",
)


@dataclass
class Counts:
    """What became of the inputs.

    Attributes:
        inputs: how many were tried.
        accepted: read without an error.
        refused: refused with an error of our own.
        tracebacks: error and place of what was no error of our own, and how often.
        hangs: numbers of inputs that took longer than the limit.
        lost: numbers of inputs whose file was changed or removed by reading it.
        slowest: seconds of the slowest input of each kind.
    """

    inputs: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    tracebacks: dict[str, list[int]] = field(default_factory=dict)
    hangs: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)


class Hang(BaseException):
    """The limit of time is over; no reader may catch this."""


def _scene(path: Path) -> None:
    scene = read_scene(path)
    mesh_from_scene(scene)


def _library(path: Path) -> None:
    read_scene(path.with_name("a.obj"))


def _photo(path: Path) -> None:
    read_image(path)
    read_mask(path)


def _tensors(path: Path) -> None:
    for read in (
        load_field,
        read_metadata,
        lambda path: require_tensors(read_tensors(path), origin="fuzz"),
    ):
        try:
            read(path)
        except LrmError:
            refused = True
        else:
            refused = False
    if refused:
        raise LrmError("refused by the last")


def _dataset(path: Path) -> None:
    dataset = open_view_dataset(path.parent)
    for object_id in dataset.object_ids:
        read_view_set(dataset, object_id, depth=True)


READERS: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(("obj", "ply", "stl", "glb", "gltf", "dae"), _scene),
    "mtl": _library,
    **dict.fromkeys(("png", "jpg", "webp", "tif"), _photo),
    "colmap_text": lambda path: read_colmap_model(path.parent),
    "colmap_binary": lambda path: read_colmap_model(path.parent),
    "transforms": read_cameras,
    "safetensors": _tensors,
    "shard": _dataset,
    "report": read_report,
    "accepted": read_accepted,
    "protocol": lambda path: load_protocol(str(path)),
    "preset": lambda path: parse_config(ModelConfig, read_yaml(path, origin="a"), origin="a"),
}


def damage(content: bytes, kind: str, random: Random) -> bytes:
    """A file after one to four changes."""
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        ways = [_bytes, _bytes, _number, _number, _number, _line, _line, _cut]
        ways += {
            "png": [_png_chunk] * 4, "glb": [_glb_json] * 6, "safetensors": [_tensor_header] * 4,
        }.get(kind, [])  # fmt: skip
        if content.lstrip()[:1] in (b"{", b"["):
            ways += [_json] * 6
        content = random.choice(ways)(content, random)
    return content


def _bytes(content: bytes, random: Random) -> bytes:
    """Bytes changed, removed, doubled or put in."""
    changed = bytearray(content)
    at = random.randrange(len(changed) + 1)
    end = min(len(changed), at + random.choice([1, 1, 2, 4, 8, 64]))
    way = random.randrange(5)
    if way == 0 and end > at:
        changed[at:end] = bytes(byte ^ 1 << random.randrange(8) for byte in changed[at:end])
    elif way == 1:
        changed[at:end] = random.choice([b"\0", b"\xff", b"\x7f\xff\xff\xff"]) * (end - at)
    elif way == 2:
        del changed[at:end]
    elif way == 3:
        changed[at:at] = content[at:end] * random.choice([1, 100])
    else:
        changed[at:at] = random.choice(WORDS)
    return bytes(changed)


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _number(content: bytes, random: Random) -> bytes:
    """One number of a text becomes another."""
    places = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?", content[: 1 << 16]))
    if not places:
        return _bytes(content, random)
    place = random.choice(places)
    return content[: place.start()] + random.choice(NUMBERS).encode() + content[place.end() :]


def _line(content: bytes, random: Random) -> bytes:
    """A line or a word removed, doubled, moved or replaced."""
    by = random.choice([b"\n", b" ", b">", b"'"])
    pieces = content.split(by)
    at = random.randrange(len(pieces))
    way = random.randrange(4)
    if way == 0:
        del pieces[at]
    elif way == 1:
        pieces[at:at] = [pieces[at]] * random.choice([1, 50])
    elif way == 2:
        pieces[at], pieces[0] = pieces[0], pieces[at]
    else:
        pieces[at] = random.choice([*WORDS, *(number.encode() for number in NUMBERS)])
    return by.join(pieces)


def _json(content: bytes, random: Random) -> bytes:
    """One value of a JSON document becomes another, or goes."""
    try:
        document = json.loads(content)
    except ValueError:
        return _bytes(content, random)
    return json.dumps(_changed(document, random)).encode()


def _changed(document: Any, random: Random) -> Any:
    if isinstance(document, dict) and document and random.random() < 0.9:
        key = random.choice(list(document))
        if random.random() < 0.15:
            return {k: v for k, v in document.items() if k != key}
        return document | {key: _changed(document[key], random)}
    if isinstance(document, list) and document and random.random() < 0.9:
        at = random.randrange(len(document))
        if random.random() < 0.15:
            return document[:at] + document[at + 1 :]
        return [*document[:at], _changed(document[at], random), *document[at + 1 :]]
    values: list[Any] = [None, True, -1, 0, 1, 2**31, 2**53, -(2**63), 1e308, 0.5, "", "..", [], {}]
    values += [
        float("nan"),
        float("inf"),
        "x" * 300,
        "data:,",
        [[]],
        {"a": None},
        "\ud800",
        [0] * 64,
    ]
    return random.choice(values)


def _png_chunk(content: bytes, random: Random) -> bytes:
    """The data of a chunk changed, its length and checksum right."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    if not chunks:
        return _bytes(content, random)
    index = random.randrange(len(chunks))
    kind, data = chunks[index]
    chunks[index] = (kind, _bytes(data, random) if data else random.randbytes(8))
    if random.random() < 0.2:
        extra = random.choice([b"tEXt", b"eXIf", b"iCCP", b"acTL", b"tRNS", b"PLTE", b"zTXt"])
        chunks.insert(1, (extra, random.randbytes(random.randrange(40))))
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return content[:8] + b"".join(packed)


def _glb_json(content: bytes, random: Random) -> bytes:
    """The document of a GLB changed, its lengths right."""
    if len(content) < 20:
        return _bytes(content, random)
    (size,) = struct.unpack_from("<I", content, 12)
    text = _json(content[20 : 20 + size], random)
    text += b" " * (-len(text) % 4)
    rest = content[20 + size :]
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest))
    return head + struct.pack("<I4s", len(text), b"JSON") + text + rest


def _tensor_header(content: bytes, random: Random) -> bytes:
    """The header of a safetensors file changed, its length right."""
    size = int.from_bytes(content[:8], "little")
    text = _json(content[8 : 8 + size], random)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def make_input(seed: int, number: int, kinds: list[str], folder: Path) -> tuple[str, Path]:
    """Write input `number` of a run; returns its kind and the damaged file."""
    random = Random(f"{seed} {number}")
    kind = kinds[number % len(kinds)]
    path = MAKERS[kind](folder, random)
    if random.random() < 0.98:  # a few stay whole
        path.write_bytes(damage(path.read_bytes(), kind, random))
    return kind, path


def try_input(counts: Counts, number: int, kind: str, path: Path, *, show: bool = False) -> None:
    """Read one input and count what comes of it."""
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    counts.inputs += 1
    started = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            READERS[kind](path)
        counts.accepted[kind] += 1
    except (LrmError, MemoryError):
        counts.refused[kind] += 1
    except Hang:
        counts.hangs.append(number)
    except Exception as error:
        if show:
            traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{kind}: {type(error).__name__} in {Path(place.filename).name}:{place.name}"
        counts.tracebacks.setdefault(words, []).append(number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.perf_counter() - started
    counts.slowest[kind] = max(counts.slowest.get(kind, 0.0), round(seconds, 2))
    after = {file: file.read_bytes() for file in path.parent.iterdir()}
    if after != before:
        counts.lost.append(number)


def run(seed: int, numbers: range, kinds: list[str], *, show: bool = False) -> Counts:
    """Try inputs one after the other in this process."""
    counts = Counts()
    before = signal.signal(signal.SIGALRM, _hang)
    try:
        for number in numbers:
            with tempfile.TemporaryDirectory(prefix="lrm-fuzz-") as folder:
                kind, path = make_input(seed, number, kinds, Path(folder))
                try_input(counts, number, kind, path, show=show)
    finally:
        signal.signal(signal.SIGALRM, before)
    return counts


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang


def main() -> None:
    """Run, print a table, and fail where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(MAKERS))
    parser.add_argument("--only", type=int, help="number of a single input")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    numbers = range(arguments.inputs)
    if arguments.only is not None:
        numbers = range(arguments.only, arguments.only + 1)
    kinds = arguments.kinds.split(",")
    counts = run(arguments.seed, numbers, kinds, show=arguments.only is not None)
    print("| kind | accepted | refused | slowest (s) |\n|---|---|---|---|")
    for kind in kinds:
        row = (counts.accepted[kind], counts.refused[kind], counts.slowest.get(kind, 0.0))
        print(f"| {kind} | {row[0]} | {row[1]} | {row[2]} |")
    found = sum(map(len, counts.tracebacks.values()))
    print(f"{counts.inputs} inputs: {found} tracebacks, {len(counts.hangs)} hangs, ", end="")
    print(f"{len(counts.lost)} lost files")
    for words, inputs in counts.tracebacks.items():
        print(f"  {len(inputs)} x {words} (--only {inputs[0]})")
    for name in ("hangs", "lost"):
        if inputs := getattr(counts, name):
            print(f"  {name}: {inputs[:10]}")
    if arguments.out is not None:
        arguments.out.write_text(
            json.dumps({"seed": arguments.seed, **vars(counts)}, indent=1) + "\n"
        )
    sys.exit(1 if found or counts.hangs or counts.lost else 0)


if __name__ == "__main__":
    main()
