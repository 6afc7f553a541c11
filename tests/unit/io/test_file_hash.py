from pathlib import Path

import pytest

from lrm_core.io.file_hash import sha256_of


def test_the_standards_own_examples(tmp_path: Path) -> None:
    """FIPS 180-2, appendix B: the message abc, and a million times the letter a."""
    path = tmp_path / "message"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"a" * 1_000_000)
    assert sha256_of(path) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        sha256_of(tmp_path)
