"""Mass, center and inertia of polygons, and mechanisms made of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.common.errors import SettingError
from didact.environments.physics import shapes
from didact.environments.physics.mechanism import Body, Joint, Mechanism
from didact.environments.walkers.bodies import ALL, GYMNASIUM_BIPED


def sampled(vertices, density, n=150):
    """Mass properties by counting the points of a fine lattice."""
    low, high = vertices.min(0), vertices.max(0)
    ends = zip(low, high, strict=True)
    lattice = [np.linspace(a, b, n, endpoint=False) + (b - a) / n / 2 for a, b in ends]
    points = np.stack(np.meshgrid(*lattice), -1).reshape(-1, 2)
    inside = np.ones(len(points), bool)
    for a, b in zip(vertices, np.roll(vertices, -1, 0), strict=True):
        edge, offset = b - a, points - a
        inside &= edge[0] * offset[:, 1] - edge[1] * offset[:, 0] >= 0
    points = points[inside]
    mass = density * len(points) * np.prod((high - low) / n)
    center = points.mean(0)
    return mass, center, mass * ((points - center) ** 2).sum(1).mean()


@given(
    st.lists(st.floats(0, 6.1), min_size=3, max_size=8, unique_by=lambda x: round(x, 1)),
    st.floats(0.1, 3),
)
def test_mass_properties_of_polygons(turns, radius):
    turns = np.sort(turns)
    corners = radius * np.stack([np.cos(turns), np.sin(turns)], 1) + [2, -1]
    area = 0.5 * np.sum(
        corners[:, 0] * np.roll(corners[:, 1], -1) - corners[:, 1] * np.roll(corners[:, 0], -1)
    )
    if area < 0.4 * radius**2:  # too thin to be counted well
        return
    found = shapes.mass_properties(shapes.convex(corners), 1.5)
    mass, center, inertia = sampled(corners, 1.5)
    assert found.mass == pytest.approx(mass, rel=0.05)
    np.testing.assert_allclose(found.center, center, atol=0.03 * radius)
    assert found.inertia == pytest.approx(inertia, rel=0.1)


def test_the_biped_has_the_masses_of_box2d():
    """Numbers printed by Box2D 2.3 for gymnasium's walker."""
    mechanism = GYMNASIUM_BIPED.mechanism
    expected = [5.42222261, 0.30222222, 0.24177778, 0.30222222, 0.24177778]
    np.testing.assert_allclose(mechanism.mass, expected, rtol=1e-6)
    expected = [1.99939506, 0.03413992, 0.02679614, 0.03413992, 0.02679614]
    np.testing.assert_allclose(mechanism.inertia, expected, rtol=1e-5)
    assert mechanism.island_order == (3, 2, 0, 1)


@pytest.mark.parametrize("walker", ALL, ids=lambda walker: walker.file)
def test_levers_are_the_derivatives_of_positions(walker):
    """Turn one body, put the others back on their hinges, and see how far each center moved."""
    mechanism = walker.mechanism
    n = len(mechanism.bodies)

    def centers(angle):
        found = np.zeros((n, 2))
        for index in np.argsort(mechanism.child):
            joint = mechanism.joints[index]
            a, b = (anchor[index] for anchor in mechanism.anchors)
            turn = [np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) for t in angle]
            found[joint.child] = (
                found[joint.parent] + turn[joint.parent] @ a - turn[joint.child] @ b
            )
        return found - (mechanism.mass[:, None] * found).sum(0) / mechanism.mass.sum()

    angle = np.random.default_rng(0).normal(size=n)
    for k in range(n):
        moved = angle.copy()
        moved[k] += 1e-6
        derivative = (centers(moved) - centers(angle)) / 1e-6
        c, s = np.cos(angle[k]), np.sin(angle[k])
        x, y = mechanism.levers[:, k].T
        np.testing.assert_allclose(derivative[:, 0], -(s * x + c * y), atol=1e-5)
        np.testing.assert_allclose(derivative[:, 1], c * x - s * y, atol=1e-5)


def test_invalid_shapes_and_trees_are_rejected():
    with pytest.raises(SettingError, match="convex"):
        shapes.convex([(0, 0), (2, 0), (0.2, 0.2), (0, 2)])
    bodies = tuple(Body(str(i), shapes.box(1, 1), 1.0, (0.0, 0.0)) for i in range(3))
    loop = tuple(Joint("", 0, child, (0, 0), (0, 0), 0, 1) for child in (1, 1))
    with pytest.raises(SettingError, match="parents"):
        Mechanism(bodies, loop)
