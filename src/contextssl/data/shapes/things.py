"""Things to hold, tools, instruments and an animal. Each function draws one object with proportions of its own; its front faces -y."""

from __future__ import annotations

import numpy as np

from contextssl.data.shapes.primitives import DARK, MIDDLE, PALE, Solid, arc


def mug(s: Solid, rng: np.random.Generator) -> None:
    """An open cup with a handle on one side and a dark badge in front."""
    radius, height, wall = rng.uniform(0.28, 0.4), rng.uniform(0.6, 0.95), rng.uniform(0.03, 0.05)
    flare, thick = rng.uniform(0.8, 1.05), rng.uniform(0.04, 0.07)
    low, inner = radius * flare, radius - wall
    profile = [(0, 0), (low, 0), (radius, height), (inner, height), (inner * flare, 0.06), (0, 0.06)]
    s.lathe(profile, (0, 0, 0), PALE, segments=20)
    bow = (rng.uniform(0.2, 0.3), height * rng.uniform(0.27, 0.36))
    s.tube(arc((radius * 0.93, 0, height * 0.52), bow, -90, 90, "xz"), (0, 1, 0), thick, MIDDLE)
    s.box((radius * 0.5, 0.06, radius * 0.5), (0, -(radius + low) / 2 * 0.95, height * 0.5), DARK)


def monitor(s: Solid, rng: np.random.Generator) -> None:
    """A dark screen in a frame on a stand, buttons below one corner and a cable box behind."""
    width, height, neck = rng.uniform(0.85, 1.1), rng.uniform(0.5, 0.65), rng.uniform(0.14, 0.24)
    rim, foot = rng.uniform(0.03, 0.06), rng.uniform(0.3, 0.5)
    middle = neck + height / 2
    tilt = rng.uniform(-8, 2)
    s.box((width, 0.06, height), (0, 0, middle), PALE, (tilt, 0, 0))
    s.box((width - 2 * rim, 0.066, height - 2 * rim), (0, -0.006, middle + 0.01), DARK, (tilt, 0, 0))
    s.block((width * 0.6, height * 0.6), (width * 0.35, height * 0.35), 0.1, (0, 0.07, middle), MIDDLE, turn=(-90, 0, 0))
    s.box((0.1, 0.05, neck + height * 0.4), (0, 0.07, (neck + height * 0.4) / 2), MIDDLE)
    s.box((foot, 0.28, 0.03), (0, 0.03, 0.015), MIDDLE)
    s.box((0.09, 0.05, 0.09), (width * 0.4, -0.04, neck - 0.03), DARK)
    s.box((0.14, 0.08, 0.3), (-width * 0.3, 0.06, middle), DARK)


def laptop(s: Solid, rng: np.random.Generator) -> None:
    """A flat base with keys and a touch pad, a screen behind it leaning back, and a stick in one side."""
    width, depth, opening = rng.uniform(0.8, 1.0), rng.uniform(0.55, 0.68), rng.uniform(95, 125)
    thick, rows = rng.uniform(0.035, 0.055), int(rng.integers(3, 6))
    s.box((width, depth, thick), (0, 0, thick / 2), PALE)
    for i in range(rows):
        y = depth * (0.4 - 0.42 * (i + 0.5) / rows)
        s.box((width * 0.86, depth * 0.3 / rows, 0.02), (0, y, thick + 0.005), DARK)
    s.box((width * 0.28, depth * 0.24, 0.012), (-width * 0.06, -depth * 0.3, thick + 0.002), MIDDLE)
    lean = np.radians(opening - 90)
    up, back = np.cos(lean) * depth / 2, np.sin(lean) * depth / 2
    tilt = (90 - opening, 0.0, 0.0)
    s.box((width, thick * 0.8, depth), (0, depth / 2 + back, thick + up), PALE, tilt)
    s.box((width * 0.9, thick * 0.8, depth * 0.86), (0, depth / 2 + back - 0.012, thick + up), DARK, tilt)
    s.box((0.13, 0.05, 0.03), (width / 2 + 0.05, depth * 0.1, thick / 2), DARK)


