"""Furniture and a house. Each function draws one object with proportions of its own; its front faces -y; its sides differ."""

from __future__ import annotations

import numpy as np

from contextssl.data.shapes.primitives import DARK, MIDDLE, PALE, Solid


def chair(s: Solid, rng: np.random.Generator) -> None:
    """Four legs, a back, and an armrest on one side."""
    width, depth, seat, back = rng.uniform(0.45, 0.65), rng.uniform(0.45, 0.6), rng.uniform(0.4, 0.55), rng.uniform(0.4, 0.75)
    leg, thick, lean = rng.uniform(0.025, 0.045), rng.uniform(0.04, 0.08), rng.uniform(0, 0.12)
    x, y = width / 2 - leg, depth / 2 - leg
    for side in (-x, x):
        for end in (-y, y):
            s.box((2 * leg, 2 * leg, seat), (side, end, seat / 2), MIDDLE)
    s.box((width, depth, thick), (0, 0, seat), PALE)
    if rng.random() < 0.5:
        s.block((width, thick), (width, thick), back, (0, depth / 2 - thick / 2, seat + back / 2), PALE, shift=(0, lean))
    else:
        for side in np.linspace(-x, x, int(rng.integers(3, 6))):
            s.rod((side, y, seat), (side, y + lean, seat + back), leg, PALE, segments=6)
        s.box((width, thick, 0.12), (0, y + lean, seat + back), PALE)
    arm = rng.uniform(0.18, 0.26)
    s.box((2 * leg, depth, 2 * leg), (x, 0, seat + arm), DARK)
    s.box((2 * leg, 2 * leg, arm), (x, -y, seat + arm / 2), DARK)


def table(s: Solid, rng: np.random.Generator) -> None:
    """A top on four legs, a case of drawers under one end and a vase on the other."""
    width, depth, height = rng.uniform(1.0, 1.5), rng.uniform(0.55, 0.8), rng.uniform(0.55, 0.8)
    leg, thick = rng.uniform(0.03, 0.06), rng.uniform(0.04, 0.08)
    x, y = width / 2 - leg, depth / 2 - leg
    for side in (-x, x):
        for end in (-y, y):
            s.block((leg, leg), (2 * leg, 2 * leg), height, (side, end, height / 2), MIDDLE)
    s.box((width, depth, thick), (0, 0, height + thick / 2), PALE)
    case, drop, count = width * rng.uniform(0.25, 0.35), height * rng.uniform(0.5, 0.85), int(rng.integers(2, 4))
    s.box((case, depth * 0.9, drop), (x - case / 2 - leg, 0, height - drop / 2), PALE)
    for i in range(count):
        z = height - drop * (i + 0.5) / count
        s.box((case * 0.85, 0.03, drop / count * 0.8), (x - case / 2 - leg, -depth * 0.45, z), DARK)
    vase, tall = rng.uniform(0.06, 0.1), rng.uniform(0.2, 0.35)
    profile = [(0, 0), (vase, 0), (vase * 1.3, tall * 0.4), (vase * 0.5, tall * 0.8), (vase * 0.8, tall), (0, tall)]
    s.lathe(profile, (-width * 0.3, depth * 0.2, height + thick), DARK, segments=12)


def lamp(s: Solid, rng: np.random.Generator) -> None:
    """A desk lamp: a foot, an arm of two rods with an elbow, and a tilted shade over one side."""
    foot, lower, upper = rng.uniform(0.2, 0.3), rng.uniform(0.5, 0.7), rng.uniform(0.45, 0.65)
    thin, back, shade = rng.uniform(0.02, 0.035), rng.uniform(0.1, 0.25), rng.uniform(0.17, 0.25)
    s.disc(foot, 0.07, (0, 0, 0.035), MIDDLE, segments=20)
    elbow = (0.0, back, lower)
    drop = rng.uniform(0.0, 0.25)
    head = (0.0, back - upper, lower + upper * (0.5 - drop))
    s.rod((0, 0, 0.05), elbow, thin, DARK)
    s.ball((2 * thin, 2 * thin, 2 * thin), elbow, DARK, segments=8)
    s.rod(elbow, head, thin, DARK)
    tip = (0.0, head[1] - shade * 0.9, head[2] - shade * 1.3)
    s.rod(head, tip, shade * 0.3, PALE, shade, segments=18)
    s.rod((foot * 0.6, 0, 0.06), (foot * 0.6, 0, 0.16), 0.04, DARK)


