import av
import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import OutputError
from lrm_core.io.video_files import write_video


def frames(count=12, height=32, width=48):
    """A bright square that moves over a smooth background."""
    y, x = np.mgrid[:height, :width]
    result = np.zeros((count, height, width, 3), dtype=np.uint8)
    for index in range(count):
        result[index, ..., 0] = 80 + y
        result[index, ..., 1] = 60 + x
        result[index, 8:20, 2 + 2 * index : 14 + 2 * index] = (220, 200, 40)
    return result


def read_back(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(decoded), float(stream.average_rate), stream.codec_context.name


def test_mp4_reads_back(tmp_path):
    written = frames()
    write_video(tmp_path / "turn.mp4", written, fps=12.5)
    read, rate, codec = read_back(tmp_path / "turn.mp4")
    assert read.shape == written.shape
    assert rate == pytest.approx(12.5)
    assert codec in ("h264", "mpeg4")
    assert np.abs(read.astype(int) - written).mean() < 6
    assert [path.name for path in tmp_path.iterdir()] == ["turn.mp4"]


def test_mpeg4_takes_over_where_the_wheel_has_no_h264(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    write_video(tmp_path / "turn.mp4", frames())
    read, rate, codec = read_back(tmp_path / "turn.mp4")
    assert (codec, rate) == ("mpeg4", 24.0)
    assert np.abs(read.astype(int) - frames()).mean() < 6


def test_odd_sizes_are_doubled_at_the_edge(tmp_path):
    write_video(tmp_path / "odd.mp4", frames(height=31, width=47))
    read, _, _ = read_back(tmp_path / "odd.mp4")
    assert read.shape == (12, 32, 48, 3)


def test_gif_reads_back(tmp_path):
    written = frames()
    write_video(tmp_path / "turn.gif", iter(written), fps=10.0)
    with Image.open(tmp_path / "turn.gif") as image:
        assert image.n_frames == len(written)
        assert image.size == (48, 32)
        assert image.info["loop"] == 0
        for index in range(image.n_frames):
            image.seek(index)
            assert image.info["duration"] == 100
            seen = np.asarray(image.convert("RGB")).astype(int)
            assert np.abs(seen - written[index]).mean() < 8


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [("turn.avi", 1, "'.avi'"), ("turn", 1, "''"), ("turn.mp4", 0, "at least one frame")],
)
def test_what_cannot_be_written(tmp_path, name, count, message):
    with pytest.raises(OutputError, match=message):
        write_video(tmp_path / name, frames(12)[:count])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["turn.mp4", "turn.gif"])
def test_an_interruption_leaves_the_older_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"older")

    def interrupted():
        yield from frames(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / name, interrupted())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"older"