def guitar(s: Solid, rng: np.random.Generator) -> None:
    """A waisted body with a cutaway on one side, a sound hole, a neck and a bent head."""
    lower, upper, waist = rng.uniform(0.2, 0.25), rng.uniform(0.15, 0.19), rng.uniform(0.1, 0.13)
    deep, neck = rng.uniform(0.08, 0.12), rng.uniform(0.42, 0.55)
    right = [(0.0, 0.0), (lower * 0.7, 0.02), (lower, 0.14), (lower * 0.85, 0.26), (waist, 0.34), (upper * 0.97, 0.43), (upper * 0.9, 0.5)]
    left = [(0.03, 0.52), (-upper * 0.3, 0.42), (-upper * 0.75, 0.42), (-waist, 0.34)]
    outline = np.array([*right, *left, *((-x, y) for x, y in right[3:0:-1])])
    # Upright: its x and y become x and z, its face turned to the front.
    s.plate(outline - outline.mean(axis=0), deep, (float(outline[:, 0].mean()), 0, float(outline[:, 1].mean())), PALE, (90, 0, 0))
    s.disc(0.055, 0.02, (0, -deep / 2, 0.36), DARK, (90, 0, 0), 14)
    s.box((0.15, 0.03, 0.03), (0, -deep / 2 - 0.01, 0.16), DARK)
    s.box((0.055, 0.04, neck), (0, -deep / 2 + 0.01, 0.46 + neck / 2), MIDDLE)
    top = 0.46 + neck
    s.block((0.06, 0.03), (0.12, 0.03), 0.15, (0, -deep / 2 + 0.02, top + 0.07), DARK, shift=(0.03, 0.04))
    for i in range(3):
        s.rod((-0.05, -deep / 2 + 0.03, top + 0.03 + 0.04 * i), (-0.1, -deep / 2 + 0.03, top + 0.03 + 0.04 * i), 0.012, PALE, segments=5)


def teapot(s: Solid, rng: np.random.Generator) -> None:
    """A round body with a lid, a spout on one side, a handle on the other, and a dark band in front."""
    radius, squat, reach = rng.uniform(0.3, 0.38), rng.uniform(0.7, 0.95), rng.uniform(0.24, 0.34)
    height = radius * squat
    s.ball((radius, radius, height), (0, 0, height), PALE, segments=18)
    s.lathe([(radius * 0.55, 0), (radius * 0.4, 0.06), (0.05, 0.09), (0.05, 0.14), (0, 0.14)], (0, 0, height * 1.78), MIDDLE)
    s.disc(radius * 0.55, 0.04, (0, 0, 0.02), MIDDLE)
    end = (radius + reach, 0.0, height * rng.uniform(1.5, 1.8))
    s.rod((radius * 0.75, 0, height * 0.75), end, 0.1, MIDDLE, 0.045)
    s.tube(arc((-radius * 0.9, 0, height), (rng.uniform(0.2, 0.28), height * 0.62), 90, 270, "xz"), (0, 1, 0), 0.035, DARK)
    s.ball((radius * 0.4, 0.06, height * 0.4), (0, -radius * 0.95, height), DARK, segments=10)


def hammer(s: Solid, rng: np.random.Generator) -> None:
    """A handle and a head: a round face on one side, a forked claw on the other."""
    length, thin, head = rng.uniform(0.75, 1.0), rng.uniform(0.03, 0.045), rng.uniform(0.08, 0.11)
    s.rod((0, 0, 0), (0, 0, length * 0.5), thin * 1.35, DARK)
    s.rod((0, 0, length * 0.5), (0, 0, length), thin, PALE)
    s.box((0.14, head * 1.2, head * 1.5), (0, 0, length), MIDDLE)
    face = rng.uniform(0.13, 0.2)
    s.rod((0.05, 0, length), (face, 0, length), head * 0.55, MIDDLE)
    s.rod((face, 0, length), (face + 0.07, 0, length), head * 0.8, MIDDLE, segments=14)
    reach = rng.uniform(0.18, 0.26)
    for side in (-1, 1):
        s.tube(arc((-0.05, side * 0.03, length - reach), (reach, reach), 90, 150, "xz", 7), (0, 1, 0), 0.025, MIDDLE, segments=6)
    s.box((0.02, thin * 2.6, length * 0.3), (thin * 1.2, 0, length * 0.25), PALE)


