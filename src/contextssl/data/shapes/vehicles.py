"""Vehicles. Each function draws one object with proportions of its own; its front faces -y; its sides differ."""

from __future__ import annotations

import numpy as np

from contextssl.data.shapes.primitives import DARK, MIDDLE, PALE, Solid


def aeroplane(s: Solid, rng: np.random.Generator) -> None:
    """A fuselage with swept wings low at its middle, a tail, and engines below the wings."""
    radius, span = rng.uniform(0.055, 0.085), rng.uniform(0.85, 1.15)
    sweep, chord = rng.uniform(0.1, 0.3), rng.uniform(0.16, 0.26)
    profile = [(0, 0), (radius * 0.6, 0.04), (radius, 0.14), (radius, 0.65), (radius * 0.5, 0.9), (0, 1.0)]
    s.lathe(profile, (0, -0.5, 0), PALE, (-90, 0, 0))
    place = rng.uniform(-0.08, 0.04)
    for side in (-1, 1):
        tip, back = side * span / 2, place + sweep
        wing = np.array([(0, place - chord / 2), (tip, back), (tip, back + chord * 0.4), (0, place + chord / 2)])
        s.plate(wing[::side], 0.025, (0, 0, -radius * 0.4), MIDDLE, (0, -side * 4, 0))
        tail = np.array([(0, 0.38), (side * span * 0.2, 0.44), (side * span * 0.2, 0.5), (0, 0.48)])
        s.plate(tail[::side], 0.02, (0, 0, radius * 0.4), MIDDLE)
        for share in (0.3, 0.58)[: 1 + int(span > 1.0)]:
            x, y = side * span / 2 * share, place + sweep * share - chord * 0.3
            s.rod((x, y - 0.03, -radius * 0.9), (x, y + 0.12, -radius * 0.9), radius * 0.5, DARK, radius * 0.3)
    height = rng.uniform(0.16, 0.26)
    fin = np.array([(0.34, 0), (0.48, 0), (0.52, height), (0.45, height)])
    s.plate(fin, 0.02, (0, 0, radius * 0.5), DARK, (90, 0, 90))
    s.box((radius * 1.1, 0.05, 0.02), (0, -0.4, radius * 0.85), DARK, (-25, 0, 0))


def _wheels(s: Solid, half_width: float, radius: float, thick: float, along: tuple[float, ...]) -> None:
    for y in along:
        for side in (-half_width, half_width):
            s.disc(radius, thick, (side, y, radius), DARK, (0, 90, 0), 14)


def car(s: Solid, rng: np.random.Generator) -> None:
    """A body with a bonnet in front of its cabin, dark windows, four wheels, and a mirror and an aerial on one side."""
    width, body = rng.uniform(0.38, 0.48), rng.uniform(0.14, 0.2)
    wheel, cabin = rng.uniform(0.085, 0.115), rng.uniform(0.13, 0.19)
    z = wheel * 0.8
    _wheels(s, width / 2 - 0.02, wheel, 0.07, (-0.3, 0.3))
    s.block((width, 0.96), (width * 0.97, 1.0), body, (0, 0, z + body / 2), PALE)
    rear, long = rng.uniform(0.05, 0.2), rng.uniform(0.5, 0.58)
    s.block((width * 0.94, long), (width * 0.8, long * 0.62), cabin, (0, rear, z + body + cabin / 2), DARK, shift=(0, 0.03))
    s.box((width * 0.8, long * 0.62, 0.025), (0, rear + 0.03, z + body + cabin), PALE)
    for side in (-1, 1):
        s.box((width * 0.2, 0.03, body * 0.35), (side * width * 0.33, -0.5, z + body * 0.65), MIDDLE)
    s.box((0.07, 0.04, 0.05), (-width / 2 - 0.03, rear - long * 0.38, z + body + 0.04), MIDDLE)
    s.rod((width * 0.4, rear + long * 0.4, z + body), (width * 0.4, rear + long * 0.5, z + body + cabin * 1.6), 0.01, DARK, segments=5)


