"""Load of `lrm serve`: many photos from several clients; waiting times, order, memory.

python benchmarks/serve_load.py --photos 200 --clients 8 -o out/serve-load.json

Starts a server of its own. Each client sends its next photo when it has the mesh of the last one;
a full queue is asked again after Retry-After. Fails if a job is lost, a mesh is not whole, jobs are
not begun in the order in which they came, or memory grows by more than a tenth between the first
and the last quarter of the run.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "serve"))
from client import form

PHOTO = Path(__file__).parents[1] / "examples" / "teapot.png"


class Load:
    """Clients of one server, and what they saw."""

    def __init__(self, url: str, process_id: int, options: dict[str, str], num_photos: int) -> None:
        self.url = url
        self.process_id = process_id
        self.body, self.kind = form(options, {"photo": PHOTO.read_bytes()})
        self.left = num_photos
        self.jobs: list[dict[str, Any]] = []
        self.memory: list[int] = []
        self.refused = 0
        self.lock = threading.Lock()

    def client(self) -> None:
        """Send photos, one after the other, until none is left."""
        while True:
            with self.lock:
                if not self.left:
                    return
                self.left -= 1
            started = time.monotonic()
            job = self._submit()
            while job["state"] in ("waiting", "running"):
                time.sleep(0.2)
                with urllib.request.urlopen(f"{self.url}api/v1/jobs/{job['id']}") as answer:
                    job = json.load(answer)
            seconds = time.monotonic() - started
            with urllib.request.urlopen(self.url + job["files"][0]["url"][1:]) as answer:
                whole = answer.read()[:4] == b"glTF"
            with self.lock:
                job |= {"wait": seconds, "whole": whole}
                self.jobs.append(job)
                self.memory.append(resident_megabytes(self.process_id))

    def _submit(self) -> Any:
        while True:
            request = urllib.request.Request(
                f"{self.url}api/v1/jobs", self.body, {"Content-Type": self.kind}
            )
            try:
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                self.refused += 1
                time.sleep(float(error.headers["Retry-After"]))


def resident_megabytes(process_id: int) -> int:
    """Memory that a process holds now (Linux)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * 4096 / 1e6)


def summary(load: Load, seconds: float, first_page: float) -> dict[str, Any]:
    """What the documentation quotes."""
    waits = np.array([job["wait"] for job in load.jobs])
    work = np.array([job["seconds"] for job in load.jobs])
    quarter = max(1, len(load.memory) // 4)
    began = [job["started"] for job in sorted(load.jobs, key=lambda job: job["created"])]
    return {
        "photos": len(load.jobs),
        "lost": sum(job["state"] != "done" or not job["whole"] for job in load.jobs),
        "in_order": began == sorted(began),
        "refused_then_taken": load.refused,
        "seconds": round(seconds, 1),
        "first_page_seconds": round(first_page, 2),
        "work_p50": round(float(np.percentile(work, 50)), 2),
        "work_p95": round(float(np.percentile(work, 95)), 2),
        "wait_p50": round(float(np.percentile(waits, 50)), 2),
        "wait_p95": round(float(np.percentile(waits, 95)), 2),
        "memory_mb_first_quarter": int(np.median(load.memory[:quarter])),
        "memory_mb_last_quarter": int(np.median(load.memory[-quarter:])),
    }


def start(max_waiting: int) -> tuple[subprocess.Popen[str], str, float]:
    """A server, its address, and the seconds until it gave its first page."""
    command = [sys.executable, "-m", "lrm_cli", "serve", "--port", "0", "--json"]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--max-waiting", str(max_waiting)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("}\n"):
        text += process.stdout.readline()
    url: str = json.loads(text)["url"]
    urllib.request.urlopen(url).read()
    return process, url, time.monotonic() - began


def main() -> None:
    """Run, print and check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--max-waiting", type=int, default=8)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    process, url, first_page = start(options.max_waiting)
    try:
        load = Load(url, process.pid, {"resolution": str(options.resolution)}, options.photos)
        clients = [threading.Thread(target=load.client) for _ in range(options.clients)]
        began = time.monotonic()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        found = summary(load, time.monotonic() - began, first_page)
    finally:
        process.terminate()
        process.wait(60)
    found |= {name: getattr(options, name) for name in ("clients", "max_waiting", "resolution")}
    text = json.dumps(found, indent=2)
    print(text)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")
    grown = found["memory_mb_last_quarter"] > 1.1 * found["memory_mb_first_quarter"]
    if found["lost"] or found["photos"] != options.photos or not found["in_order"] or grown:
        raise SystemExit("a photo was lost, the order was not kept, or memory grew")


if __name__ == "__main__":
    main()
