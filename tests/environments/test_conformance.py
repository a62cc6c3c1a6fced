"""The conformance test for every registered environment.

By default one environment of each kind is run, and one of each family is traced, with a few more
that are drawn by the hash of the commit. `make test-slow` covers all.
"""

import functools
import importlib.util

import jax
import pytest
from families import drawn, first_of, marked

import didact.environments as environments
from didact.environments.testing import check
from didact.environments.text_settings import make_with_text_settings

INSTALLED = importlib.util.find_spec("brax") is not None
ALL = [
    entry.name
    for entry in environments.registered()
    if INSTALLED or not entry.name.startswith("brax/")
]
# With feedback it is another kind, that has no name of its own; its solver compiles for long.
FEEDBACK = (
    "BabyAI-PutNextLocalS5N3-v0 feedback=both feedback_phrasing=train feedback_error_rate=0.2"
)
DRAWN = 2


@functools.cache
def make(name):
    name, *settings = name.split()
    return make_with_text_settings(name, settings)


def family(name):
    """Environments of one family differ in sizes and in what is asked for."""
    if name.startswith("brax/"):
        return "brax"
    return type(make(name)), getattr(make(name), "family", None)


def kind(name):
    """Environments differ in kind by their class, their tasks and whether steps are random."""
    if name.startswith("brax/"):
        return "brax"
    if name.startswith("Crafter"):  # with or without instructions, which have tests of their own
        return "crafting"
    environment = make(name)
    random_steps = getattr(getattr(environment, "family", None), "random_steps", False)
    return type(environment), random_steps, type(environment.task_space)


# With contacts, and long to compile.
WALKERS = ["BipedalWalker", "StumpTracks", "Bipedal", "Parkour", "WalkerInstructions"]
SIMULATED = [name for name in ALL if name.startswith("brax/") or name in WALKERS]
KINDS = [name for name in first_of(ALL, kind) if name not in SIMULATED]
FAMILIES = [name for name in first_of(ALL, family) if name not in SIMULATED]
GRIDS = [name for name in ALL if name not in SIMULATED]


# A step of Crafter compiles for long, and tests/environments/crafting runs it as well.
RUN = [name for name in KINDS if not name.startswith("Crafter")]


@pytest.mark.parametrize("name", marked(dict.fromkeys([*KINDS, *FAMILIES, FEEDBACK]), RUN))
def test_an_environment_keeps_its_promises(name):
    check(make(name))


@pytest.mark.parametrize("name", marked(GRIDS, [*FAMILIES, *drawn(GRIDS, DRAWN)]))
def test_shapes_and_declarations(name):
    check(make(name), run=False)


@pytest.mark.parametrize("name", KINDS)
def test_worlds_can_be_split_over_devices(name):
    """Also as jax sees it: no world depends on another one."""
    environment, n = make(name), 4
    mesh = jax.make_mesh((1,), ("worlds",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("worlds")

    def life(keys, tasks, actions):
        state, _ = environment.reset(keys, tasks)
        return environment.step(jax.random.key(0), state, actions)

    split = jax.shard_map(life, mesh=mesh, in_specs=(spec,) * 3, out_specs=spec, check_vma=True)
    keys, tasks = jax.random.split(jax.random.key(0), n), environment.task_space
    actions = environment.action_space.sample(jax.random.key(0), n)
    jax.eval_shape(split, keys, tasks.sample(jax.random.key(0), n), actions)


@pytest.mark.parametrize("name", marked(WALKERS, ()))
def test_a_walker_keeps_its_promises(name):
    # Rounding decides when the solvers of a world stop, which impulses make visible.
    check(make(name), tolerance=5e-2)


@pytest.mark.parametrize("name", marked(WALKERS, WALKERS[1:2]))
def test_shapes_and_declarations_of_walkers(name):
    check(make(name), run=False)


@pytest.mark.reference
@pytest.mark.parametrize("name", marked([n for n in ALL if n.startswith("brax/")], ()))
def test_an_environment_of_brax_keeps_its_promises(name):
    # Contacts make small differences large, and a thousand steps take long.
    check(make(name), max_steps=20, tolerance=5e-3)


def test_every_environment_is_described():
    assert all(entry.description for entry in environments.registered())
