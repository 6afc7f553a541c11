"""Toys and keepsakes: robots, wooden block toys, treasure chests."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.paints import Paint, picture, plain
from lrm_core.modeling.palettes import Palette, plain_among, random_paint, random_wood
from lrm_core.modeling.prints import control_panel, label
from lrm_core.modeling.shapes import Shape, box, ellipsoid, extrude, lathe, torus, tube


def robot(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A toy robot of boxes and joints, with a face and a panel."""
    torso_w, torso_h, torso_d = (
        rng.uniform(0.4, 0.75),
        rng.uniform(0.4, 0.7),
        rng.uniform(0.3, 0.45),
    )
    leg, head_w, head_h = rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.85), rng.uniform(0.3, 0.6)
    rounding = rng.uniform(0.02, 0.12)
    main, second = random_paint(rng, palette, 0), plain(palette[1])
    chest = picture(main, control_panel(rng, palette, 1.2), (0, 0), (torso_w * 0.7, torso_h * 0.6))
    middle = leg + torso_h / 2
    crown = leg + torso_h + head_h / 2 + 0.06
    pieces = [
        Piece(box([torso_w, torso_d, torso_h], rounding, 10).moved(z=middle), chest),
        Piece(box([head_w, torso_d * 1.1, head_h], rounding, 10).moved(z=crown), main),
        Piece(tube([[0, 0, middle], [0, 0, crown]], 0.09), second),
    ]
    visor = box([head_w * 0.8, 0.06, head_h * 0.5], rounding=0.03).moved(0, -torso_d * 0.55, crown)
    if rng.random() < 0.6:
        pieces.append(Piece(visor, plain(palette[4])))
    eye = ellipsoid([0.07, 0.05, 0.07], divisions=8).moved(
        head_w * 0.2, -torso_d * 0.58, crown + 0.03
    )
    pieces += mirrored([Piece(eye, plain_among(rng, palette, 2, 3))])
    arm_z = leg + torso_h * 0.85
    hand = (
        torso_w / 2 + rng.uniform(0.12, 0.35),
        -rng.uniform(0, 0.3),
        leg + rng.uniform(-0.05, torso_h),
    )
    shoulder = (torso_w / 2 - 0.03, 0.0, arm_z)
    elbow = tuple((np.array(hand) + shoulder) / 2 + [0.08, 0.03, 0])
    limb = rng.uniform(0.06, 0.1)
    side = [
        Piece(tube([shoulder, elbow, hand], limb, samples=14), second),
        Piece(ellipsoid([limb * 1.5] * 3, divisions=8).moved(*shoulder), main),
        Piece(ellipsoid([limb * 1.6] * 3, exponent=3, divisions=8).moved(*hand), main),
        Piece(
            tube([[torso_w * 0.27, 0, leg + 0.03], [torso_w * 0.3, 0, 0.08]], limb * 1.1), second
        ),
        Piece(box([limb * 3, 0.34, 0.14], 0.04).moved(torso_w * 0.3, -0.05, 0.07), main),
        Piece(
            lathe([[0.08, 0], [0.05, 0.1]]).rotated("y", 90).moved(head_w / 2 - 0.02, 0, crown),
            second,
        ),
    ]
    pieces += mirrored(side)
    if rng.random() < 0.6:
        antenna = tube([[0, 0, crown], [0, 0, crown + head_h / 2 + 0.2]], 0.025)
        bulb = ellipsoid([0.06] * 3, divisions=8).moved(z=crown + head_h / 2 + 0.2)
        pieces += [Piece(antenna, second), Piece(bulb, plain(palette[2]))]
    return pieces


