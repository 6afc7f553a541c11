"""Photos to meshes with `lrm serve`, followed while they are made. Standard library only.

python examples/serve/client.py photo.jpg mesh.glb [http://127.0.0.1:8000] [TOKEN]
"""

import json
import sys
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any


def form(fields: dict[str, str], files: dict[str, bytes]) -> tuple[bytes, str]:
    """A multipart form and its content type."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        parts.append((f'form-data; name="{name}"', value.encode()))
    for name, content in files.items():
        parts.append((f'form-data; name="{name}"; filename="{name}"', content))
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Lrm:
    """A server of `lrm serve`.

    Args:
        url: its address.
        token: what it demands, or "".
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", token: str = "") -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def reconstruct(
        self,
        photo: bytes,
        file: str = "mesh.glb",
        on_progress: Callable[[dict[str, Any]], None] = lambda job: None,
        **options: str,
    ) -> bytes:
        """A mesh of a photo; options are those of `lrm reconstruct`, such as resolution="384"."""
        body, kind = form(options, {"photo": photo})
        with self._open("/api/v1/jobs", body, {"Content-Type": kind}) as answer:
            job = json.load(answer)
        with self._open(f"/api/v1/jobs/{job['id']}/events") as events:
            for line in events:
                if line.startswith(b"data: "):
                    job = json.loads(line.removeprefix(b"data: "))
                    on_progress(job)
        if job["state"] != "done":
            error = job["error"] or {"message": job["state"], "hint": ""}
            raise RuntimeError(f"{error['message']} {error['hint']}".strip())
        with self._open(f"/api/v1/jobs/{job['id']}/files/{file}") as answer:
            content: bytes = answer.read()
            return content

    def _open(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Any:
        headers = self.headers | (headers or {})
        return urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers))


def show(job: dict[str, Any]) -> None:
    """One line about a job, written over the last one."""
    state = job["stage"] or f"{job['state']} {job['position'] or ''}"
    print(f"\r{job['progress']:4.0%} {state:<24}", end="", file=sys.stderr)  # noqa: T201


def main(photo: str, mesh: str, url: str = "http://127.0.0.1:8000", token: str = "") -> None:
    """Write the mesh of a photo; the suffix of `mesh` chooses the format."""
    file = "mesh" + Path(mesh).suffix
    Path(mesh).write_bytes(Lrm(url, token).reconstruct(Path(photo).read_bytes(), file, show))


if __name__ == "__main__":
    main(*sys.argv[1:])
