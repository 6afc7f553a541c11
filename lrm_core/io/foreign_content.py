"""What a file holds in place of what its name says: a failed download, another format."""

from __future__ import annotations

_LARGEST_HEAD = 512


def foreign_content(content: bytes) -> tuple[str, str] | None:
    """What was stored under the name of a picture or mesh, and what to do; None where unknown.

    Args:
        content: the file's bytes, at least the first of them.
    """
    head = content[:_LARGEST_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`"
    if head.startswith((b"<!doctype html", b"<html")):
        return "is a web page, not the file itself", "download the file again"
    if head.startswith(b"\x1f\x8b"):
        return "is compressed with gzip", "unpack it with gunzip"
    if head.startswith((b"7z\xbc\xaf\x27\x1c", b"rar!")):
        return "is a 7z or RAR archive", "unpack it"
    return None
