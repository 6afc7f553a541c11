"""The Large Reconstruction Model: one image -> triplane -> radiance field.

Source: paper, section 3 and figure 1. One class serves the paper's presets, lrm-mini, OpenLRM and
TripoSR through `ModelConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lrm_core.config import ModelConfig
from lrm_core.errors import InputError
from lrm_core.imaging.compositing import over_gray
from lrm_core.models.camera_embedding import CameraEmbedding
from lrm_core.models.fine_ray_layers import fine_ray_layers
from lrm_core.models.image_encoder import build_image_encoder
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.ray_layer_decoder import FRONT_PLANE, RayLayerDecoder
from lrm_core.models.triplane_decoder import TriplaneDecoder
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.structures.cameras import Cameras, canonical_camera
from lrm_core.structures.ray_layers import RayLayers
from lrm_core.structures.triplane import Frustum, Triplane

# Resampling may overshoot [0, 1] by rounding; more than this is a mistake of units.
_VALUE_TOLERANCE = 1e-3

# A color this close to the background is background, where an image has no alpha (1.5 / 255).
_BACKGROUND_TOLERANCE = 0.006


@dataclass(frozen=True)
class DecodedImages:
    """What the network predicts from B images.

    Attributes:
        planes: feature planes, float32, of all images or of the first ones alone.
        rays: what every ray of the images meets (`ray_layer_decoder.RAY_OUTPUTS`), float32; None
            for models that do not say.
    """

    planes: Float[Tensor, "N 3 D H W"]
    rays: Float[Tensor, "B 6 S S"] | None = None

    def __getitem__(self, index: int) -> DecodedImages:
        part = slice(index, index + 1)
        return DecodedImages(self.planes[part], None if self.rays is None else self.rays[part])


class LRM(nn.Module):
    """Image encoder, camera embedding, triplane decoder and NeRF MLP.

    Args:
        config: sizes and kinds of all parts.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        decoder = config.decoder
        self.image_encoder = build_image_encoder(config.encoder)
        self.camera_embedding: CameraEmbedding | None = None
        if decoder.camera_feature != "none":
            self.camera_embedding = CameraEmbedding(
                decoder.camera_feature, decoder.camera_embedding_width
            )
        self.decoder = TriplaneDecoder(decoder, config.encoder.width)
        self.ray_layer_decoder: nn.Module | None = None
        if decoder.ray_widths:
            self.ray_layer_decoder = RayLayerDecoder(config)
        self.nerf_mlp = NerfMLP(3 * decoder.channels, config.nerf)
        if self.ray_layer_decoder is not None:
            self.nerf_mlp.add_no_density()

    @property
    def num_parameters(self) -> int:
        """Parameters of all parts."""
        return sum(parameter.numel() for parameter in self.parameters())

    def predict_triplane(
        self,
        image: Float[Tensor, "B C H W"],
        source_camera: Cameras | None = None,
        *,
        detail: Float[Tensor, "B 4 D D"] | None = None,
        tell_camera: bool = True,
    ) -> Triplane:
        """Reconstruct the objects of B images.

        Args:
            image: (B, 3 or 4, S, S) in [0, 1], S = `config.encoder.image_size`, object framed as
                `config.input` says, on any device: checking its values makes nothing wait where
                it lies on the CPU. Four channels are RGBA with straight alpha; three lie on
                the model's background already.
            source_camera: the camera of each image, or one for all; None for the canonical one.
                Models without a camera feature (TripoSR) always assume the canonical one.
            detail: finer copies of the images, straight-alpha RGBA, `config.input.detail_size`
                wide; outline and colors of models that follow the rays of the photo come from them.
            tell_camera: whether the network is told of the source camera; if not, it is told the
                canonical one, as lrm-mini was trained on crops.

        Returns:
            B triplanes in float32, queried with points of the world frame.

        Raises:
            InputError: wrong size, channels or values, or another number of cameras than images.
        """
        self._check_image(image)
        if source_camera is not None and len(source_camera) not in (1, len(image)):
            raise InputError(
                f"{len(source_camera)} source cameras for {len(image)} images",
                hint="pass one camera per image, one for all, or none",
            )
        image = image.to(self.decoder.triplane_tokens.device)
        decoded = self(image, source_camera if tell_camera else None)
        return self.triplane_of(decoded, image if detail is None else detail, source_camera)

    def forward(
        self,
        image: Float[Tensor, "B C S S"],
        source_camera: Cameras | None = None,
        *,
        num_colored: int | None = None,
    ) -> DecodedImages:
        """Encode and decode images that are known to be right.

        Args:
            image: as in `predict_triplane`.
            source_camera: as in `predict_triplane`.
            num_colored: planes and copied colors are made for the first N images only, which saves
                a quarter of a training step; None for all.
        """
        # the weights decide what the layers compute in
        image = self._with_expected_channels(image).to(self.decoder.triplane_tokens.dtype)
        features = self.image_encoder(image)
        camera: Tensor | None = None
        if self.camera_embedding is not None:
            if source_camera is None:
                source_camera = self.canonical_camera()
            camera = self.camera_embedding(source_camera.to(image.device))
            camera = camera.expand(len(image), -1)
        tokens = self.decoder.decode(features.tokens, camera)
        planes = self.decoder.enlarge(tokens[:num_colored])
        rays: Tensor | None = None
        if self.ray_layer_decoder is not None:
            planes, rays = self.ray_layer_decoder(planes, tokens[:, FRONT_PLANE], features)
        # positions and bilinear weights need float32
        return DecodedImages(planes.float(), rays)

    def triplane_of(
        self,
        decoded: DecodedImages,
        photo: Float[Tensor, "B C H W"],
        source_camera: Cameras | None = None,
    ) -> Triplane:
        """The decoded images as triplanes that can be queried.

        Args:
            decoded: what `forward` returned.
            photo: the images, or finer copies of them (B, 4, H, W); outline and colors of models
                that follow the rays of the photo come from there.
            source_camera: as in `triplane`.
        """
        rays: RayLayers | None = None
        if decoded.rays is not None:
            frustum = frustum_of(
                self.canonical_camera() if source_camera is None else source_camera
            )
            photo = self._with_expected_channels(photo).to(decoded.rays)
            rays = fine_ray_layers(
                decoded.rays,
                photo,
                steepness=self.config.nerf.ray_steepness,
                pixel=frustum.distance / (frustum.focal * photo.shape[-1]),
            )
        return self.triplane(decoded.planes, source_camera, rays=rays)

    def triplane(
        self,
        planes: Float[Tensor, "B 3 D H W"],
        source_camera: Cameras | None = None,
        *,
        rays: RayLayers | None = None,
    ) -> Triplane:
        """Planes as `forward` returns them, with the region and axes they cover.

        Args:
            planes: feature planes of B objects.
            rays: what the rays of their photos meet, for models that say so.
            source_camera: the camera of the images; None for the canonical one. Frustum planes are
                aligned with it, so it must be canonical but for distance and focal length, and the
                same for all B.

        Raises:
            InputError: frustum planes with cameras that differ or look elsewhere.
        """
        nerf = self.config.nerf
        frustum: Frustum | None = None
        if nerf.frustum:
            camera = self.canonical_camera() if source_camera is None else source_camera
            frustum = frustum_of(camera)
        return Triplane(planes, nerf.extent, nerf.plane_axes, frustum, rays)

    def field(self, triplane: Triplane) -> TriplaneField:
        """The radiance field of one object (B = 1)."""
        return TriplaneField(triplane, self.nerf_mlp)

    def query(
        self, triplane: Triplane, points: Float[Tensor, "N 3"]
    ) -> tuple[Float[Tensor, "N"], Float[Tensor, "N 3"]]:
        """Density (N,) and rgb (N, 3) of one object at points (N, 3) of the world frame."""
        return self.field(triplane)(points)

    def canonical_camera(self) -> Cameras:
        """The source camera that is assumed where none is given (section 4.2)."""
        camera = self.config.source_camera
        return canonical_camera(
            self.config.encoder.image_size, distance=camera.distance, focal=camera.focal
        )

    def _check_image(self, image: Tensor) -> None:
        size = self.config.encoder.image_size
        if image.ndim != 4 or image.shape[1] not in (3, 4) or image.shape[2:] != (size, size):
            raise InputError(
                f"image has shape {tuple(image.shape)}, expected (B, 3 or 4, {size}, {size})",
                hint=f"{self.config.name} takes square images of {size} x {size} pixels",
            )
        if not image.is_floating_point():
            raise InputError(f"image has type {image.dtype}, expected floats in [0, 1]")
        low, high = (value.item() for value in torch.aminmax(image))
        # written so that NaN fails too
        if not (low >= -_VALUE_TOLERANCE and high <= 1.0 + _VALUE_TOLERANCE):
            raise InputError(
                f"image values lie in [{low:g}, {high:g}], expected [0, 1]",
                hint="divide 8-bit images by 255",
            )

    def _with_expected_channels(self, image: Tensor) -> Tensor:
        background = self.config.input.background
        if self.config.encoder.kind == "rgba":
            if image.shape[1] == 4:
                return image
            distance = (image - background).abs().amax(dim=1, keepdim=True)
            return torch.cat([image, (distance > _BACKGROUND_TOLERANCE).to(image)], dim=1)
        if image.shape[1] == 3:
            return image
        return over_gray(image, background)


def frustum_of(cameras: Cameras) -> Frustum:
    """The perspective that N equal, centered cameras at (0, -d, 0) share.

    Raises:
        InputError: they differ, or are not canonical (paper, section 4.2).
    """
    distance = -float(cameras.origins[0, 1])
    focal = float(cameras.normalized_intrinsics[0, 0])
    expected = canonical_camera(
        cameras.width, distance=distance, focal=focal, num_cameras=len(cameras)
    ).to(cameras.c2w.device)
    same = torch.allclose(cameras.c2w, expected.c2w.to(cameras.c2w), atol=1e-4) and torch.allclose(
        cameras.normalized_intrinsics,
        expected.normalized_intrinsics.to(cameras.intrinsics),
        atol=1e-4,
    )
    if not same or cameras.width != cameras.height:
        raise InputError(
            "this model needs source cameras at (0, -d, 0) that look along +y, all with the same "
            "distance and focal length",
            hint="normalize the cameras first, or predict one image at a time",
        )
    return Frustum(distance, focal)