def block_toy(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Wooden toys: a board with pegs and shapes, rings on a rod, stacked cubes."""
    board_paint = random_wood(rng, 0)
    kind = rng.integers(3)
    pieces: list[Piece] = []
    if kind == 0:
        columns, rows = int(rng.integers(2, 5)), int(rng.integers(1, 4))
        pitch = 0.45
        board = box([columns * pitch + 0.15, rows * pitch + 0.15, 0.14], rounding=0.05)
        pieces.append(Piece(board, board_paint))
        for i in range(columns):
            for j in range(rows):
                color, level = plain(palette[int(rng.integers(5))]), 0.05
                for _ in range(int(rng.integers(1, 5))):
                    solid = lathe(
                        [[0.18, 0], [0.19, 0.02], [0.19, 0.12], [0.18, 0.14]],
                        segments=int(rng.choice([3, 4, 6, 28])),
                    ).rotated("z", 45)
                    x, y = (i - (columns - 1) / 2) * pitch, (j - (rows - 1) / 2) * pitch
                    pieces.append(Piece(solid.moved(x, y, level), color))
                    level += 0.13
                    color = plain(palette[int(rng.integers(5))])
    elif kind == 1:
        count = int(rng.integers(3, 8))
        level = 0.1
        pieces.append(Piece(lathe([[0.6, 0], [0.6, 0.1], [0.1, 0.14]]), board_paint))
        for k in range(count):
            thick = rng.uniform(0.08, 0.13)
            doughnut = torus(0.5 * (1 - 0.6 * k / count) - 0.02, thick, 36, 14)
            pieces.append(Piece(doughnut.moved(z=level + thick), plain(palette[k % 5])))
            level += 1.5 * thick
        pieces.append(Piece(tube([[0, 0, 0], [0, 0, level + 0.1]], 0.16), board_paint))
        pieces.append(Piece(ellipsoid([0.22] * 3).moved(z=level + 0.15), plain(palette[2])))
    else:
        level = 0.0
        for k in range(int(rng.integers(2, 6))):
            size = rng.uniform(0.3, 0.5)
            paint: Paint = plain(palette[k % 4])
            for facing in ("-y", "+y", "-x", "+x"):
                image = label(rng, palette, 1.0)
                paint = picture(paint, image, (0, 0), (size * 0.8, size * 0.8), facing=facing)
            cube: Shape = box([size] * 3, rounding=0.03).rotated("z", rng.uniform(-30, 30))
            x, y = rng.uniform(-0.06, 0.06, size=2)
            pieces.append(Piece(cube.moved(x, y, level + size / 2), paint))
            level += size - 0.01
    return pieces


def chest(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A treasure chest or suitcase with bands, corners and a lock."""
    width, depth, height = rng.uniform(0.9, 1.4), rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.7)
    wood = random_wood(rng, 0) if rng.random() < 0.6 else random_paint(rng, palette, 0)
    metal = plain_among(rng, palette, 1, 2, 4)
    angles = np.linspace(0, np.pi, 14)
    rise = rng.uniform(0.1, 0.5) * depth
    arc = np.stack([np.cos(angles) * depth / 2, np.sin(angles) * rise], axis=1)
    flat = np.array([(-depth / 2, -0.03), (depth / 2, -0.03)])
    lid = extrude(np.concatenate([arc, flat]), width).rotated("z", 90)
    pieces = [
        Piece(box([width, depth, height]).moved(z=height / 2), wood),
        Piece(lid.moved(z=height), wood),
    ]
    band = extrude(np.concatenate([arc * 1.06, flat * 1.06]), 0.1).rotated("z", 90)
    for x in np.linspace(-width / 2 + 0.05, width / 2 - 0.05, int(rng.integers(2, 5))):
        pieces.append(Piece(band.moved(x, 0, height), metal))
        pieces.append(Piece(box([0.1, depth * 1.05, height]).moved(x, 0, height / 2 - 0.01), metal))
    plate = box([0.2, 0.06, 0.24], rounding=0.02).moved(0, -depth / 2 - 0.01, height)
    pieces.append(Piece(plate, plain(palette[3])))
    pieces.append(Piece(box([width * 1.02, depth * 1.03, 0.06]).moved(z=height), metal))
    return pieces
