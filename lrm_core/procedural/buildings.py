"""Buildings and street furniture: houses, towers, temples, hydrants, mailboxes, signs."""

from __future__ import annotations

import numpy as np

from lrm_core.modeling import Real
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.paints import Paint, banded, bricks, clouds, picture, plain, stripes, wrapped
from lrm_core.modeling.palettes import Palette, plain_among, random_paint, random_wood
from lrm_core.modeling.prints import control_panel, label, windows
from lrm_core.modeling.shapes import Shape, box, curve, ellipsoid, extrude, lathe, torus, tube


def _wall_paint(rng: np.random.Generator, palette: Palette) -> tuple[Paint, np.ndarray]:
    """Brick, stone, boards or plaster, and its main color."""
    color = palette[int(rng.choice([0, 3]))]
    kind = rng.integers(4)
    if kind == 0:
        color = np.array([0.65, 0.3, 0.2]) * rng.uniform(0.7, 1.2)
        return bricks(plain(color), plain(0.8), 0.16, 0.07), color
    if kind == 1:
        color = np.full(3, rng.uniform(0.45, 0.75))
        return bricks(clouds(rng, [color * 0.8, color], 0.2), plain(color * 0.6), 0.24, 0.14), color
    if kind == 2:
        return stripes(plain(color), plain(color * 0.7), [0, 0, 1], 0.09, 0.15), color
    return plain(color), color


def _roof_paint(rng: np.random.Generator, palette: Palette) -> Paint:
    tile = plain([palette[1], palette[2], np.array([0.7, 0.33, 0.2])][rng.integers(3)])
    return bricks(tile, plain(palette[4]), 0.13, 0.1, 0.14) if rng.random() < 0.7 else tile


def _glazed(
    rng: np.random.Generator,
    palette: Palette,
    wall: Paint,
    color: np.ndarray,
    size: tuple[Real, Real, Real],
    stories: int,
    *,
    door: bool = True,
) -> Paint:
    """Windows on all four sides of a block that rests about the origin."""
    width, depth, height = size
    glass = np.array([0.35, 0.5, 0.62]) * rng.uniform(0.4, 1.2)
    if rng.random() < 0.3:
        glass = np.array([1.0, 0.85, 0.45])
    frame = palette[int(rng.choice([2, 3, 4]))]
    paint = wall
    for facing in ("-y", "+y", "-x", "+x"):
        span = width if facing[1] == "y" else depth
        columns = max(1, round(span / (height / stories)))
        front = door and facing == "-y"
        facade = windows(rng, color, glass, frame, columns, stories, door=front)
        paint = picture(paint, facade, (0.0, 0.0), (span * 0.94, height), facing=facing)
    return paint


