"""Vehicles: cars, trucks, trains, boats, planes; they face -y."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrm_core.modeling import Numbers, Real
from lrm_core.modeling.assembly import Piece, mirrored
from lrm_core.modeling.paints import Paint, banded, picture, plain
from lrm_core.modeling.palettes import Palette, plain_among, random_paint, random_wood
from lrm_core.modeling.prints import label, windows
from lrm_core.modeling.shapes import Shape, box, curve, ellipsoid, extrude, lathe, loft, ring, tube

_GLASS = np.array([0.25, 0.35, 0.45])


def _side_view(outline: Sequence[tuple[Real, Real]], width: Real, divisions: int = 0) -> Shape:
    """An extrusion across x whose side view is given as (y, z) corners."""
    return extrude(np.array(outline), width, divisions).rotated("z", 90)


def _wheels(
    rng: np.random.Generator, palette: Palette, stations: Numbers, track: Real, radius: Real
) -> list[Piece]:
    """Pairs of wheels with hubs at (±track / 2, y, radius) for y in stations."""
    width = radius * rng.uniform(0.5, 0.8)
    tire = lathe(
        [[radius * 0.9, 0], [radius, width * 0.2], [radius, width * 0.8], [radius * 0.9, width]],
        segments=24,
    )
    rim = lathe([[radius * 0.62, -0.02], [radius * 0.5, 0.03], [radius * 0.2, 0.05]])
    black, metal = plain(0.09), plain_among(rng, palette, 2, 3)
    pieces = []
    for y in stations:
        inner = track / 2 - width
        wheel = tire.rotated("y", 90).moved(inner, y, radius)
        hub = rim.rotated("y", 90).moved(inner + width, y, radius)
        axle = tube([[0.0, y, radius], [inner + 0.02, y, radius]], radius * 0.25)
        pieces += [Piece(wheel, black), Piece(hub, metal), Piece(axle, black)]
    return mirrored(pieces)


def _lights(palette: Palette, x: Real, y: Real, z: Real, length: Real) -> list[Piece]:
    """Head lamps at (±x, y, z) and tail lamps `length` behind."""
    front = ellipsoid([0.07, 0.04, 0.055], divisions=6).moved(x, y, z)
    rear = box([0.12, 0.05, 0.08]).moved(x, y + length, z)
    return mirrored([Piece(front, plain((1.0, 0.97, 0.8))), Piece(rear, plain((0.8, 0.08, 0.08)))])


def car(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A body with a glazed cabin, wheel arches and wheels; from toy to sedan."""
    half, width = rng.uniform(0.7, 1.0), rng.uniform(0.7, 0.95)
    # the arch leaves a bit of body before and behind the wheel
    radius = rng.uniform(0.85, 1.0) * min(0.25, (0.38 * half - 0.06) / 1.15)
    sill, belt = radius * 0.8, radius * 0.8 + rng.uniform(0.25, 0.38)
    roof = belt + rng.uniform(0.2, 0.36)
    hood, trunk = rng.uniform(-0.5, -0.15) * half, rng.uniform(0.45, 1.0) * half
    nose = belt - rng.uniform(0.02, 0.15)
    body_outline = [
        (-half, sill), (-half, nose - 0.06), (-half * 0.92, nose), (hood, belt),
        (half * 0.97, belt), (half, belt - 0.08), (half, sill),
    ]  # fmt: skip
    rake = rng.uniform(0.1, 0.35)
    cabin_outline = [
        (hood - 0.04, belt - 0.03), (hood + rake, roof), (trunk - rake * 0.8, roof),
        (trunk, belt - 0.03),
    ]  # fmt: skip
    paint = random_paint(rng, palette, 0) if rng.random() < 0.4 else plain(palette[0])
    if rng.random() < 0.3:
        paint = banded([paint, plain(palette[3]), paint], [-0.08, 0.08], axis=1)
    body = _side_view(body_outline, width, 6)
    arches, stations = [], [-half * 0.62, half * 0.62]
    for y in stations:
        arch = lathe([[radius * 1.15, -1.0], [radius * 1.15, 1.0]], segments=24)
        arches.append(Piece(arch.rotated("y", 90).moved(0, y, radius), plain(0.07), cut=True))
    glass = _side_view(cabin_outline, width * 0.84)
    top = box([width * 0.8, (trunk - hood) - 1.75 * rake, 0.05], rounding=0.02)
    top = top.moved(0, (trunk + hood) / 2 + 0.1 * rake, roof)
    pillars = []
    for a, b in ((0, 1), (3, 2)):
        path = np.array([[width * 0.41, *cabin_outline[a]], [width * 0.41, *cabin_outline[b]]])
        pillars.append(Piece(tube(path, 0.03, sides=6), paint))
    middle = (hood + trunk) / 2
    post = np.array([[width * 0.415, middle, belt - 0.02], [width * 0.415, middle, roof]])
    pillars.append(Piece(tube(post, 0.03, sides=6), paint))
    floor = box([width * 0.6, half * 1.96, 0.1]).moved(z=sill + 0.08)
    grille = box([width * 0.5, 0.05, 0.1]).moved(0, -half, (sill + nose) / 2)
    pieces = [
        Piece(body, paint), *arches, Piece(floor, plain(0.1)),
        Piece(glass, plain(_GLASS * rng.uniform(0.4, 1.2))), Piece(top, paint), *mirrored(pillars),
        Piece(grille, plain(palette[4])),
        *_lights(palette, width * 0.36, -half, nose - 0.12, 2 * half),
        *_wheels(rng, palette, stations, width + 0.04, radius),
    ]  # fmt: skip
    if rng.random() < 0.25:
        sign = box([0.3, 0.14, 0.12], rounding=0.03).moved(0, middle, roof + 0.06)
        pieces.append(Piece(sign, plain(palette[2])))
    return pieces


