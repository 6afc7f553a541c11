import numpy as np
from PIL import Image

from lrm_core.errors import EmptyForegroundError, InputError
from lrm_core.foreground.mask_picture import with_mask_picture

MASK = np.eye(8, dtype=np.uint8) * 255


def test_the_mask_is_written_beside_the_result_and_named(tmp_path):
    error = EmptyForegroundError("no object", "give a mask", MASK)
    told = with_mask_picture(error, tmp_path / "cup.obj", overwrite=False)
    np.testing.assert_array_equal(Image.open(tmp_path / "cup.mask.png"), MASK)
    assert str(tmp_path / "cup.mask.png") in told.message
    assert told.hint == "give a mask"
    assert told.exit_code == error.exit_code


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "cup.mask.png").write_text("mine")
    error = EmptyForegroundError("no object", "", MASK)
    assert with_mask_picture(error, tmp_path / "cup.obj", overwrite=False) is error
    assert (tmp_path / "cup.mask.png").read_text() == "mine"
    with_mask_picture(error, tmp_path / "cup.obj", overwrite=True)
    np.testing.assert_array_equal(Image.open(tmp_path / "cup.mask.png"), MASK)


def test_other_errors_and_places_that_cannot_be_written_change_nothing(tmp_path):
    for error in (InputError("damaged"), EmptyForegroundError("no object")):
        assert with_mask_picture(error, tmp_path / "cup.obj", overwrite=True) is error
    (tmp_path / "file").write_text("")
    error = EmptyForegroundError("no object", "", MASK)
    assert with_mask_picture(error, tmp_path / "file" / "cup.obj", overwrite=True) is error
