from pathlib import Path

import pytest

from lrm_core.errors import InputError
from lrm_core.io.json_files import read_json, write_json


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "config.json"
    write_json(path, {"a": [1, 2.5, "ü"]})
    assert read_json(path) == {"a": [1, 2.5, "ü"]}
    path.write_text('\ufeff{"a": 1}', encoding="utf-8")  # as Windows editors save it
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"", b"[" * 100_000])
def test_what_is_not_a_json_object_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json") as caught:
        read_json(path)
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json: cannot be read \(No such file"):
        read_json(tmp_path / "absent.json")
