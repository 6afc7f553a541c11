import torch

from lrm_core.models.camera_embedding import CameraEmbedding, camera_feature
from lrm_core.structures.cameras import Cameras, canonical_camera


def test_canonical_feature_is_openlrms_constant() -> None:
    feature = camera_feature(canonical_camera(512, distance=2.0, focal=0.75), "camera16")
    expected = [1, 0, 0, 0, 0, 0, -1, -2, 0, 1, 0, 0, 0.75, 0.75, 0.5, 0.5]
    torch.testing.assert_close(feature, torch.tensor([expected], dtype=torch.float32))


def test_camera20_holds_the_whole_matrix_row_by_row() -> None:
    c2w = torch.arange(16.0).view(1, 4, 4)
    cameras = Cameras(c2w, torch.tensor([[80.0, 60.0, 20.0, 30.0]]), width=40, height=30)
    feature = camera_feature(cameras, "camera20")
    assert feature[0].tolist() == [*range(16), 2.0, 2.0, 0.5, 1.0]


def test_embedding_does_not_depend_on_the_image_size() -> None:
    torch.manual_seed(0)
    embedding = CameraEmbedding("camera20", 8)
    small, large = (embedding(canonical_camera(size)) for size in (64, 512))
    torch.testing.assert_close(small, large)


def test_embedding_is_linear_silu_linear() -> None:
    torch.manual_seed(0)
    embedding = CameraEmbedding("camera16", 8)
    feature = camera_feature(canonical_camera(64), "camera16")
    first, _, last = embedding.mlp
    inner = feature @ first.weight.T + first.bias
    inner = inner / (1 + torch.exp(-inner))
    expected = inner @ last.weight.T + last.bias
    torch.testing.assert_close(embedding(canonical_camera(64)), expected)