def truck(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A cab before a box, a tank, an open bed, or a bus body."""
    width, radius = rng.uniform(0.6, 0.8), rng.uniform(0.14, 0.2)
    length, height = rng.uniform(1.1, 1.7), rng.uniform(0.5, 0.9)
    floor = radius * 1.4
    cab_paint = plain(palette[0])
    rear = length - 0.5
    chassis = box([width * 0.6, length + 0.1, 0.12]).moved(0, length / 2 - 0.5, floor)
    cab_height = rng.uniform(0.5, 0.7)
    facade = windows(rng, palette[0], _GLASS, palette[4], 2, 1, door=False)
    glazed = picture(cab_paint, facade, (0.0, 0.1), (width, cab_height * 0.6))
    glazed = picture(glazed, facade, (0.0, 0.1), (0.5, cab_height * 0.6), facing="+x")
    glazed = picture(glazed, facade, (0.0, 0.1), (0.5, cab_height * 0.6), facing="-x")
    cab = box([width, 0.5, cab_height], rounding=0.05, divisions=10)
    pieces = [
        Piece(chassis, plain(0.13)),
        Piece(cab.moved(0, -0.3, floor + cab_height / 2), glazed),
    ]
    kind = rng.integers(4)
    if kind == 0:
        aspect = rear / height
        cargo_paint = plain(palette[1])
        for facing in ("-x", "+x"):
            image = label(rng, palette, aspect)
            cargo_paint = picture(
                cargo_paint, image, (0, 0), (rear * 0.95, height * 0.9), facing=facing
            )
        cargo = box([width * 1.05, rear, height], rounding=0.02)
        pieces.append(Piece(cargo.moved(0, rear / 2, floor + height / 2), cargo_paint))
    elif kind == 1:
        tank = ellipsoid([width / 2, rear / 2, height * 0.42], exponent=4.0)
        pieces.append(
            Piece(
                tank.moved(0, rear / 2 - 0.03, floor + height * 0.4), random_paint(rng, palette, 1)
            )
        )
    elif kind == 2:
        bed = box([width * 1.05, rear, height * 0.6]).moved(0, rear / 2, floor + height * 0.3)
        hole = box([width * 0.93, rear - 0.1, height]).moved(0, rear / 2, floor + height * 0.58)
        paint = random_paint(rng, palette, 1)
        pieces += [Piece(bed, paint), Piece(hole, paint, cut=True)]
        for _ in range(int(rng.integers(0, 6))):
            spot = rng.uniform([-0.2, 0.2, 0.0], [0.2, rear - 0.2, 0.15])
            load = ellipsoid(rng.uniform(0.12, 0.2, size=3), divisions=8)
            load = load.moved(spot[0], spot[1], floor + 0.13 + spot[2] * 0.3)
            pieces.append(Piece(load, random_paint(rng, palette, 2)))
    else:
        count = max(2, round(rear / 0.25))
        side = windows(rng, palette[0], _GLASS, palette[3], count, 1, door=False)
        hull_paint: Paint = banded([plain(palette[0]), plain(palette[1])], [-0.1])
        hull_paint = picture(
            hull_paint, side, (0, 0.15 * height), (rear * 0.95, height * 0.5), facing="-x +x"
        )
        hull = box([width, rear + 0.1, height], rounding=0.08, divisions=10)
        pieces.append(Piece(hull.moved(0, rear / 2 - 0.05, floor + height / 2), hull_paint))
    pieces += _lights(palette, width * 0.27, -0.55, floor + 0.12, length + 0.02)
    stations = [-0.3, rear - 0.25] if length < 1.4 else [-0.3, rear - 0.55, rear - 0.2]
    return pieces + _wheels(rng, palette, stations, width + 0.05, radius)


def train(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A toy steam engine, alone or with a wagon."""
    width, radius = rng.uniform(0.45, 0.6), rng.uniform(0.12, 0.18)
    floor, boiler = radius * 1.5, rng.uniform(0.2, 0.28)
    main, accent = random_paint(rng, palette, 0), plain(palette[1])
    axis = floor + boiler
    body = lathe([[boiler, 0.0], [boiler, 0.8], [boiler * 0.8, 0.86]])
    body = body.rotated("x", 90).moved(0, 0.2, axis)
    stack = lathe([[0.07, 0], [0.07, 0.25], [0.13, 0.4], [0.13, 0.44]])
    cab_height = boiler * 2 + rng.uniform(0.15, 0.4)
    facade = windows(rng, palette[1], _GLASS, palette[3], 1, 1, door=False)
    glazed = accent
    glazed = picture(glazed, facade, (0, 0.08), (0.36, 0.36), facing="-x +x +y")
    pieces = [
        Piece(box([width, 1.35, 0.12]).moved(0, -0.05, floor), plain(palette[4])),
        Piece(body, main),
        Piece(stack.moved(0, -0.45, axis + boiler * 0.8), plain(palette[4])),
        Piece(ellipsoid([0.1, 0.1, 0.12]).moved(0, -0.1, axis + boiler), accent),
        Piece(box([width, 0.45, cab_height]).moved(0, 0.38, floor + cab_height / 2), glazed),
        Piece(box([width * 1.2, 0.6, 0.07]).moved(0, 0.38, floor + cab_height), plain(palette[2])),
        Piece(ellipsoid([0.08, 0.05, 0.08]).moved(0, -0.67, axis), plain(palette[3])),
    ]
    stations = [-0.5, -0.1, 0.35]
    if rng.random() < 0.5:
        wagon = box([width, 0.7, 0.35], rounding=0.03).moved(0, 1.12, floor + 0.12)
        link = box([0.1, 0.4, 0.08]).moved(0, 0.75, floor)
        pieces += [Piece(wagon, random_paint(rng, palette, 2)), Piece(link, plain(palette[4]))]
        stations += [0.95, 1.3]
    return pieces + _wheels(rng, palette, stations, width + 0.12, radius)


def boat(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A hull with a deck, and a cabin with funnel or a mast with sails."""
    length, beam, depth = rng.uniform(0.8, 1.0), rng.uniform(0.25, 0.4), rng.uniform(0.25, 0.45)
    t = np.linspace(-1, 1, 24)
    half_width = beam * np.clip(1 - np.abs(np.where(t < 0, t, t * 0.7)) ** 2.5, 0.04, 1)
    around = ring(20, 2.5)
    around[:, 1] = np.minimum(around[:, 1], 0.0)
    rings = np.empty((24, 20, 3))
    rings[..., 0] = half_width[:, None] * around[:, 0]
    rings[..., 1] = (t * length)[:, None]
    sheer = 0.25 * depth * t**2
    rings[..., 2] = depth * around[:, 1] * np.sqrt(half_width / beam)[:, None] + sheer[:, None]
    hull_paint = banded([plain(palette[1]), plain(palette[0])], [-0.5 * depth])
    pieces = [Piece(loft(rings), hull_paint)]
    if rng.random() < 0.5:
        tall = rng.uniform(0.2, 0.35)
        facade = windows(rng, palette[3], _GLASS, palette[4], 3, 1, door=False)
        cabin_paint: Paint = plain(palette[3])
        cabin_paint = picture(cabin_paint, facade, (0, 0), (0.6, tall * 0.7), facing="-x +x -y")
        cabin = box([beam * 1.2, 0.65, tall], rounding=0.03).moved(0, 0.1, tall / 2 - 0.02)
        roof = box([beam * 1.35, 0.75, 0.05]).moved(0, 0.1, tall)
        funnel = lathe([[0.09, 0], [0.1, 0.3]]).moved(0, 0.2, tall)
        pieces += [
            Piece(cabin, cabin_paint),
            Piece(roof, plain(palette[2])),
            Piece(funnel, banded([plain(palette[0]), plain(palette[4])], [0.2])),
        ]
    else:
        mast = rng.uniform(0.9, 1.5)
        pole = tube([[0, -0.1, -0.1], [0, -0.1, mast]], 0.03)
        pieces.append(Piece(pole, random_wood(rng, 2)))
        main = _side_view([(-0.09, 0.12), (-0.09, mast * 0.95), (0.7 * length, 0.15)], 0.03, 2)
        jib = _side_view([(-0.11, 0.15), (-0.11, mast * 0.8), (-0.8 * length, 0.15)], 0.03, 2)
        sail = random_paint(rng, palette, 3)
        pieces += [Piece(main, sail), Piece(jib, sail)]
    return pieces


def plane(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Fuselage, wings, tail, engines or a propeller."""
    radius, length = rng.uniform(0.11, 0.22), rng.uniform(0.85, 1.0)
    outline = curve(
        [(0.03, -length), (radius, -length * 0.7), (radius, length * 0.2), (radius * 0.25, length)],
        28,
    )
    outline[:, 0] = np.maximum(outline[:, 0], 0.02)
    paint = banded([plain(palette[1]), plain(palette[0]), plain(palette[0])], [-0.03, 0.05], axis=0)
    # lathe axis z becomes y: the nose points to -y
    body = lathe(outline, segments=28).rotated("x", -90)
    span, sweep, chord = rng.uniform(0.7, 1.0), rng.uniform(0.0, 0.5), rng.uniform(0.2, 0.4)
    z = rng.choice([-0.4, 0.6]) * radius

    def wing(span: Real, chord: Real, sweep: Real, y: Real, z: Real) -> Shape:
        corners = [
            (0, y - chord / 2),
            (span, y + sweep),
            (span, y + sweep + chord * 0.5),
            (0, y + chord / 2),
        ]
        return extrude(np.array(corners), 0.05, 2).rotated("x", -90).moved(z=z)

    wing_paint = random_paint(rng, palette, int(rng.choice([0, 2, 3])))
    fin_outline = [(length * 0.6, 0.0), (length * 0.85, 0.38), (length, 0.38), (length * 0.95, 0.0)]
    pieces = [
        Piece(body, paint),
        Piece(_side_view(fin_outline, 0.05), plain(palette[2])),
        *mirrored([Piece(wing(span, chord, sweep, -0.15, z), wing_paint)]),
        *mirrored(
            [Piece(wing(span * 0.4, chord * 0.55, sweep * 0.4, length * 0.8, 0.0), wing_paint)]
        ),
    ]
    canopy = ellipsoid([radius * 0.75, radius * 2.0, radius * 0.8]).moved(
        0, -length * 0.5, radius * 0.6
    )
    pieces.append(Piece(canopy, plain(_GLASS)))
    if rng.random() < 0.5:
        engine = lathe([[0.07, -0.2], [0.09, 0.0], [0.06, 0.2]]).rotated("x", -90)
        pieces += mirrored(
            [Piece(engine.moved(span * 0.4, -0.12 + sweep * 0.3, z - 0.04), plain(palette[3]))]
        )
    else:
        spinner = ellipsoid([0.06, 0.1, 0.06], divisions=8).moved(0, -length, 0)
        blade = box([0.7, 0.03, 0.07]).rotated("y", rng.uniform(0, 180)).moved(0, -length - 0.02, 0)
        pieces += [Piece(spinner, plain(palette[2])), Piece(blade, plain(palette[4]))]
    return pieces