def sofa(s: Solid, rng: np.random.Generator) -> None:
    """A seat with cushions and a back; the chaise on one side reaches further out and has no armrest."""
    width, depth, seat, back = rng.uniform(1.3, 1.9), rng.uniform(0.6, 0.75), rng.uniform(0.28, 0.38), rng.uniform(0.35, 0.5)
    arm, thick, chaise = rng.uniform(0.14, 0.22), rng.uniform(0.16, 0.24), rng.uniform(0.35, 0.6)
    s.box((width, depth, seat), (0, 0, seat / 2), MIDDLE)
    s.block((width, thick * 1.3), (width, thick), back, (0, depth / 2 - thick / 2, seat + back / 2), PALE, shift=(0, 0.06))
    s.box((arm, depth, seat + back * 0.5), (width / 2 - arm / 2, 0, (seat + back * 0.5) / 2), PALE)
    count = int(rng.integers(2, 4))
    share = (width - arm) / count
    for i in range(count):
        x = -width / 2 + share * (i + 0.5)
        s.box((share * 0.94, depth - thick, 0.12), (x, -thick / 2, seat + 0.05), PALE)
    wide = share * 0.96
    s.box((wide, chaise, seat), (-width / 2 + share / 2, -depth / 2 - chaise / 2, seat / 2), MIDDLE)
    s.box((wide, chaise, 0.12), (-width / 2 + share / 2, -depth / 2 - chaise / 2, seat + 0.05), PALE)
    s.box((share * 0.5, 0.12, share * 0.45), (width / 2 - arm - share * 0.35, depth * 0.08, seat + 0.1 + share * 0.2), DARK, (-20, 0, 0))


def bed(s: Solid, rng: np.random.Generator) -> None:
    """A mattress on a frame, a headboard, a folded blanket over the feet, one pillow, and a bedside table."""
    width, length, height = rng.uniform(0.8, 1.2), rng.uniform(1.6, 1.9), rng.uniform(0.22, 0.34)
    head, mattress = rng.uniform(0.45, 0.8), rng.uniform(0.14, 0.22)
    s.box((width, length, height * 0.5), (0, 0, height * 0.75), DARK)
    x, y = width / 2 - 0.04, length / 2 - 0.04
    for side in (-x, x):
        for end in (-y, y):
            s.box((0.08, 0.08, height), (side, end, height / 2), DARK)
    s.box((width * 0.96, length * 0.97, mattress), (0, 0, height + mattress / 2), PALE)
    s.box((width * 1.04, 0.08, head + height), (0, length / 2, (head + height) / 2), MIDDLE)
    if rng.random() < 0.5:
        s.box((width * 1.04, 0.08, height + mattress + 0.1), (0, -length / 2, (height + mattress + 0.1) / 2), MIDDLE)
    fold = rng.uniform(0.35, 0.6)
    s.box((width * 1.02, length * fold, mattress), (0, -length / 2 * (1 - fold) + 0.05, height + mattress / 2 + 0.04), MIDDLE)
    s.ball((width * 0.24, 0.17, 0.08), (-width * 0.2, length * 0.36, height + mattress + 0.05), DARK)
    wide, top = rng.uniform(0.28, 0.4), height + mattress
    x, y = width / 2 + wide / 2 + 0.08, length / 2 - wide / 2
    s.box((wide, wide, top), (x, y, top / 2), MIDDLE)
    s.disc(wide * 0.25, 0.16, (x, y, top + 0.08), DARK)