def house(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Walls, a pitched roof, chimney, porch or wing, on a plot of land."""
    width, depth = rng.uniform(0.8, 1.5), rng.uniform(0.7, 1.1)
    stories = int(rng.integers(1, 4))
    height, rise = stories * rng.uniform(0.38, 0.5), rng.uniform(0.3, 0.8)
    wall, color = _wall_paint(rng, palette)
    walls = box([width, depth, height]).moved(z=height / 2)
    pieces = [Piece(walls, _glazed(rng, palette, wall, color, (width, depth, height), stories))]
    roof = _roof_paint(rng, palette)
    eave, thick = rng.uniform(0.06, 0.15), 0.07
    across = rng.random() < 0.5
    span, run = (width, depth) if across else (depth, width)
    half = span / 2
    slope = rise / half
    # its slopes lie inside the tiles, so that both are one solid
    gable_outline = [(half, -0.02), (half, 0.02), (0.0, rise + 0.02), (-half, 0.02), (-half, -0.02)]
    gable = extrude(np.array(gable_outline), run * 0.99)
    tiles = extrude(
        [
                (-half - eave, -eave * slope), (0, rise), (half + eave, -eave * slope),
                (half + eave, -eave * slope + thick), (0, rise + thick * 1.3),
                (-half - eave, -eave * slope + thick),
            ],
        run + 2 * eave,
    )  # fmt: skip
    for shape, paint in ((gable, wall), (tiles, roof)):
        turned = shape if across else shape.rotated("z", 90)
        pieces.append(Piece(turned.moved(z=height), paint))
    if rng.random() < 0.6:
        stack = box([0.14, 0.14, 0.6])
        x = rng.uniform(-0.3, 0.3) * width
        pieces.append(Piece(stack.moved(x, 0.15, height + rise * 0.75), wall))
    if rng.random() < 0.5:
        wing_size = (width * 0.5, depth * 0.7, height * rng.uniform(0.4, 0.8))
        paint = _glazed(rng, palette, wall, color, wing_size, 1, door=False)
        x = width / 2 + wing_size[0] / 2 - 0.04
        pieces.append(Piece(box(wing_size).moved(x, 0.05, wing_size[2] / 2), paint))
        cover = box([wing_size[0] + 0.1, wing_size[1] + 0.12, 0.07])
        pieces.append(Piece(cover.moved(x, 0.05, wing_size[2]), roof))
    if rng.random() < 0.4:
        canopy = box([0.4, 0.3, 0.05]).rotated("x", -12).moved(0, -depth / 2 - 0.08, 0.42)
        posts = [
            tube([[s * 0.17, -depth / 2 - 0.2, 0], [s * 0.17, -depth / 2 - 0.2, 0.4]], 0.025)
            for s in (-1, 1)
        ]
        pieces += [Piece(canopy, roof), *(Piece(post, plain(palette[3])) for post in posts)]
    if rng.random() < 0.6:
        ground = box([width * 1.7, depth * 1.7, 0.08], rounding=float(rng.choice([0.0, 0.03])))
        lawn = clouds(rng, [(0.3, 0.5, 0.2), (0.45, 0.62, 0.3)], 0.15)
        pieces.append(Piece(ground.moved(0.1, 0, -0.03), lawn))
        for _ in range(int(rng.integers(0, 4))):
            spot = rng.uniform([-0.75, -0.8], [-0.62, 0.8]) * [width, depth]
            bush = ellipsoid(
                rng.uniform(0.08, 0.14) * np.array([1, 1, rng.uniform(1, 2.5)]), divisions=8
            )
            pieces.append(Piece(bush.moved(spot[0], spot[1], 0.08), lawn))
    return pieces


def tower(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A castle tower, lighthouse or high-rise."""
    height = rng.uniform(1.3, 1.9)
    wall, color = _wall_paint(rng, palette)
    kind = rng.integers(3)
    if kind == 0:
        width, depth = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.8)
        stories = int(rng.integers(4, 9))
        paint = _glazed(rng, palette, wall, color, (width, depth, height), stories)
        block = box([width, depth, height]).moved(z=height / 2)
        pieces = [Piece(block, paint)]
        if rng.random() < 0.5:
            annex = (width * 1.8, depth * 1.3, height * rng.uniform(0.2, 0.5))
            skirt = _glazed(rng, palette, wall, color, annex, max(1, round(annex[2] / 0.2)))
            pieces.append(Piece(box(annex).moved(z=annex[2] / 2), skirt))
        pieces.append(
            Piece(box([width * 0.4, depth * 0.4, 0.2]).moved(z=height + 0.05), plain(palette[1]))
        )
        return pieces
    low, high = rng.uniform(0.28, 0.4), rng.uniform(0.2, 0.3)
    shaft = lathe([(low, 0), ((low + high) / 2 * 0.95, height / 2), (high, height)], samples=20)
    if kind == 1:
        body = stripes(plain(palette[0]), plain(palette[3]), [0, 0, 1], height / rng.integers(3, 7))
        gallery = lathe([[high, 0], [high * 1.4, 0.06], [high * 1.4, 0.1]])
        lantern = lathe([[high * 0.65, 0], [high * 0.65, 0.25]])
        dome = lathe([(high * 0.85, 0), (high * 0.6, 0.13), (0.03, 0.25)], samples=12)
        glow = plain((1.0, 0.92, 0.6))
        return [
            Piece(shaft, body),
            Piece(gallery.moved(z=height - 0.03), plain(palette[4])),
            Piece(lantern.moved(z=height), glow),
            Piece(dome.moved(z=height + 0.22), plain(palette[0])),
            Piece(lathe([[low * 1.5, -0.1], [low * 1.4, 0.04]]), wall),
        ]
    facade = windows(rng, color, palette[4], palette[3], 5, 4, door=True)
    pieces = [Piece(shaft, wrapped(wall, facade, 0.0, height * 0.95))]
    crown = lathe([[high, 0], [high * 1.25, 0.1], [high * 1.25, 0.2]])
    pieces.append(Piece(crown.moved(z=height - 0.1), wall))
    if rng.random() < 0.5:
        cone = lathe([[high * 1.4, 0], [0.02, rng.uniform(0.4, 0.8)]], segments=28)
        pieces.append(Piece(cone.moved(z=height + 0.08), _roof_paint(rng, palette)))
    else:
        for k in range(8):
            angle = 45 * k
            tooth = box([0.1, 0.13, 0.14]).moved(high * 1.15, 0, height + 0.13).rotated("z", angle)
            pieces.append(Piece(tooth, wall))
    if rng.random() < 0.5:
        base = box([1.3, 0.5, 0.5]).moved(0, 0.1, 0.25)
        pieces.append(Piece(base, _glazed(rng, palette, wall, color, (1.3, 0.5, 0.5), 1)))
    return pieces


