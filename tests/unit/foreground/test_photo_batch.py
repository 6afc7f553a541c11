"""A folder of photos, stopped, gone on with, damaged, in several processes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import ConfigError, InputError, OutputError
from lrm_core.foreground import photo_batch
from lrm_core.foreground.photo_batch import INDEX, prepare_photos
from lrm_core.foreground.photo_preparation import PhotoSettings, plan_photos

SETTINGS = PhotoSettings(size=64)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four photos of boxes on gray and one file that is none."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(4):
        write_photo(photos / f"photo{index}.png", index)
    (photos / "broken.jpg").write_bytes(b"no image")
    return photos


def write_photo(path: Path, index: int) -> None:
    image = np.full((80, 80, 3), 235, np.uint8)
    image[20:60, 20 + 2 * index : 50] = (200, 10 * index, 40)
    Image.fromarray(image).save(path)


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("photo*.png")}


def test_a_bad_file_is_listed_and_the_rest_prepared(folder, tmp_path):
    done = []
    run = prepare_photos(plan_photos([folder]), SETTINGS, tmp_path / "out", on_progress=done.append)
    assert [photo.name for photo in run.prepared] == [f"photo{i}" for i in range(4)]
    assert [Path(photo).name for photo, _ in run.failures] == ["broken.jpg"]
    assert "not an image" in run.failures[0][1]
    assert sum(done) == 5
    assert run.num_made == 4
    index = json.loads((tmp_path / "out" / INDEX).read_text())
    assert [entry["name"] for entry in index["photos"]] == [f"photo{i}" for i in range(4)]
    assert index["failures"][0]["reason"] == run.failures[0][1]
    assert index["settings"]["size"] == 64
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*(f"photo{i}.png" for i in range(4)), INDEX, "contact_sheet.png"}
    with Image.open(tmp_path / "out" / "photo0.png") as image:
        assert (image.mode, image.size) == ("RGBA", (64, 64))


def test_a_ray_cluster_makes_the_same_files(folder, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    jobs = plan_photos([folder])
    prepare_photos(jobs, SETTINGS, Path("here"))
    ray.init(num_cpus=1, log_to_driver=False, include_dashboard=False)
    try:
        prepare_photos(jobs, SETTINGS, Path("there"), engine="ray")
    finally:
        ray.shutdown()
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_several_processes_make_the_same_files(folder, tmp_path):
    jobs = plan_photos([folder])
    for name, workers in (("one", 1), ("two", 2)):
        run = prepare_photos(jobs, SETTINGS, tmp_path / name, workers=workers)
        assert len(run.failures) == 1
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (tmp_path / "one" / INDEX).read_text() == (tmp_path / "two" / INDEX).read_text()


def test_a_stopped_run_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    jobs = plan_photos([folder])
    whole = photo_batch._prepare_and_write
    tried, stops = [], ["photo2"]

    def stop_at_photo2(settings, out, show, job):
        tried.append(job.name)
        if job.name in stops:
            stops.remove(job.name)
            raise KeyboardInterrupt
        return whole(settings, out, show, job)

    monkeypatch.setattr(photo_batch, "_prepare_and_write", stop_at_photo2)
    with pytest.raises(KeyboardInterrupt):
        prepare_photos(jobs, SETTINGS, out)
    tried.clear()
    write_photo(folder / "photo0.png", 3)  # another picture: made again
    (out / "photo1.png").rename(out / "photo1.gone")  # a result that is gone: made again
    run = prepare_photos(jobs, SETTINGS, out, resume=True)
    assert tried == ["broken", "photo0", "photo1", "photo2", "photo3"]
    tried.clear()
    again = prepare_photos(jobs, SETTINGS, out, resume=True)
    assert tried == ["broken"]
    assert again.num_made == 0
    assert again.prepared == run.prepared
    fresh = prepare_photos(jobs, SETTINGS, tmp_path / "fresh")
    assert fresh.prepared == run.prepared
    assert contents(out) == contents(tmp_path / "fresh")


def test_going_on_with_other_settings_is_refused(folder, tmp_path):
    jobs, out = plan_photos([folder]), tmp_path / "out"
    prepare_photos(jobs, SETTINGS, out)
    with pytest.raises(ConfigError, match="was begun with"):
        prepare_photos(jobs, PhotoSettings(size=32), out, resume=True)
    (out / INDEX).write_text('{"settings": 1')
    with pytest.raises(InputError, match="is damaged"):
        prepare_photos(jobs, SETTINGS, out, resume=True)


def test_nothing_is_replaced_unasked_and_no_photo_ever(folder, tmp_path):
    jobs, out = plan_photos([folder]), tmp_path / "out"
    prepare_photos(jobs, SETTINGS, out)
    with pytest.raises(OutputError, match="exists already"):
        prepare_photos(jobs, SETTINGS, out)
    write_photo(folder / "photo1.png", 0)
    (folder / "photo2.png").write_bytes(b"broken now")
    run = prepare_photos(jobs, SETTINGS, out, overwrite=True)
    assert contents(out)["photo1.png"] == contents(out)["photo0.png"]
    assert "photo2.png" not in contents(out)  # no older result is taken for a new one
    assert len(run.failures) == 2
    before = contents(folder)
    with pytest.raises(OutputError, match="replace the input itself"):
        prepare_photos(jobs, SETTINGS, folder, overwrite=True)
    assert contents(folder) == before


def test_a_circle_of_links_is_a_known_error(folder, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    jobs = plan_photos([tmp_path / "loop", folder / "photo1.png"])
    run = prepare_photos(jobs, SETTINGS, tmp_path / "out")
    assert [photo for photo, _ in run.failures] == [str(tmp_path / "loop")]
    with pytest.raises(OutputError, match="is not a folder"):
        prepare_photos(jobs, SETTINGS, tmp_path / "loop")


def test_overwriting_leaves_nothing_of_an_earlier_run(folder, tmp_path):
    jobs, out = plan_photos([folder])[1:], tmp_path / "out"
    prepare_photos(jobs, SETTINGS, out, show=True)
    (out / "mine.png").write_bytes(b"")
    (out / f"{jobs[0].name}.txt").write_bytes(b"")
    prepare_photos(jobs[:1], SETTINGS, out, overwrite=True)
    kept = {f"{jobs[0].name}.png", f"{jobs[0].name}.txt", "mine.png", INDEX, "contact_sheet.png"}
    assert {path.name for path in out.iterdir()} == kept


def test_a_full_disk_ends_the_run(folder, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError):
        prepare_photos(plan_photos([folder]), SETTINGS, tmp_path / "out")


def test_a_photo_that_is_named_twice_is_prepared_once(tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    jobs = plan_photos([tmp_path, tmp_path / "a.png", tmp_path / "a.png"])
    assert [(job.photo, job.name) for job in jobs] == [(tmp_path / "a.png", "a")]
