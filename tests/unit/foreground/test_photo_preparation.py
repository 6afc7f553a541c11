"""Photos become centered cut-outs: names, masks, boxes and pixels."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import EmptyForegroundError, InputError
from lrm_core.foreground.photo_preparation import (
    PhotoJob,
    PhotoSettings,
    fingerprint,
    photo_sheet,
    plan_photos,
    prepare_photo,
)
from lrm_core.io.image_files import read_mask

BOX = (40, 30, 100, 120)  # left, top, right, bottom
RED = (200, 30, 40)


def write_photo(path, box=BOX, size=(200, 160), background=(240, 240, 240)):
    image = np.full((size[1], size[0], 3), background, np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right] = RED
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def write_mask(path, box=BOX, size=(200, 160)):
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return path


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


def test_masks_beside_their_photos_are_no_photos(tmp_path):
    touch(tmp_path, "a__image.png", "a__mask.png", "lone__mask.png", "b.JPG", "notes.txt")
    names = [job.name for job in plan_photos([tmp_path])]
    assert names == ["a__image", "b", "lone__mask"]
    # who names a file means it
    named = plan_photos([tmp_path / "a__mask.png"])
    assert [job.name for job in named] == ["a__mask"]


def test_every_photo_has_a_name_of_its_own(tmp_path):
    touch(tmp_path / "x", "cup.png", "contact_sheet.png")
    touch(tmp_path / "y", "cup.jpg")
    names = [job.name for job in plan_photos([tmp_path / "x", tmp_path / "y"])]
    assert names == ["contact_sheet_2", "cup", "cup_2"]


def test_masks_are_found_by_name(tmp_path):
    touch(tmp_path / "photos", "a__image.png", "b.jpg", "c.png")
    touch(tmp_path / "masks", "a__mask.png", "b.webp")
    jobs = plan_photos([tmp_path / "photos"], tmp_path / "masks")
    assert [job.mask.name for job in jobs] == ["a__mask.png", "b.webp", "c__mask.png"]
    with pytest.raises(InputError, match=r"c__mask\.png: no such file"):
        read_mask(jobs[2].mask)
    # a photo is never its own mask
    (alone,) = plan_photos([tmp_path / "photos" / "c.png"], tmp_path / "photos")
    assert not alone.mask.exists()


@pytest.mark.parametrize(("with_mask", "method"), [(False, "border"), (True, "mask")])
def test_the_object_is_centred_and_scaled(tmp_path, with_mask, method):
    mask = write_mask(tmp_path / "mask.png") if with_mask else None
    photo = write_photo(tmp_path / "photo.png")
    settings = PhotoSettings(256, 0.5, background_removal="border")
    record, image, _ = prepare_photo(PhotoJob(photo, "p", mask), settings)
    assert record.method == method
    assert record.image_size == (200, 160)
    np.testing.assert_allclose(record.box, BOX, atol=1)
    assert record.foreground == pytest.approx(60 * 90 / (200 * 160), rel=0.05)
    assert image.shape == (256, 256, 4)
    rows, columns = np.nonzero(image[..., 3] >= 128)
    # the longer side, 90 pixels, becomes half of the image; the shorter follows
    np.testing.assert_allclose([np.ptp(rows) + 1, np.ptp(columns) + 1], [128, 128 * 6 / 9], atol=3)
    np.testing.assert_allclose([rows.mean(), columns.mean()], [127.5, 127.5], atol=1)
    np.testing.assert_allclose(image[128, 128], (*RED, 255), atol=1)
    assert (image[image[..., 3] == 0] == [255, 255, 255, 0]).all()


def test_without_removal_the_whole_picture_is_padded(tmp_path):
    photo = write_photo(tmp_path / "photo.png", size=(200, 100))
    settings = PhotoSettings(100, background_removal="none")
    record, image, _ = prepare_photo(PhotoJob(photo, "p"), settings)
    assert record.box == (0, 0, 200, 100)
    assert (image[30:70, :, 3] == 255).all()
    assert (image[:20, :, 3] == 0).all()


def test_a_picture_without_an_object_is_refused(tmp_path):
    photo = write_photo(tmp_path / "photo.png", box=(0, 0, 0, 0))
    with pytest.raises(EmptyForegroundError):
        prepare_photo(PhotoJob(photo, "p"), PhotoSettings())


def test_the_fingerprint_covers_photo_and_mask(tmp_path):
    photo, mask = write_photo(tmp_path / "p.png"), write_mask(tmp_path / "m.png")
    both = hashlib.sha256(photo.read_bytes() + mask.read_bytes()).hexdigest()
    assert fingerprint(PhotoJob(photo, "p", mask)) == both
    assert fingerprint(PhotoJob(photo, "p")) == hashlib.sha256(photo.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="cannot be read"):
        fingerprint(PhotoJob(tmp_path / "absent.png", "p"))


def test_the_sheet_shows_photo_and_cut_out_on_a_board(tmp_path):
    photo = write_photo(tmp_path / "photo.png", size=(160, 160))
    record, image, _ = prepare_photo(PhotoJob(photo, "p"), PhotoSettings(160))
    Image.fromarray(image).save(tmp_path / "p.png")
    sheet = photo_sheet([record] * 100, tmp_path)
    grays = [np.all(sheet == gray, axis=-1) for gray in (170, 205)]
    red = np.all(np.abs(sheet.astype(int) - RED) < 8, axis=-1)
    # 64 of 100 photos: in every row of cells a cut-out, half board, beside its photo
    assert grays[0].sum() == pytest.approx(grays[1].sum(), rel=0.25)
    assert red.sum() == pytest.approx(64 * (60 * 90 + 120 * 80), rel=0.1)


def test_hand_made_masks_of_real_photos_are_kept(photo_dir):
    jobs = [job for job in plan_photos([photo_dir], photo_dir) if job.name.endswith("__image")]
    assert len(jobs) == 8
    for job in jobs[:2]:
        truth = read_mask(job.mask)
        record, *_ = prepare_photo(job, PhotoSettings(128))
        assert record.method == "mask"
        assert record.foreground == pytest.approx((truth >= 128).mean(), abs=0.01)
