"""What an operator of `lrm serve` chooses."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, replace
from urllib.parse import quote

MEGABYTE = 1_000_000

_ANY_ADDRESS = ("0.0.0.0", "::", "")


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Settings of one server.

    Attributes:
        host: address to listen on.
        port: TCP port; 0 takes any that is free.
        model: bundled name, folder, weight file or Hugging Face id.
        device: where the network is evaluated.
        dtype: number format of the network.
        token: what every request must show, or "" for none.
        allowed_hosts: further names under which the server is reached, lower case.
        max_upload_bytes: size of the body of one request.
        max_waiting: jobs that may wait; more are refused.
        max_resolution: most grid points per axis that a job may ask for.
        keep_seconds: how long results are kept where a client says nothing.
        max_keep_seconds: how long a client may have them kept.
        page: serve the page, not only the API.
        root_path: path prefix that a reverse proxy strips, such as `/lrm`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: str = "lrm-mini"
    device: str = "auto"
    dtype: str = "auto"
    token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    max_upload_bytes: int = 20 * MEGABYTE
    max_waiting: int = 8
    max_resolution: int = 512
    keep_seconds: float = 3600.0
    max_keep_seconds: float = 86400.0
    page: bool = True
    root_path: str = ""

    @property
    def longest_keep_seconds(self) -> float:
        """How long results may be kept at all."""
        return max(self.keep_seconds, self.max_keep_seconds)

    def with_token(self) -> ServerSettings:
        """These settings with a token drawn where other machines can reach the server."""
        if self.token or is_loopback(self.host):
            return self
        return replace(self, token=secrets.token_urlsafe(16))

    def is_known_as(self, name: str) -> bool:
        """Whether a request may ask for this name or address, lower case.

        Names can be made to resolve to any machine; addresses cannot, so each of them is good
        enough for a server that listens on all of this machine's.
        """
        if name in ("localhost", "127.0.0.1", "::1", self.host.lower(), *self.allowed_hosts):
            return name != ""
        return self.host in _ANY_ADDRESS and _is_address(name)

    def url(self, port: int) -> str:
        """Where a browser on this machine finds the page, token included."""
        host = "127.0.0.1" if self.host in _ANY_ADDRESS else self.host
        host = f"[{host}]" if ":" in host else host
        query = f"?token={quote(self.token, safe='')}" if self.token else ""
        return f"http://{host}:{port}/{query}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
