"""Packed cells against the official encoding of the objects themselves."""

import itertools

import jax.numpy as jnp
import numpy as np
from minigrid.core import world_object
from minigrid.core.constants import COLOR_NAMES

from didact.environments.grid import cells


def things():
    for color in COLOR_NAMES:
        for kind in (world_object.Key, world_object.Ball, world_object.Box, world_object.Floor):
            yield kind(color)
        for opened, locked in ((True, False), (False, False), (False, True)):
            yield world_object.Door(color, opened, locked)
    yield world_object.Wall()
    yield world_object.Goal()
    yield world_object.Lava()


def test_cells_say_and_do_what_official_objects_do():
    for thing in things():
        triple = np.array(thing.encode(), np.uint8)
        cell = cells.pack(triple)
        kind = cells.kind_of(cell)
        assert (cells.unpack(cell) == triple).all()
        assert cells.is_walkable(kind) == thing.can_overlap(), thing.type
        assert cells.is_portable(kind) == thing.can_pickup(), thing.type
        assert cells.is_opaque(kind) == (not thing.see_behind()), thing.type
        assert cells.is_door(kind) == (thing.type == "door")


def test_every_packed_cell_survives_the_way_to_triples_and_back():
    kinds = [k for k in range(13) if k != 10]
    packed = np.array([cells.code(k, c) for k, c in itertools.product(kinds, range(6))], np.uint8)
    assert (cells.pack(cells.unpack(packed)) == packed).all()
    ours = cells.unpack(jnp.asarray(packed))
    assert isinstance(ours, jnp.ndarray)
    assert (np.asarray(ours) == cells.unpack(packed)).all()
    assert (np.asarray(cells.pack(ours)) == packed).all()
    # What a box holds cannot be seen.
    assert (cells.unpack(packed | cells.HOLDS) == cells.unpack(packed)).all()