def truck(s: Solid, rng: np.random.Generator) -> None:
    """A cab in front of a flat bed that carries a container and, behind it, a crate on one side."""
    width, height, length = rng.uniform(0.32, 0.4), rng.uniform(0.28, 0.42), rng.uniform(0.85, 1.1)
    wheel, cab = rng.uniform(0.08, 0.1), rng.uniform(0.2, 0.28)
    front = -length / 2
    _wheels(s, width / 2 - 0.02, wheel, 0.08, (front + 0.12, length * 0.2, length * 0.2 + 2.3 * wheel))
    s.box((width * 0.9, length, 0.07), (0, 0, wheel * 1.5), DARK)
    floor = wheel * 1.5 + 0.035
    tall = height * rng.uniform(0.75, 0.95)
    s.block((width, cab), (width * 0.95, cab * 0.75), tall, (0, front + cab / 2, floor + tall / 2), MIDDLE, shift=(0, cab * 0.1))
    s.box((width * 0.8, 0.02, tall * 0.3), (0, front + cab * 0.1, floor + tall * 0.7), DARK)
    hold = (length - cab) * rng.uniform(0.6, 0.72)
    s.box((width, hold, height), (0, front + cab + 0.04 + hold / 2, floor + height / 2), PALE)
    rest = length - cab - 0.04 - hold
    s.box((width * 0.5, rest * 0.8, height * 0.4), (width * 0.22, length / 2 - rest * 0.45, floor + height * 0.2), MIDDLE)
    s.rod((-width * 0.45, front + cab, floor), (-width * 0.45, front + cab, floor + height * 1.15), 0.02, DARK, segments=6)


def ship(s: Solid, rng: np.random.Generator) -> None:
    """A pointed hull, a bridge towards the stern, a funnel, a crane towards the bow and a lifeboat on one side."""
    beam, hull = rng.uniform(0.2, 0.3), rng.uniform(0.12, 0.18)
    rings = []
    for z, half, reach in ((-hull, beam / 2 * 0.6, 0.42), (0.0, beam / 2, 0.5)):
        outline = [(0, -reach), (half * 0.65, -reach * 0.7), (half, -reach * 0.3), (half, reach * 0.85), (half * 0.7, reach)]
        outline += [(-x, y) for x, y in outline[:0:-1]]
        rings.append(np.array([(x, y, z) for x, y in outline]))
    bottom, top = (np.broadcast_to(ring.mean(axis=0), ring.shape) for ring in rings)
    s.loft([bottom, *rings, top], DARK)
    deck, bridge = rng.uniform(0.09, 0.14), rng.uniform(0.1, 0.2)
    stern = rng.uniform(0.18, 0.28)
    s.box((beam * 0.85, 0.3, deck), (0, stern, deck / 2), PALE)
    s.box((beam * 0.7, 0.14, bridge), (0, stern - 0.04, deck + bridge / 2), PALE)
    s.box((beam * 0.72, 0.02, bridge * 0.3), (0, stern - 0.11, deck + bridge * 0.7), DARK)
    s.rod((0, stern + 0.09, deck), (0, stern + 0.11, deck + bridge * 1.3), rng.uniform(0.03, 0.045), MIDDLE)
    s.rod((0, -0.2, 0), (0, -0.2, 0.22), 0.015, MIDDLE, segments=6)
    s.rod((0, -0.2, 0.2), (beam * 0.25, rng.uniform(-0.02, 0.06), 0.28), 0.012, MIDDLE, segments=6)
    for i in range(int(rng.integers(1, 4))):
        s.box((beam * 0.5, 0.1, 0.08), (beam * rng.uniform(-0.1, 0.1), -0.32 + 0.13 * i + 0.05, 0.04), (PALE, MIDDLE, PALE)[i])
    s.ball((0.03, 0.09, 0.03), (-beam * 0.47, stern - 0.02, deck * 0.9), MIDDLE, segments=8)


def bicycle(s: Solid, rng: np.random.Generator) -> None:
    """Two wheels, a frame, a saddle, handlebars, and a chain wheel and a pannier on one side."""
    wheel, reach = rng.uniform(0.2, 0.25), rng.uniform(0.3, 0.36)
    tyre, tube = rng.uniform(0.022, 0.03), rng.uniform(0.018, 0.024)
    for y in (-reach, reach):
        s.ring(wheel, tyre, (0, y, wheel), (1, 0, 0), DARK)
        for angle in np.radians([0, 60, 120]) + 0.3:
            dy, dz = wheel * np.cos(angle), wheel * np.sin(angle)
            s.rod((0, y - dy, wheel - dz), (0, y + dy, wheel + dz), 0.007, MIDDLE, segments=4)
    high = wheel + rng.uniform(0.24, 0.32)
    crank, seat, head = (0.0, 0.03, wheel * 0.85), (0.0, 0.12, high), (0.0, -reach * 0.72, high)
    hub, fork = (0.0, reach, wheel), (0.0, -reach, wheel)
    for a, b in ((crank, seat), (seat, head), (head, crank), (crank, hub), (hub, seat), (head, fork)):
        s.rod(a, b, tube, PALE, segments=7)
    s.rod(seat, (0, 0.14, high + 0.07), tube * 0.8, MIDDLE, segments=6)
    s.ball((0.05, 0.1, 0.03), (0, 0.13, high + 0.09), DARK, segments=8)
    top = (0.0, head[1] + 0.02, high + 0.1)
    s.rod(head, top, tube * 0.8, MIDDLE, segments=6)
    wide = rng.uniform(0.16, 0.24)
    s.rod((-wide, top[1] + 0.05, top[2]), (wide, top[1] + 0.05, top[2]), tube, DARK, segments=7)
    s.disc(0.07, 0.02, (0.04, *crank[1:]), DARK, (0, 90, 0), 12)
    s.box((0.09, 0.2, 0.17), (-0.08, reach + 0.02, wheel * 1.1), MIDDLE)


