"""A run resumes on the data it was begun with and on no other; the difference is named."""

from pathlib import Path

import pytest

from lrm_core.errors import TrainingError
from lrm_core.training.run.data_binding import require_same_data, summarize, write_listing

BALLS = [("1/shard-000000.tar", "a1"), *((f"1/ball-{index}", "train") for index in range(5))]
CHECKPOINT = Path("run/checkpoints/step-00000002.pt")


def message(before: list[tuple[str, str]], now: list[tuple[str, str]], folder: Path) -> str:
    with pytest.raises(TrainingError) as caught:
        require_same_data(summarize(before), now, folder, CHECKPOINT)
    assert f"--init {CHECKPOINT} -o ANOTHER_FOLDER" in caught.value.hint
    assert f"has changed since the checkpoints of {folder}: " in caught.value.message
    return caught.value.message.split(": ", 1)[1]


def test_the_same_data_is_accepted(tmp_path: Path):
    require_same_data(summarize(BALLS), list(BALLS), tmp_path, CHECKPOINT)
    # checkpoints of older releases are not bound
    require_same_data(None, BALLS, tmp_path, CHECKPOINT)


def test_differences_are_counted_and_named(tmp_path: Path):
    write_listing(tmp_path, BALLS)
    more = [*BALLS, ("1/ball-7", "train"), ("1/ball-8", "train")]
    assert message(BALLS, more, tmp_path) == "2 added (1/ball-7, 1/ball-8)"
    other = [("1/shard-000000.tar", "b2"), *BALLS[2:], ("1/ball-7", "train")]
    assert message(BALLS, other, tmp_path) == (
        "1 added (1/ball-7); 1 removed (1/ball-0); 1 changed (1/shard-000000.tar)"
    )
    moved = [*BALLS[:-1], ("1/ball-4", "val")]
    assert message(BALLS, moved, tmp_path) == "1 changed (1/ball-4)"
    assert message(BALLS, BALLS[:1], tmp_path) == "5 removed (1/ball-0, 1/ball-1, 1/ball-2, ...)"
    assert message(BALLS, BALLS[::-1], tmp_path) == "the same objects in another order"


def test_names_may_hold_anything_and_come_twice(tmp_path: Path):
    odd = [('a "ball", red', "1"), ("line\nbreak", "2"), ("twice", "3"), ("twice", "3")]
    write_listing(tmp_path, odd)
    assert message(odd, odd[1:], tmp_path) == '1 removed (a "ball", red)'
    assert message(odd, odd[:3], tmp_path) == "1 removed (twice)"


def test_without_the_listing_there_are_numbers(tmp_path: Path):
    """A checkpoint may be copied into another folder."""
    assert message(BALLS, BALLS[1:], tmp_path) == "5 objects and shards, were 6"
    same_number = [*BALLS[1:], ("1/ball-9", "train")]
    expected = "6 objects and shards with other names or contents"
    assert message(BALLS, same_number, tmp_path) == expected
    write_listing(tmp_path, BALLS[:2])  # the listing of another run says nothing
    assert message(BALLS, same_number, tmp_path) == expected
    (tmp_path / "objects.csv").write_bytes(b"name,content\nbroken\xff\n")
    assert message(BALLS, same_number, tmp_path) == expected
