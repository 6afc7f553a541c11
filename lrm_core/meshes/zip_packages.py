"""Zip files that other formats are made of: the same bytes for the same content."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

# the earliest date that a zip file can hold, so that bytes do not depend on the day
_DATE = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER_BYTES = 30
_EXTRA_HEADER_BYTES = 4
# a tag for padding that no one else uses for something (APPNOTE 4.5)
_PADDING_TAG = 0x1986


def pack(members: Mapping[str, bytes], *, compress: bool = True, align: int = 1) -> bytes:
    """A zip file.

    Args:
        members: file names, ASCII, in the order in which they are packed.
        compress: deflate text and the like; images (.png) are stored as they are.
        align: the content of every member begins at a multiple of this many bytes, for readers
            that map the file into memory.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o644 << 16
            if compress and not name.endswith(".png"):
                info.compress_type = zipfile.ZIP_DEFLATED
            begin = target.tell() + _LOCAL_HEADER_BYTES + len(name)
            padding = -begin % align
            if padding:
                # room for the padding's own header
                padding += align if padding < _EXTRA_HEADER_BYTES else 0
                length = padding - _EXTRA_HEADER_BYTES
                info.extra = struct.pack("<HH", _PADDING_TAG, length) + bytes(length)
            archive.writestr(info, content)
    return target.getvalue()