def cabinet(s: Solid, rng: np.random.Generator) -> None:
    """A case with drawers on one side and, on the other, a shelf whose door stands open."""
    width, depth, height = rng.uniform(0.7, 1.0), rng.uniform(0.35, 0.5), rng.uniform(0.9, 1.4)
    wall, drawers = 0.04, int(rng.integers(3, 6))
    s.box((width, depth, wall), (0, 0, wall / 2), MIDDLE)
    s.box((width * 1.06, depth * 1.06, wall * 1.5), (0, 0, height), MIDDLE)
    s.box((width, wall, height), (0, depth / 2, height / 2), MIDDLE)
    for x in (-width / 2, 0.0, width / 2):
        s.box((wall, depth, height), (x, 0, height / 2), MIDDLE)
    for i in range(drawers):
        z = height * (i + 0.5) / drawers
        s.box((width * 0.45, depth * 0.9, height / drawers * 0.9), (width / 4, -0.04, z), PALE)
        s.box((width * 0.12, 0.05, 0.04), (width / 4, -depth * 0.45 - 0.06, z), DARK)
    for i in range(1, 3):
        s.box((width * 0.5, depth, wall), (-width / 4, 0, height * i / 3), PALE)
    opening, leaf = rng.uniform(70, 115), width * 0.48
    angle = np.radians(opening)
    at = (-width / 2 + np.cos(angle) * leaf / 2, -depth / 2 - np.sin(angle) * leaf / 2, height / 2)
    s.box((leaf, wall, height * 0.95), at, PALE, (0, 0, -opening))


def piano(s: Solid, rng: np.random.Generator) -> None:
    """A grand piano: a body curved on one side, a raised lid, keys in front, three legs and a stool."""
    width, length, height = rng.uniform(1.0, 1.2), rng.uniform(1.0, 1.5), rng.uniform(0.5, 0.65)
    body = rng.uniform(0.2, 0.28)
    waist, tail = rng.uniform(0.0, 0.12), rng.uniform(0.05, 0.15)
    side = width / 2
    curve = [(side, -0.15), (waist + 0.3 * width, 0.02), (waist + 0.15 * width, 0.2), (waist, 0.42), (-tail, 0.5)]
    outline = np.array([(-side, -0.5), (side, -0.5), *curve, (-side + tail, 0.5), (-side, 0.42)]) * (1, length)
    s.plate(outline, body, (0, 0, height + body / 2), DARK)
    tilt = rng.uniform(28, 45)
    angle = np.radians(tilt)
    # The lid is hinged along the straight side.
    s.plate((outline + np.array([side, 0])) * (1, 0.98), 0.03, (-side, 0, height + body + 0.03), MIDDLE, (0, -tilt, 0))
    s.rod((width * 0.2, 0, height + body), (width * 0.2, 0, height + body + 0.7 * width * np.tan(angle)), 0.015, MIDDLE, segments=6)
    s.box((width * 0.94, 0.2, 0.06), (0, -0.5 * length - 0.08, height + body * 0.35), PALE)
    for x, y in ((-width * 0.42, -0.42), (width * 0.42, -0.42), (-width * 0.2, 0.38)):
        s.rod((x, y * length, 0), (x, y * length, height), 0.04, DARK, 0.06, segments=8)
    s.box((width * 0.5, 0.25, 0.06), (0, -0.5 * length - 0.45, height * 0.7), MIDDLE)
    for x in (-0.2, 0.2):
        s.box((0.05, 0.2, height * 0.7), (x * width, -0.5 * length - 0.45, height * 0.35), MIDDLE)


def house(s: Solid, rng: np.random.Generator) -> None:
    """Walls, a gabled roof, a chimney to one side, a door and windows in front, and a lower annexe."""
    width, depth, wall, roof = rng.uniform(0.8, 1.2), rng.uniform(0.6, 0.8), rng.uniform(0.4, 0.7), rng.uniform(0.3, 0.5)
    s.box((width, depth, wall), (0, 0, wall / 2), PALE)
    s.block((width * 1.1, depth * 1.15), (width * 1.1, 0.03), roof, (0, 0, wall + roof / 2), DARK)
    tall = rng.uniform(0.8, 1.15) * roof
    s.box((0.12, 0.12, tall), (width * rng.uniform(0.25, 0.38), depth * 0.18, wall + roof * 0.35 + tall / 2), MIDDLE)
    s.box((width * 0.17, 0.04, wall * 0.65), (-width * 0.15, -depth / 2, wall * 0.325), DARK)
    for x in (0.12, 0.35):
        s.box((width * 0.14, 0.04, wall * 0.3), (x * width, -depth / 2, wall * 0.6), MIDDLE)
    low, out = wall * rng.uniform(0.5, 0.75), rng.uniform(0.3, 0.5)
    x, y = -width / 2 - out / 2, depth * 0.1
    s.box((out, depth * 0.7, low), (x, y, low / 2), PALE)
    s.block((out * 1.1, depth * 0.8), (0.03, depth * 0.8), low * 0.45, (x, y, low * 1.22), MIDDLE, shift=(out / 2, 0))