def temple(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Steps, a colonnade, an architrave and a gable or dome; an arch now and then."""
    stone = clouds(rng, [palette[3] * 0.8, palette[3]], 0.2)
    width, depth, height = rng.uniform(1.3, 2.0), rng.uniform(0.7, 1.2), rng.uniform(0.5, 0.9)
    pieces = [
        Piece(box([width + 0.3 - 0.12 * k, depth + 0.3 - 0.12 * k, 0.08]).moved(z=0.06 * k), stone)
        for k in range(3)
    ]
    radius = rng.uniform(0.045, 0.08)
    column = lathe(
        [
            (radius * 1.3, 0.1),
            (radius, 0.2),
            (radius * 0.85, height),
            (radius * 1.4, height + 0.12),
        ],
        segments=16,
        samples=12,
    )
    xs = np.linspace(-width / 2 + radius, width / 2 - radius, int(rng.integers(4, 8)))
    ys = np.linspace(-depth / 2 + radius, depth / 2 - radius, int(rng.integers(2, 5)))
    for x in xs:
        for y in ys:
            if x in (xs[0], xs[-1]) or y in (ys[0], ys[-1]):
                pieces.append(Piece(column.moved(x, y), stone))
    cella = box([width * 0.6, depth * 0.6, height]).moved(z=height / 2 + 0.12)
    pieces.append(Piece(cella, random_paint(rng, palette, 0)))
    beam = box([width + 0.06, depth + 0.06, 0.16]).moved(z=height + 0.17)
    pieces.append(Piece(beam, plain_among(rng, palette, 1, 3)))
    roof = _roof_paint(rng, palette)
    if rng.random() < 0.65:
        gable = extrude(
            [(-width * 0.55, 0), (width * 0.55, 0), (0, rng.uniform(0.2, 0.4))], depth + 0.12
        )
        pieces.append(Piece(gable.moved(z=height + 0.23), roof))
    else:
        dome = ellipsoid([depth * 0.4, depth * 0.4, depth * 0.4]).moved(z=height + 0.24)
        pieces.append(Piece(dome, roof))
    return pieces


def hydrant(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A hydrant, bollard or mailbox: a turned post with outlets or a slot."""
    radius, height = rng.uniform(0.24, 0.36), rng.uniform(1.0, 1.6)
    paint = plain(palette[0]) if rng.random() < 0.6 else random_paint(rng, palette, 0)
    other = plain_among(rng, palette, 1, 2)
    outline = [(radius * 1.35, 0.0), (radius * 1.35, 0.08), (radius, 0.1), (radius, height * 0.8)]
    rim = [(radius * 1.25, height * 0.8), (radius * 1.25, height * 0.86)]
    dome = curve(
        [(radius, height * 0.86), (radius * 0.8, height * 0.98), (0.06, height * 1.05)], 10
    )
    body = lathe(np.concatenate([outline, rim, dome]))
    if rng.random() < 0.5:
        pieces = [Piece(body, paint)]
        outlet = lathe(
            [[0.14, 0], [0.14, radius + 0.1], [0.18, radius + 0.1], [0.18, radius + 0.2]]
        )
        pieces += mirrored([Piece(outlet.rotated("y", 90).moved(z=height * 0.58), other)])
        front = lathe([[0.16, 0], [0.16, radius + 0.1], [0.1, radius + 0.16]])
        pieces.append(Piece(front.rotated("x", 90).moved(z=height * 0.5), other))
        cap = lathe([[0.08, 0], [0.08, 0.1], [0.05, 0.13]], segments=6)
        pieces.append(Piece(cap.moved(z=height * 1.04), other))
        return pieces
    sign = label(rng, palette, 0.8)
    printed = picture(paint, sign, (0, height * 0.45), (radius * 1.1, height * 0.3))
    slot = box([radius * 1.2, radius, 0.07]).moved(0, -radius, height * 0.7)
    return [Piece(body, printed), Piece(slot, plain(0.05), cut=True)]


def street_sign(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A post with a board, a traffic light, or a lantern."""
    height = rng.uniform(1.0, 1.6)
    pole = tube([[0, 0, 0], [0, 0, height]], rng.uniform(0.03, 0.06))
    foot = lathe([[0.25, 0], [0.25, 0.05], [0.1, 0.1]])
    metal = plain(palette[4]) if rng.random() < 0.6 else random_wood(rng, 2)
    pieces = [Piece(pole, metal), Piece(foot, metal)]
    kind = rng.integers(3)
    if kind == 0:
        width, tall = rng.uniform(0.5, 1.1), rng.uniform(0.3, 0.8)
        board_paint = plain(palette[3])
        image = label(rng, palette, width / tall)
        board_paint = picture(board_paint, image, (0, 0), (width * 0.96, tall * 0.94))
        sides = int(rng.choice([4, 4, 8, 40]))
        board: Shape = box([width, 0.06, tall])
        if sides != 4:
            board = lathe([[tall / 2, -0.03], [tall / 2, 0.03]], segments=sides)
            board = board.rotated("z", 180 / sides).rotated("x", 90)
            board = Shape(board.vertices, board.faces, board.vertices)
        pieces.append(Piece(board.moved(0, -0.04, height), board_paint))
    elif kind == 1:
        case = box([0.3, 0.24, 0.82], rounding=0.05).moved(0, -0.02, height)
        pieces.append(Piece(case, plain_among(rng, palette, 0, 4)))
        for k, color in enumerate(([0.9, 0.1, 0.1], [0.95, 0.75, 0.1], [0.1, 0.75, 0.3])):
            lens = ellipsoid([0.1, 0.05, 0.1], divisions=8).moved(
                0, -0.14, height + 0.25 - 0.25 * k
            )
            visor = (
                torus(0.1, 0.02, 24, 6).rotated("x", 90).moved(0, -0.15, height + 0.25 - 0.25 * k)
            )
            pieces += [Piece(lens, plain(np.array(color))), Piece(visor, plain(palette[4]))]
    else:
        body = lathe([[0.12, 0], [0.2, 0.35]], segments=6).moved(z=height - 0.05)
        cap = lathe([[0.26, 0], [0.03, 0.2]], segments=6).moved(z=height + 0.28)
        pieces += [Piece(body, plain((1.0, 0.9, 0.6))), Piece(cap, metal)]
    return pieces


def machine(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A cabinet with a front panel: vending machine, stove, washing machine, fridge."""
    width, depth, height = rng.uniform(0.6, 1.0), rng.uniform(0.5, 0.8), rng.uniform(0.8, 1.8)
    base: Paint = plain_among(rng, palette, 0, 3)
    panel = control_panel(rng, palette, width / (0.45 * height))
    front = picture(base, panel, (0, 0.2 * height), (width * 0.9, height * 0.45))
    pieces = [Piece(box([width, depth, height], rounding=0.03), front)]
    kind = rng.integers(3)
    if kind == 0:
        drum = lathe([[0.26, 0], [0.26, 0.05], [0.2, 0.07]]).rotated("x", 90)
        glass = ellipsoid([0.19, 0.08, 0.19], divisions=10)
        pieces.append(Piece(drum.moved(0, -depth / 2 + 0.02, -height * 0.22), plain(palette[2])))
        pieces.append(Piece(glass.moved(0, -depth / 2 - 0.03, -height * 0.22), plain(palette[4])))
    elif kind == 1:
        slot = box([width * 0.6, 0.3, height * 0.14]).moved(0, -depth / 2, -height * 0.3)
        pieces.append(Piece(slot, plain(palette[4]), cut=True))
    else:
        bar = tube(np.array([[0, 0, -0.22], [0, 0, 0.22]]) * height, 0.025)
        pieces.append(
            Piece(bar.moved(width * 0.38, -depth / 2 - 0.02, -height * 0.05), plain(palette[4]))
        )
    feet = banded([plain(palette[4]), base], [0.0])
    pieces += mirrored(
        [
            Piece(box([0.1, 0.1, 0.1]).moved(width * 0.4, y, -height / 2 - 0.03), feet)
            for y in (-depth * 0.38, depth * 0.38)
        ]
    )
    return pieces