def camera(s: Solid, rng: np.random.Generator) -> None:
    """A body with a lens out of its middle, a grip on one side, a viewfinder hump and a release button."""
    width, height, deep = rng.uniform(0.75, 0.95), rng.uniform(0.48, 0.6), rng.uniform(0.25, 0.34)
    lens, out = rng.uniform(0.17, 0.22), rng.uniform(0.22, 0.5)
    s.box((width, deep, height), (0, 0, height / 2), MIDDLE)
    s.box((width * 0.22, deep * 0.5, height * 0.95), (-width * 0.4, -deep * 0.6, height * 0.48), DARK)
    s.block((width * 0.36, deep), (width * 0.2, deep * 0.7), height * 0.3, (width * 0.05, 0, height * 1.13), DARK)
    x, z = width * 0.08, height * 0.48
    s.rod((x, -deep / 2, z), (x, -deep / 2 - out, z), lens, PALE, lens * rng.uniform(0.85, 1.1), segments=18)
    s.disc(lens * 0.7, 0.02, (x, -deep / 2 - out - 0.005, z), DARK, (90, 0, 0), 16)
    s.disc(0.06, 0.08, (-width * 0.38, -deep * 0.25, height + 0.02), PALE)
    s.disc(0.08, 0.05, (width * 0.38, 0, height + 0.02), DARK)


def tap(s: Solid, rng: np.random.Generator) -> None:
    """A base plate, a column whose spout arches to the front, and a lever on one side."""
    height, reach, thick = rng.uniform(0.5, 0.75), rng.uniform(0.18, 0.27), rng.uniform(0.05, 0.075)
    s.box((rng.uniform(0.4, 0.6), 0.24, 0.05), (0, 0, 0.025), MIDDLE)
    s.rod((0, 0, 0), (0, 0, height), thick, PALE, thick * 0.85)
    path = arc((0, -reach, height), (reach, reach * rng.uniform(0.8, 1.2)), 0, 180, "yz", 11)
    drop = np.array([[0, -2 * reach, height - 0.04 * i] for i in range(1, 4)])
    s.tube(np.concatenate([path, drop]), (1, 0, 0), thick * 0.8, PALE)
    s.rod((0, -2 * reach, height - 0.1), (0, -2 * reach, height - 0.17), thick, DARK)
    knob = height * rng.uniform(0.35, 0.55)
    s.rod((0, 0, knob), (0.16, 0, knob), thick * 0.9, MIDDLE)
    s.rod((0.15, 0, knob), (rng.uniform(0.26, 0.34), 0, knob + rng.uniform(0.14, 0.22)), 0.035, DARK)


