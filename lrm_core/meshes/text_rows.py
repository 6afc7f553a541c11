"""Arrays as rows of text, for formats that people can read."""

import numpy as np

_ROWS_AT_ONCE = 1 << 16


def text_rows(template: str, values: np.ndarray) -> str:
    """`template % row` for every row of (N, K) values, many rows per formatting call."""
    chunks = (
        values[start : start + _ROWS_AT_ONCE] for start in range(0, len(values), _ROWS_AT_ONCE)
    )
    return "".join(template * len(chunk) % tuple(chunk.ravel().tolist()) for chunk in chunks)