def helicopter(s: Solid, rng: np.random.Generator) -> None:
    """A round cabin with a glazed nose, a tail boom with a rotor on one side, skids, and a main rotor of three blades."""
    body, width = rng.uniform(0.22, 0.28), rng.uniform(0.13, 0.18)
    boom, blade = rng.uniform(0.5, 0.65), rng.uniform(0.4, 0.52)
    s.ball((width, body, width), (0, 0, 0), PALE)
    s.ball((width * 0.85, body * 0.5, width * 0.8), (0, -body * 0.58, 0.01), DARK)
    tail = body * 0.6 + boom
    s.rod((0, body * 0.6, 0.03), (0, tail, 0.09), 0.07, PALE, 0.025)
    fin = np.array([(tail - 0.08, 0.05), (tail + 0.02, 0.05), (tail + 0.08, 0.24), (tail + 0.02, 0.24)])
    s.plate(fin, 0.02, (0, 0, 0), MIDDLE, (90, 0, 90))
    s.disc(rng.uniform(0.08, 0.11), 0.015, (0.05, tail, 0.1), DARK, (0, 90, 0), 12)
    mast = width + 0.1
    s.rod((0, 0, width * 0.8), (0, 0, mast), 0.025, MIDDLE, segments=8)
    start = rng.uniform(0, 120)
    for turn in (0, 120, 240):
        angle = np.radians(start + turn)
        s.box((blade, 0.045, 0.012), (np.cos(angle) * blade / 2, np.sin(angle) * blade / 2, mast), DARK, (0, 0, start + turn))
    for side in (-1, 1):
        x, z = side * width * 0.9, -width - 0.06
        s.rod((x, -body * 0.9, z), (x, body * 0.7, z), 0.014, MIDDLE, segments=6)
        for y in (-body * 0.4, body * 0.4):
            s.rod((side * width * 0.5, y, -width * 0.7), (x, y, z), 0.012, MIDDLE, segments=6)
    s.box((0.05, 0.16, 0.09), (-width, 0.04, -0.02), MIDDLE)


def locomotive(s: Solid, rng: np.random.Generator) -> None:
    """A steam engine: a boiler with chimney and dome, a cab behind, wheels joined by a rod, and a water tank on one side."""
    boiler, length = rng.uniform(0.12, 0.16), rng.uniform(0.55, 0.7)
    wheel, width = rng.uniform(0.09, 0.12), rng.uniform(0.3, 0.36)
    deck = wheel * 1.7
    cab, tall = rng.uniform(0.2, 0.27), rng.uniform(0.36, 0.45)
    s.box((width, length + cab, 0.05), (0, cab / 2, deck), DARK)
    axle = deck + 0.02 + boiler
    s.rod((0, -length / 2, axle), (0, length / 2, axle), boiler, PALE, segments=18)
    s.disc(boiler * 0.8, 0.02, (0, -length / 2 - 0.01, axle), DARK, (90, 0, 0), 16)
    s.rod((0, -length * 0.36, axle), (0, -length * 0.36, axle + boiler + rng.uniform(0.12, 0.2)), 0.035, DARK, 0.06, segments=12)
    s.ball((0.06, 0.06, 0.08), (0, length * 0.08, axle + boiler), MIDDLE, segments=10)
    s.box((width, cab, tall), (0, length / 2 + cab / 2, deck + tall / 2), MIDDLE)
    s.box((width * 1.15, cab * 1.2, 0.03), (0, length / 2 + cab / 2, deck + tall), DARK)
    for side in (-1, 1):
        s.box((0.02, cab * 0.5, tall * 0.3), (side * width / 2, length / 2 + cab / 2, deck + tall * 0.7), DARK)
    along = tuple(np.linspace(-length * 0.4, length * 0.5 + cab * 0.4, int(rng.integers(3, 5))).tolist())
    _wheels(s, width / 2 - 0.03, wheel, 0.04, along)
    s.box((0.02, along[-1] - along[0], 0.03), (width / 2, (along[0] + along[-1]) / 2, wheel), PALE)
    s.box((width / 2 - boiler * 0.3, length * 0.5, boiler), (-width / 4 - boiler * 0.15, length * 0.2, deck + boiler / 2), MIDDLE)
