"""The original Crafter and ours, driven by the same uniform draws and compared state by state."""

import types

import crafter
import jax
import jax.numpy as jnp
import numpy as np

from didact.environments.crafting import layout, view
from didact.environments.crafting.env import _NUM_DRAWS, advance
from didact.environments.crafting.original import state_of
from didact.environments.crafting.rules import balance
from didact.environments.crafting.rules.creatures import NUM_DRAWS
from didact.environments.crafting.rules.nearby import REACH, ROWS

KINDS = {"Zombie": 0, "Skeleton": 1, "Cow": 2}
_advance, _symbols = jax.jit(advance), jax.jit(view.symbols)
_balance = jax.jit(balance.balance)


class Script:
    """Stands for a RandomState, and returns given uniform numbers one after the other."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def uniform(self, *bounds, size=None):
        return self.numbers.pop(0)

    def randint(self, low, high):
        number = self.numbers.pop(0)
        return number if isinstance(number, int) else min(int(number * high), high - 1)


def blank(material="grass"):
    """Return an original environment with a map of one material and no creatures."""
    env = crafter.Env(seed=0)
    env.render = lambda size=None: None
    generate = crafter.worldgen.generate_world
    crafter.worldgen.generate_world = lambda world, player: None
    try:
        env.reset()
    finally:
        crafter.worldgen.generate_world = generate
    env._world._mat_map[:] = env._world._mat_ids[material]
    return env


def _script_of(thing, player, a, b, c, d):
    """Return the numbers that an object of the original asks for, given ours."""
    kind = type(thing).__name__
    distance = thing.distance(player)
    way = min(int(d * 4), 3)
    if kind == "Cow":
        return Script(a, way)
    if kind == "Zombie":
        if distance <= 8:
            return Script(a, b) if a < 0.9 else Script(a, way)
        return Script(way)
    if kind == "Skeleton":
        numbers = [a] if distance <= 3 else []
        if distance <= 5:
            numbers.append(b)
            if b < 0.5:  # unless it flees, it shoots
                return Script(*numbers)
        again = np.float32(c)
        if distance <= 8:
            numbers.append(c)
            if c < 0.3:
                return Script(*numbers, d)
            again = (np.float32(c) - np.float32(0.3)) / np.float32(0.7)
        return Script(*numbers, again, way)
    return Script()


class Duel:
    """One original environment and our copy of it.

    Attributes:
        original: the `crafter.Env`; change it freely, then call `copy`.
        state: ours, one world.
    """

    def __init__(self, original, seed=0):
        self.original, self.rng = original, np.random.default_rng(seed)
        original.render = lambda size=None: None
        self.copy()

    def copy(self):
        """Import the state of the original."""
        self.state = state_of(self.original)

    def step(self, action, **chosen):
        """Step both without balance; `sapling`, or `every` of the objects, replaces draws."""
        env = self.original
        number = layout.ACTION[action] if isinstance(action, str) else int(action)
        draws = self.rng.random(_NUM_DRAWS).astype(np.float32)
        draws[0] = chosen.get("sapling", draws[0])
        own = draws[1:].reshape(NUM_DRAWS, ROWS)
        if "every" in chosen:
            own[:] = np.float32(chosen["every"])[:, None]
        player = env._player
        player.random = Script(draws[0])
        things = [thing for thing in env._world.objects if thing is not player]
        near = [x for x in things if np.abs(x.pos - player.pos).sum() <= REACH + 1]
        assert len(near) <= ROWS
        for row, thing in enumerate(near):
            self._scripted(thing, own[:, row])
        balancing, env._balance_chunk = env._balance_chunk, lambda chunk, things: None
        counts = self._counts()
        _, reward, over, _ = env.step(number)
        env._balance_chunk = balancing
        before = self.state
        self.state = _advance(before, jnp.array([number]), jnp.asarray(draws)[:, None])
        health = self.state.inventory[0, 0] - before.inventory[0, 0]
        np.testing.assert_array_equal(self.state.achieved[0], self._counts() > counts)
        new = bool((self.state.unlocked & ~before.unlocked).any())
        assert abs(float(health) / 10 + new - reward) < 1e-6
        assert over == (int(self.state.inventory[0, 0]) <= 0 or env._step >= 10_000)
        self.compare()
        return self

    def _counts(self):
        """How often the original's player has achieved each thing."""
        counts = self.original._player.achievements
        return np.array([counts[name] for name in layout.ACHIEVEMENTS])

    @staticmethod
    def _scripted(thing, numbers):
        original = type(thing).update

        def update(self):
            player = getattr(self, "player", self)
            self.random = _script_of(self, player, *map(np.float32, numbers))
            original(self)

        thing.update = types.MethodType(update, thing)

    def balance(self, **chosen):
        """Balance the creatures of both, and import the original's order of the new ones.

        `happens` and `place`, a number for all chunks, replace draws.
        """
        env = self.original
        happens, place = self.rng.random((2, 3, balance.AREAS)).astype(np.float32)
        happens[:] = chosen.get("happens", happens)
        place[:] = chosen.get("place", place)
        victim = self.rng.random(layout.MAX_OBJECTS).astype(np.float32)
        slots = {
            int(cell): slot
            for slot, (cell, kind) in enumerate(
                zip(*map(np.asarray, layout.unpack(self.state.objects[0])[1::-1]), strict=True)
            )
            if kind
        }
        light = env._world.daylight

        def one(self, chunk, things, cls, material, *rest):
            kind = KINDS[cls.__name__]
            area = chunk[2] // 12 * 6 + chunk[0] // 12
            creatures = [thing for thing in things if isinstance(thing, cls)]
            space = self._world.mask(*chunk, material).sum()
            low = int(rest[-1](len(creatures), space)[0])
            second = float(place[kind, area])
            if len(creatures) >= low and creatures:
                numbers = [
                    victim[slots[int(x.pos[1]) * 64 + int(x.pos[0])]] if _old(x, slots) else -1.0
                    for x in creatures
                ]
                second = int(np.argmax(numbers))
            self._world.random = Script(float(happens[kind, area]), second)
            type(self)._balance_object(self, chunk, things, cls, material, *rest)

        assert 0 <= light <= 1
        env._balance_object = types.MethodType(one, env)
        for chunk, things in env._world.chunks.items():
            env._balance_chunk(chunk, things)
        state = self.state
        rounding = self.rng.random((3, balance.AREAS)).astype(np.float32)  # never matters here
        numbers = happens, place, rounding, victim
        draws = balance.Draws(*(jnp.asarray(x)[None] for x in numbers))
        found = _balance(
            state.material, state.objects, state.chunks, state.position, view.phase(state),
            jnp.ones((1, 3)), draws,
        )  # fmt: skip
        self.state = state._replace(objects=found.objects, num_slots=found.num_slots)
        ours = sorted(np.asarray(found.objects[0]).tolist())
        self.copy()
        assert ours == sorted(np.asarray(self.state.objects[0]).tolist())

    def compare(self):
        """Check that both states and observations are equal."""
        theirs = state_of(self.original)
        for name in theirs._fields:
            a, b = (np.asarray(getattr(state, name)) for state in (self.state, theirs))
            if name in ("objects", "num_slots"):
                a, b = (
                    np.asarray(s.objects)[np.asarray(s.objects) != 0] for s in (self.state, theirs)
                )
            if name != "achieved":  # which is compared by `step`
                np.testing.assert_array_equal(a, b, name)
        seen = {name: np.asarray(x)[0] for name, x in _symbols(self.state).items()}
        assert abs(seen["light"] - self.original._world.daylight) < 1e-6


def _old(thing, slots):
    return int(thing.pos[1]) * 64 + int(thing.pos[0]) in slots


def put(env, x, y, material):
    """Set the material of a cell of the original, relative to the player's start."""
    env._world[32 + x, 32 + y] = material


def have(env, **items):
    """Set items in the original's inventory."""
    env._player.inventory.update(items)
    env._last_health = env._player._last_health = env._player.health


def add(env, kind, x, y, **values):
    """Add an object to the original, relative to the player's start."""
    place = np.array((32 + x, 32 + y))
    make = getattr(crafter.objects, kind)
    more = {"Zombie": [env._player], "Skeleton": [env._player], "Arrow": [values.pop("facing", 0)]}
    thing = make(env._world, place, *more.get(kind, []))
    for name, value in values.items():
        setattr(thing, name, value)
    env._world.add(thing)
    return thing
