"""Toy vehicles, nose towards -y: cars, buses, trucks, tractors, excavators, motorcycles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lrm_core.household.toy_aircraft import aircraft
from lrm_core.household.vehicle_parts import (
    GLASS,
    HEADLIGHT,
    TAILLIGHT,
    TIRE,
    lamps,
    side_windows,
    wheels,
)
from lrm_core.modeling import Real
from lrm_core.modeling.artwork import logo, package_front, readable, write
from lrm_core.modeling.assembly import Piece, mirrored, placed
from lrm_core.modeling.families import Family
from lrm_core.modeling.materials import metal, patched
from lrm_core.modeling.paints import Paint, masked, picture, plain, stripes
from lrm_core.modeling.palettes import Palette, plain_among
from lrm_core.modeling.prints import canvas
from lrm_core.modeling.sections import arch, side_plate, side_view, standing_box, strip
from lrm_core.modeling.shapes import box, curve, ellipsoid, lathe, torus, tube


def _livery(rng: np.random.Generator, palette: Palette, middle: Real) -> Paint:
    """A racing stripe and a number on the doors, at the height `middle`, now and then."""
    paint: Paint = plain(palette[0])
    if rng.random() < 0.4:
        paint = masked(
            paint,
            plain(palette[3]),
            lambda p, n: (np.abs(np.abs(p[:, 0]) - 0.11) < 0.06) & (n[:, 2] > 0.3),
        )
    if rng.random() < 0.5:
        number = canvas(64, 1.0)
        write(
            rng,
            number,
            readable(palette[0], palette[2]),
            (0, 0, 1, 1),
            text=str(rng.integers(1, 99)),
        )
        paint = picture(paint, number, (0.05, middle), (0.3, 0.26), facing="-x +x")
    return paint


def _car(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A sedan, sports car or station wagon, smooth, sometimes with a number and stripes."""
    low, wide = rng.uniform(0.12, 0.2), rng.uniform(0.42, 0.5)
    hood, roof = rng.uniform(0.42, 0.52), rng.uniform(0.66, 0.88)
    tail = hood + rng.uniform(0.0, 0.1)
    knots = [
        (-1.0, hood - 0.12), (-0.92, hood - 0.03), (-0.4, hood), (0.3, hood + 0.02),
        (0.95, tail), (1.0, tail - 0.12),
    ]  # fmt: skip
    y, top = curve(knots, 26).T
    paint = _livery(rng, palette, (low + hood) / 2)
    body = strip(side_view(y, top, low, wide * (1 - 0.25 * np.abs(y) ** 5)), exponent=4.0)
    back = rng.uniform(0.55, 0.95)
    knots = [
        (-0.42, hood - 0.06), (-0.12, roof - 0.02), (0.2, roof), (back - 0.2, roof - 0.04),
        (back, tail - 0.06),
    ]  # fmt: skip
    y, top = curve(knots, 18).T
    half = np.interp(top, [hood - 0.1, roof], [wide * 0.93, wide * 0.78])
    cabin = strip(side_view(y, top, hood - 0.1, half), exponent=4.0, narrowing=0.15)
    glazing = patched(GLASS, plain(palette[0]), 2, roof - 0.06, 9.0)
    glazing = masked(
        glazing,
        plain(palette[0]),
        lambda p, n: (np.abs(p[:, 1] - 0.18) < 0.03) & (np.abs(n[:, 0]) > 0.5),
    )
    hub = 0.75 if rng.random() < 0.6 else palette[2]
    radius = rng.uniform(0.18, 0.23)
    pieces = [Piece(body, paint), Piece(cabin, glazing)]
    pieces += wheels(wide - 0.06, (-0.6, 0.6), radius, 0.17, hub)
    pieces += lamps(wide, -0.97, hood - 0.14, HEADLIGHT)
    return pieces + lamps(wide, 0.98, tail - 0.14, TAILLIGHT)


