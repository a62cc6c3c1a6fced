"""The balance of creatures in each chunk, every ten steps (`crafter.Env._balance_chunk`)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, UInt8, UInt32

from didact.environments.crafting import layout
from didact.environments.crafting.layout import (
    CHUNK,
    CHUNKS,
    DAY,
    LIGHT,
    MAX_OBJECTS,
    MOST_CREATURES,
    SIDE,
)
from didact.environments.crafting.rules.bits import nth_bit, nth_flag, packed

PERIOD = 10  # steps
AREAS = CHUNKS * CHUNKS
WORDS = 2  # of 32 bits, for one flag for each chunk


class Kind(NamedTuple):
    """How one kind of creature is balanced."""

    kind: int
    material: int  # on which it appears
    spawn_distance: int  # to the player, at least
    despawn_distance: int
    spawn_probability: float
    despawn_probability: float
    space: int  # cells of the material that a chunk needs for the minimum to hold
    minimum: np.ndarray  # float[DAY]: in each step of a day, before it is rounded down
    maximum: np.ndarray


_ONE = np.ones(DAY)
KINDS = (
    Kind(layout.ZOMBIE, layout.GRASS, 6, 0, 0.3, 0.4, 50, 3.5 - 3 * LIGHT, 3.5 - 3 * LIGHT),
    Kind(layout.SKELETON, layout.PATH, 7, 7, 0.1, 0.1, 6, _ONE, 2 * _ONE),
    Kind(layout.COW, layout.GRASS, 5, 5, 0.01, 0.1, 30, _ONE, 1.5 + LIGHT),
)
_TARGETS = np.floor([(kind.minimum, kind.maximum) for kind in KINDS]).astype(np.float32)


class Draws(NamedTuple):
    """Uniform numbers in 0..1, for each of n worlds."""

    happens: Float[Array, "n 3 chunks"]
    place: Float[Array, "n 3 chunks"]  # which cell a new creature appears on
    rounding: Float[Array, "n 3 chunks"]  # of targets that are no integers
    victim: Float[Array, "n slots"]  # the creature with the largest number disappears


class Balanced(NamedTuple):
    """The parts of a state that change."""

    objects: Int32[Array, "n slots"]
    num_slots: Int32[Array, " n"]


def chunk_bits(cells: Int32[Array, "k n"]) -> UInt32[Array, "n 2"]:
    """Return the set of the chunks of cells, where negative cells count as none."""
    chunk = layout.chunk_of(jnp.maximum(cells, 0))
    bit = jnp.where(cells >= 0, jnp.uint32(1) << (chunk % 32).astype(jnp.uint32), jnp.uint32(0))
    words = [jnp.where(chunk // 32 == word, bit, jnp.uint32(0)) for word in range(WORDS)]
    empty = jnp.uint32(0)
    return jnp.stack([jax.lax.reduce(word, empty, jax.lax.bitwise_or, (0,)) for word in words], 1)


def balance(
    material: UInt8[Array, "n cells"],
    objects: Int32[Array, "n slots"],
    chunks: UInt32[Array, "n 2"],
    position: Int32[Array, " n"],
    phase: Int32[Array, " n"],
    density: Float[Array, "n 3"],
    draws: Draws,
) -> Balanced:
    """Let creatures appear and disappear in every chunk that has had an object.

    The targets are the original's integers times the density, rounded up or down at random so that
    they have this mean. At density 1, they are those of the original. In worlds with almost
    `MOST_CREATURES` objects, fewer creatures appear, so that plants and arrows have room.

    Args:
        material, objects, chunks, position: see `CraftingState`.
        phase: the step of the day.
        density: factors of the targets for zombies, skeletons and cows.
        draws: uniform numbers.
    """
    n = objects.shape[0]
    words = jnp.repeat(chunks, 32, axis=1)[:, :AREAS]
    known = (words >> np.uint32(np.arange(AREAS) % 32)) & 1 == 1
    columns = _columns(material)
    targets = jnp.asarray(_TARGETS)[:, :, phase]  # [3, 2, n]
    fields = layout.unpack(objects)
    area = jnp.where(fields.kind != layout.EMPTY, layout.chunk_of(fields.cell), AREAS)
    far = layout.distance(fields.cell, position[:, None])
    rows = jnp.arange(n)[:, None]
    removed = jnp.zeros(objects.shape, bool)
    spawned = []
    for number, kind in enumerate(KINDS):
        rounding = draws.rounding[:, number]
        low, high = (
            _rounded((targets[number, bound] * density[:, number])[:, None], rounding)
            for bound in (0, 1)
        )
        own = fields.kind == kind.kind
        own_area = jnp.where(own, area, AREAS)
        count = jnp.zeros((n, AREAS), jnp.int32).at[rows, own_area].add(1, mode="drop")
        space, cell = _random_cell(columns[kind.material], draws.place[:, number])
        low = jnp.where(space < kind.space, 0, low)
        happens = draws.happens[:, number]
        few = known & (count < low)
        spawns = few & (happens < kind.spawn_probability)
        spawns &= layout.distance(cell, position[:, None]) >= kind.spawn_distance
        spawns &= ~_occupied(cell, fields, removed, position)
        for earlier in spawned:
            spawns &= earlier != cell
        spawned.append(jnp.where(spawns, cell, -1))
        goes = known & ~few & (count > high) & (happens < kind.despawn_probability)
        removed |= _victims(own_area, goes, draws.victim) & (far >= kind.despawn_distance)
    new = jnp.stack(spawned, 1).reshape(n, -1)
    room = MOST_CREATURES - jnp.sum((fields.kind != layout.EMPTY) & ~removed, 1)
    share = draws.victim[:, : new.shape[1]] * jnp.sum(new >= 0, 1)[:, None]
    new = jnp.where(share < room[:, None], new, -1)
    kinds = np.repeat([kind.kind for kind in KINDS], AREAS).astype(np.int32)
    health = np.array(layout.HEALTH, np.int32)[kinds]
    new = jnp.where(new >= 0, layout.pack(kinds, jnp.maximum(new, 0), health, np.int32(0)), 0)
    return compacted(jnp.concatenate([jnp.where(removed, 0, objects), new], 1))


def _rounded(
    target: Float[Array, "n 1"], draw: Float[Array, "n chunks"]
) -> Float[Array, "n chunks"]:
    """Round up with the probability of the fraction; equal draws keep the order of targets."""
    down = jnp.floor(target)
    return down + (draw < target - down)


def compacted(objects: Int32[Array, "n m"]) -> Balanced:
    """Move objects to the first slots, in their order; those that do not fit are dropped."""
    n, m = objects.shape
    padded = jnp.pad(objects, ((0, 0), (0, -m % 32)))
    words = packed(padded != 0).T
    rank = jnp.broadcast_to(np.arange(MAX_OBJECTS, dtype=np.int32)[:, None], (MAX_OBJECTS, n))
    slot, count = nth_flag(words, rank)
    width = padded.shape[1]
    index = jnp.minimum(slot, width - 1) + width * jnp.arange(n)
    found = padded.reshape(-1).at[index].get(mode="promise_in_bounds")
    return Balanced(jnp.where(slot < width, found, 0).T, jnp.minimum(count, MAX_OBJECTS))


def _columns(material: UInt8[Array, "n cells"]) -> dict[int, UInt32[Array, "n chunks 12"]]:
    """Return the cells of grass and path in each chunk: 12 bits for each column of a chunk."""
    n = material.shape[0]
    pad = CHUNKS * CHUNK - SIDE
    grid = jnp.pad(material.reshape(n, SIDE, SIDE), ((0, 0), (0, pad), (0, pad)))
    grid = grid.reshape(n, CHUNKS, CHUNK, CHUNKS, CHUNK)
    bits = np.uint32(1) << np.arange(CHUNK, dtype=np.uint32)[:, None, None]
    found = {}
    for kind in (layout.GRASS, layout.PATH):
        column = jnp.sum(jnp.where(grid == kind, bits, np.uint32(0)), 2, dtype=jnp.uint32)
        found[kind] = column.reshape(n, AREAS, CHUNK)
    return found


def _random_cell(
    columns: UInt32[Array, "n chunks 12"], draw: Float[Array, "n chunks"]
) -> tuple[Int32[Array, "n chunks"], Int32[Array, "n chunks"]]:
    """Return the number of cells in each chunk, and one of them (column by column)."""
    counts = jax.lax.population_count(columns).astype(jnp.int32)
    space = jnp.sum(counts, -1)
    rank = jnp.minimum((draw * space).astype(jnp.int32), space - 1)
    total, before = jnp.zeros_like(space), jnp.zeros_like(space)
    column, bits = jnp.zeros_like(space), columns[..., 0]
    for number in range(CHUNK):
        later = rank >= total
        column = jnp.where(later, number, column)
        bits = jnp.where(later, columns[..., number], bits)
        before = jnp.where(later, total, before)
        total = total + counts[..., number]
    row = nth_bit(bits, rank - before)
    areas = np.arange(AREAS)
    x, y = areas % CHUNKS * CHUNK + column, areas // CHUNKS * CHUNK + row
    return space, jnp.clip(y * SIDE + x, 0, layout.CELLS - 1)


def _occupied(
    cell: Int32[Array, "n chunks"],
    fields: layout.Objects,
    removed: Bool[Array, "n slots"],
    position: Int32[Array, " n"],
) -> Bool[Array, "n chunks"]:
    taken = jnp.where((fields.kind != layout.EMPTY) & ~removed, fields.cell, -1)
    return jnp.any(cell[:, :, None] == taken[:, None, :], -1) | (cell == position[:, None])


def _victims(
    area: Int32[Array, "n slots"], goes: Bool[Array, "n chunks"], draw: Float[Array, "n slots"]
) -> Bool[Array, "n slots"]:
    """Return one creature of each chosen chunk, at random."""
    n = area.shape[0]
    rows = jnp.arange(n)[:, None]
    largest = jnp.full((n, AREAS), -1.0).at[rows, area].max(draw, mode="drop")
    wanted = jnp.where(goes, largest, 2.0)
    at = jnp.minimum(area, AREAS - 1)
    return (area < AREAS) & (wanted[rows, at] == draw)
