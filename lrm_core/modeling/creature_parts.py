"""What creatures wear on their skin: eyes, horns, wings, spikes."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.paints import gradient, plain
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.shapes import ellipsoid, extrude, lathe, tube


def eyes(
    palette: Palette, center: tuple[Real, Real, Real], radius: Real, *, white: bool
) -> list[Piece]:
    """A pair of eyes that look towards -y; `center` is the one at +x."""
    ball = ellipsoid([radius] * 3, divisions=8)
    eyes = []
    if white:
        eyes.append(Piece(ball.moved(*center), plain((0.96, 0.96, 0.94))))
        pupil = ellipsoid([radius * 0.6] * 3, divisions=6)
        x, y, z = center
        eyes.append(Piece(pupil.moved(x, y - radius * 0.6, z), plain(palette[4] * 0.5)))
    else:
        eyes.append(Piece(ball.moved(*center), plain(palette[4] * 0.4)))
    return mirrored(eyes)


def horns(
    rng: np.random.Generator, palette: Palette, root: tuple[Real, Real, Real], size: Real
) -> list[Piece]:
    """A pair of curved horns; `root` is the one at +x."""
    x, y, z = root
    away, back = rng.uniform(0.1, 0.9) * size, rng.uniform(-0.3, 0.7) * size
    path = [root, (x + away, y + back * 0.4, z + size * 0.6), (x + away, y + back, z + size)]
    horn = tube(path, np.linspace(0.24, 0.04, 14) * size, sides=10, samples=14)
    return mirrored([Piece(horn, plain_among(rng, palette, 2, 3))])


def wings(
    rng: np.random.Generator, palette: Palette, root: tuple[Real, Real, Real], span: Real
) -> list[Piece]:
    """A pair of bat or bird wings, raised and swept back; `root` is the one at +x."""
    tips = int(rng.integers(3, 6))
    turn = rng.uniform(5, 50)
    trailing = [(span * k / tips, -span * (0.45 if k % 2 else 0.2)) for k in range(tips)]
    edge = [(span * 1.05, span * 0.1), (span * 0.55, span * 0.5), (0.0, span * 0.12)]
    outline = np.array([(0.0, -span * 0.2), *trailing[1:], *edge])
    membrane = extrude(outline, 0.05).rotated("z", turn).moved(*root)
    bone = tube([[0, 0, span * 0.1], [span * 0.55, 0, span * 0.5], [span, 0, span * 0.1]], 0.035)
    paint = gradient([palette[2], palette[1]], 0, 0.0, span)
    return mirrored(
        [Piece(membrane, paint), Piece(bone.rotated("z", turn).moved(*root), plain(palette[1]))]
    )


def ridge(palette: Palette, path: np.ndarray, size: Real, color: int) -> list[Piece]:
    """Spikes along a line on the back, embedded in it."""
    spike = lathe([[size * 0.6, -size * 0.6], [0.015, size]], segments=8)
    flat = spike.scaled([0.4, 1.0, 1.0])
    return [Piece(flat.moved(*spot), plain(palette[color])) for spot in path]
