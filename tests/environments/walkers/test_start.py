"""The stored first steps of walkers are those of their bodies as they are."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from didact.environments.physics import Mechanism
from didact.environments.walkers import start
from didact.environments.walkers.bodies import ALL, PARKOUR_BODIES


@pytest.fixture(autouse=True)
def without_memory():
    start.started.cache_clear()
    yield
    start.started.cache_clear()


@pytest.mark.parametrize("walker", ALL, ids=lambda walker: walker.file)
def test_every_body_has_its_table(walker, monkeypatch):
    """Otherwise `python -m didact.environments.walkers.start` has to be run."""
    monkeypatch.setattr(start, "computed", lambda *_: pytest.fail("not stored"))
    assert start.started(walker, 2).motion.x.shape == (len(walker.mechanism.bodies), start.KNOTS)


def heavier(body):
    return dataclasses.replace(body, density=2 * body.density)


def raised(body):
    return dataclasses.replace(body, position=(body.position[0], body.position[1] + 0.1))


def slippery(body):
    return dataclasses.replace(body, friction=0.7)


@pytest.mark.parametrize("change", [heavier, raised, slippery])
def test_changed_bodies_do_not_start_from_the_table(change, monkeypatch):
    monkeypatch.setattr(start, "computed", lambda *_: "computed")
    walker = PARKOUR_BODIES["climbing_chest"]
    first, *others = walker.mechanism.bodies
    mechanism = Mechanism((change(first), *others), walker.mechanism.joints)
    assert start.started(dataclasses.replace(walker, mechanism=mechanism), 2) == "computed"


def test_changed_joints_and_pushes_do_not_start_from_the_table(monkeypatch):
    monkeypatch.setattr(start, "computed", lambda *_: "computed")
    walker = PARKOUR_BODIES["fish"]
    first, *others = walker.mechanism.joints
    looser = dataclasses.replace(first, upper=first.upper + 0.1)
    mechanism = Mechanism(walker.mechanism.bodies, (looser, *others))
    assert start.started(dataclasses.replace(walker, mechanism=mechanism), 2) == "computed"
    assert start.started(dataclasses.replace(walker, pushed=(1,)), 2) == "computed"


def test_names_and_colours_do_not_matter():
    walker = PARKOUR_BODIES["fish"]
    painted = dataclasses.replace(walker, name="shark", colours=((0, 0, 0),) * 5)
    assert start.digest(painted) == start.digest(walker)


@pytest.mark.slow  # each body compiles its own engine
@pytest.mark.parametrize("walker", ALL, ids=lambda walker: walker.file)
def test_tables_are_those_of_the_engine(walker):
    """Up to rounding errors, which joints that start apart amplify."""
    stored, computed = start.started(walker, 2), start.computed(walker, 2)
    for name, a in stored.motion._asdict().items():
        bound = 2e-3 if name in ("x", "y", "angle") else 2e-2
        assert_allclose(a, getattr(computed.motion, name), atol=bound, err_msg=name)
    for name in ("surface", "touching"):
        a, b = (getattr(bodies.contacts, name) for bodies in (stored, computed))
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(stored.side, computed.side)
    assert (stored.grips is None) == (computed.grips is None)
    if stored.grips is not None:
        for name, a in stored.grips._asdict().items():
            bound = 0.05 if "pull" in name else 2e-3
            assert_allclose(a, getattr(computed.grips, name), atol=bound, err_msg=name)