def _bus(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A bus, camper or delivery van."""
    wide, high, long = rng.uniform(0.36, 0.42), rng.uniform(0.75, 1.0), 1.0
    body = standing_box([2 * wide, 2 * long, high], 0.1, 12)
    paint = patched(plain(palette[0]), plain_among(rng, palette, 1, 3), 2, -1.0, high * 0.45)
    count = int(rng.integers(3, 7))
    cuts = np.linspace(-0.8, 0.9, count + 1)
    van = rng.random() < 0.35
    spans = [(-0.8, -0.45)] if van else [(a, b - 0.06) for a, b in pairwise(cuts.tolist())]
    paint = side_windows(paint, spans, high * 0.52, high * 0.85)
    paint = masked(
        paint,
        GLASS,
        lambda p, n: (n[:, 1] < -0.6) & (p[:, 2] > high * 0.48) & (p[:, 2] < high * 0.88),
    )
    sign = package_front(rng, palette, 1.6) if van else logo(rng, palette[2], 2.0)
    spot, size = (
        ((0.2, high * 0.5), (1.0, high * 0.6)) if van else ((0.3, high * 0.25), (0.6, 0.25))
    )
    paint = picture(paint, sign, spot, size, facing="-x +x")
    pieces = [Piece(body.moved(z=0.13), paint)]
    pieces += wheels(wide - 0.05, (-0.62, 0.62), 0.17, 0.14, 0.7)
    return pieces + lamps(wide, -1.0, 0.3, HEADLIGHT)


def _cargo(rng: np.random.Generator, palette: Palette, wide: Real) -> list[Piece]:
    """A box with a print on both sides."""
    load = standing_box([2 * wide, 1.35, 0.85], 0.02).moved(0, 0.27, 0.24)
    paint: Paint = plain(palette[3])
    image = package_front(rng, palette, 1.6)
    paint = picture(paint, image, (0, 0.42), (1.25, 0.75), facing="-x +x")
    return [Piece(load, paint)]


def _tipper(rng: np.random.Generator, palette: Palette, wide: Real) -> list[Piece]:
    """An open bed, level or tipped."""
    tilt = float(rng.choice([0.0, 0.0, -25.0]))
    outer = standing_box([2 * wide + 0.06, 1.4, 0.5], 0.02).rotated("x", tilt)
    inner = standing_box([2 * wide - 0.06, 1.28, 0.5]).moved(z=0.07).rotated("x", tilt)
    lift = 0.24 + 0.3 * float(np.sin(np.radians(-tilt)))
    color = plain(palette[1])
    post = standing_box([0.3, 0.5, lift]).moved(0, 0.1, 0.2)
    return [
        Piece(outer.moved(0, 0.25, lift), color),
        Piece(inner.moved(0, 0.25, lift), color, cut=True),
        Piece(post, plain(palette[4])),
    ]


def _ladder(rng: np.random.Generator, palette: Palette, wide: Real) -> list[Piece]:
    """A fire engine's body, ladder and lamp."""
    red = plain(np.array([0.8, 0.08, 0.08]) if rng.random() < 0.7 else palette[0])
    load = standing_box([2 * wide, 1.35, 0.55], 0.03).moved(0, 0.27, 0.24)
    rungs = box([0.28, 1.7, 0.05]).rotated("x", rng.uniform(0, 22)).moved(0, 0.15, 0.98)
    post = standing_box([0.22, 0.22, 0.35]).moved(0, 0.25, 0.72)
    steps = stripes(plain(0.85), plain(0.35), [0, 1, 0], 0.12, 0.55)
    band = patched(red, plain(palette[3]), 2, 0.2, 0.28)
    light = ellipsoid([0.1, 0.08, 0.08]).moved(0, -0.7, 0.95)
    blue = plain((0.1, 0.3, 0.9))
    return [Piece(load, band), Piece(rungs, steps), Piece(post, red), Piece(light, blue)]


def _truck(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A cab with a box, a tipper's bed or a fire engine's ladder."""
    wide = 0.38
    cab = standing_box([2 * wide, 0.55, 0.75], 0.08, 10).moved(0, -0.72, 0.18)
    face = masked(
        plain(palette[0]),
        GLASS,
        lambda p, n: (
            (np.abs(n[:, 2]) < 0.5) & (p[:, 2] > 0.38) & (p[:, 2] < 0.65) & (p[:, 1] < 0.18)
        ),
    )
    frame = standing_box([2 * wide - 0.1, 1.9, 0.12]).moved(0, 0.0, 0.15)
    pieces = [Piece(cab, face), Piece(frame, plain(palette[4]))]
    pieces += [_cargo, _tipper, _ladder][rng.integers(3)](rng, palette, wide)
    pieces += wheels(wide - 0.04, (-0.7, 0.35, 0.75), 0.18, 0.16, 0.7)
    return pieces + lamps(wide, -1.0, 0.3, HEADLIGHT)


def _glazed_cab(palette: Palette) -> Piece:
    """A cab on z = 0.45 behind the middle."""

    def panes(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        level = (points[:, 2] > 0.25) & (points[:, 2] < 0.66)
        inside: np.ndarray = level & (np.abs(normals[:, 2]) < 0.5)
        return inside

    cab = standing_box([0.6, 0.6, 0.75], 0.05, 10).moved(0, 0.35, 0.45)
    return Piece(cab, masked(plain(palette[0]), GLASS, panes))


def _excavator(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Tracks, a cab and an arm with a bucket."""
    color, dark = plain(palette[0]), plain(palette[4])
    base = standing_box([1.0, 1.2, 0.3], 0.1, 8).moved(z=0.05)
    track = standing_box([0.26, 1.35, 0.34], 0.16, 10).moved(0.45, 0, 0)
    tread = stripes(plain(TIRE), plain(0.25), [0, 1, 0], 0.1, 0.4)
    rear = standing_box([0.85, 0.9, 0.35], 0.08, 8).moved(0, 0.25, 0.28)
    high = rng.uniform(1.0, 1.4)
    path = [(0, -0.05, 0.55), (0, -0.7, high), (0, -1.15, 0.95), (0, -1.2, 0.4)]
    arm = tube(path, np.linspace(0.13, 0.08, 16), exponent=4.0, sides=16, samples=16)
    outline = [(-1.05, 0.45), (-1.35, 0.4), (-1.3, 0.15), (-1.0, 0.05), (-1.1, 0.25)]
    bucket = side_plate(outline, 0.42)
    return [
        Piece(base, dark), Piece(rear, color), *mirrored([Piece(track, tread)]), Piece(arm, color),
        *placed([_glazed_cab(palette)], 0, -0.1, 0.1), Piece(bucket, dark),
    ]  # fmt: skip


def _tractor(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """Big wheels behind, a hood with an exhaust pipe; or an excavator."""
    if rng.random() < 0.5:
        return _excavator(rng, palette)
    dark = plain(palette[4])
    hood = standing_box([0.5, 0.95, 0.42], 0.1, 10).moved(0, -0.45, 0.38)
    axle = standing_box([0.55, 1.3, 0.2]).moved(0, 0, 0.25)
    pipe = tube([[0.12, -0.55, 0.7], [0.12, -0.55, 1.15]], 0.045)
    bars = stripes(dark, plain(0.4), [0, 0, 1], 0.07)
    grille = masked(plain(palette[0]), bars, lambda p, n: n[:, 1] < -0.7)
    pieces = [_glazed_cab(palette), Piece(axle, dark), Piece(hood, grille), Piece(pipe, dark)]
    pieces += wheels(0.42, [0.4], rng.uniform(0.36, 0.45), 0.26, palette[1])
    return pieces + wheels(0.34, [-0.65], 0.24, 0.18, palette[1])


def _motorcycle(rng: np.random.Generator, palette: Palette) -> list[Piece]:
    """A motorcycle or a scooter: two wheels in line, saddle, bars."""
    color, dark, steel = plain(palette[0]), plain(palette[4]), metal(rng)
    radius = rng.uniform(0.28, 0.36)
    wheel = torus(radius - 0.07, 0.085, 32, 10).rotated("y", 90)
    disc = lathe([[radius - 0.06, -0.02], [radius - 0.06, 0.02]], segments=28).rotated("y", 90)
    pieces: list[Piece] = []
    for y in (-0.68, 0.68):
        pieces += [
            Piece(wheel.moved(0, y, radius), plain(TIRE)),
            Piece(disc.moved(0, y, radius), steel),
        ]
    fork = tube([[0.1, -0.68, radius], [0.1, -0.38, 1.1]], 0.045)
    swing = tube([[0.1, 0.68, radius], [0.1, 0.1, radius + 0.08]], 0.05)
    bar = arch((-0.42, -0.25, 1.02), (0, -0.42, 1.12), (0.42, -0.25, 1.02), 0.035)
    engine = standing_box([0.34, 0.55, 0.36], 0.08, 8).moved(0, 0.0, 0.2)
    tank = ellipsoid([0.2, 0.36, 0.17], exponent=2.4).moved(0, -0.15, 0.78)
    seat = ellipsoid([0.17, 0.45, 0.1], exponent=3.0).rotated("x", 6).moved(0, 0.48, 0.76)
    frame = tube(
        [(0, -0.42, 0.95), (0, -0.1, 0.6), (0, 0.3, 0.6), (0, 0.6, 0.72)], 0.08, samples=14
    )
    lamp = ellipsoid([0.13, 0.1, 0.13]).moved(0, -0.5, 0.92)
    pipe = tube([(0.18, -0.1, 0.3), (0.22, 0.4, 0.24), (0.22, 0.95, 0.34)], 0.055, samples=12)
    post = standing_box([0.16, 0.3, 0.4]).moved(0, 0.05, 0.42)
    fender = ellipsoid([0.12, 0.3, 0.08]).moved(0, -0.66, 2 * radius)
    return [
        *pieces,
        Piece(engine, steel),
        Piece(frame, color),
        Piece(tank, color),
        Piece(seat, dark),
        Piece(bar, dark),
        Piece(lamp, plain((0.95, 0.93, 0.75))),
        Piece(pipe, steel),
        Piece(post, dark),
        Piece(fender, color),
        *mirrored([Piece(fork, steel), Piece(swing, dark)]),
    ]


# Toy vehicles.
toy_vehicle = Family(
    {
        "car": (_car, 0.3),
        "bus": (_bus, 0.14),
        "truck": (_truck, 0.2),
        "tractor": (_tractor, 0.12),
        "aircraft": (aircraft, 0.15),
        "motorcycle": (_motorcycle, 0.09),
    }
)