def telephone(s: Solid, rng: np.random.Generator) -> None:
    """A wedge-shaped desk set: a handset along one side and keys on the other."""
    width, depth, low, high = rng.uniform(0.7, 0.9), rng.uniform(0.7, 0.85), rng.uniform(0.08, 0.12), rng.uniform(0.22, 0.34)
    slope = np.degrees(np.arctan2(high - low, depth))
    s.block((width, depth), (width, depth), low, (0, 0, low / 2), PALE)
    s.plate(np.array([(-depth / 2, low), (depth / 2, low), (depth / 2, high)]), width, (0, 0, 0), PALE, (90, 0, 90))

    def surface(y: float) -> float:
        return low + (high - low) * (y / depth + 0.5)

    x = -width * 0.3
    end = depth * rng.uniform(0.4, 0.48)
    s.rod((x, -end, surface(-end) + 0.16), (x, end, surface(end) + 0.16), 0.06, DARK)
    for y in (-end, end):
        s.ball((0.12, 0.11, 0.11), (x, y, surface(y) + 0.09), DARK, segments=10)
    for y in (depth * (-0.32 + 0.16 * row) for row in range(4)):
        for column in range(3):
            s.box((0.1, 0.08, 0.06), (width * (0.08 + 0.16 * column), y, surface(y) + 0.01), DARK, (slope, 0, 0))
    s.box((width * 0.45, 0.14, 0.04), (width * 0.23, depth * 0.38, surface(depth * 0.38)), MIDDLE, (slope, 0, 0))


def dog(s: Solid, rng: np.random.Generator) -> None:
    """A body on four legs, a head with a snout and hanging ears turned to one side, a raised tail, a patch on one flank."""
    length, girth, leg = rng.uniform(0.3, 0.4), rng.uniform(0.13, 0.18), rng.uniform(0.22, 0.36)
    height = leg + girth * 0.8
    s.ball((girth, length, girth * 1.05), (0, 0, height), PALE)
    for x in (-1, 1):
        for y in (-0.68, 0.68):
            s.rod((x * girth * 0.6, y * length, 0), (x * girth * 0.55, y * length, height), 0.04, PALE, 0.06, segments=8)
    skull = rng.uniform(0.12, 0.15)
    turn = rng.uniform(0.05, 0.1)
    head = (turn, -length * 1.05, height + rng.uniform(0.2, 0.28))
    s.rod((0, -length * 0.7, height), head, girth * 0.6, PALE, skull * 0.6)
    s.ball((skull * 0.9, skull, skull), head, PALE, segments=12)
    nose = (head[0] + turn, head[1] - skull - rng.uniform(0.06, 0.12), head[2] - 0.04)
    s.rod(head, nose, skull * 0.6, MIDDLE, skull * 0.4)
    s.ball((0.035, 0.03, 0.03), nose, DARK, segments=8)
    for side in (-1, 1):
        s.ball((0.035, 0.06, rng.uniform(0.09, 0.13)), (head[0] + side * skull * 0.95, head[1] + 0.03, head[2]), DARK, segments=8)
    s.rod((0, length * 0.9, height + girth * 0.3), (0.04, length * 1.3, height + girth + rng.uniform(0.1, 0.25)), 0.035, MIDDLE, 0.015)
    s.ball((0.05, length * 0.4, girth * 0.6), (girth * 0.85, length * 0.2, height + 0.03), DARK, segments=10)


def watering_can(s: Solid, rng: np.random.Generator) -> None:
    """A round can with a long spout that ends in a rose, and a bow handle opposite."""
    radius, height, reach = rng.uniform(0.22, 0.3), rng.uniform(0.4, 0.55), rng.uniform(0.32, 0.45)
    wall = 0.03
    profile = [(0, 0), (radius, 0), (radius * 0.92, height), (radius * 0.92 - wall, height), (radius - wall, 0.05), (0, 0.05)]
    s.lathe(profile, (0, 0, 0), PALE, segments=18)
    end = (radius + reach, 0.0, height * rng.uniform(1.0, 1.25))
    s.rod((radius * 0.8, 0, height * 0.25), end, 0.06, MIDDLE, 0.035)
    s.rod(end, (end[0] + 0.08, 0, end[2] + 0.06), 0.05, DARK, 0.11, segments=12)
    s.tube(arc((-radius * 0.8, 0, height * 0.62), (rng.uniform(0.2, 0.28), height * 0.42), 90, 270, "xz"), (0, 1, 0), 0.03, DARK)
    s.plate(np.array([(-radius, -radius), (radius, -radius), (radius, 0.0), (-radius, 0.0)]) * 0.8, 0.03, (0, 0, height * 0.97), MIDDLE)
