"""`Crafter` as an `Environment`."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, PRNGKeyArray

from didact.environments.base import Timestep, map_in_groups, split_keys
from didact.environments.compiler_hints import fold_vmap
from didact.environments.crafting import layout, tasks, view
from didact.environments.crafting.generation.worlds import new_worlds
from didact.environments.crafting.layout import ACHIEVEMENTS, ITEM, MAX_OBJECTS, CraftingState
from didact.environments.crafting.offers import Offers
from didact.environments.crafting.official import COUNTERPART
from didact.environments.crafting.rules import balance, creatures, nearby, player
from didact.environments.task_spaces import TaskSpace

HEALTH = ITEM["health"]
HEALTH_REWARD = 0.1  # for each unit of health
_EASY = {"time": (0, 100), "goal": 1, "zombies": (0, 1)}


class Crafter(Offers):
    """Crafter: survive in an open world, gather resources, and make tools.

    The rules are those of the original package, `crafter` 1.8.3: a map of 64x64 cells, four needs,
    cows, zombies, skeletons, arrows and plants, and 22 achievements. The reward is 1 in a step that
    unlocks an achievement for the first time in the episode, plus 0.1 for each unit of health that
    is gained or lost. An episode ends when the health is 0, or after 10,000 steps.

    Objects act within a distance of 17 cells, as in the original. Where more than 40 are that near,
    which happens in tasks with many creatures, only the nearest ones act.

    A task changes the world, the initial inventory, and the achievements that are rewarded; see
    `tasks`. The task "original" is the original game. An episode is a success if, when it ends, as
    many rewarded achievements have been unlocked as the task's `goal` demands, or all of them if
    there are fewer; never, if none is rewarded. The original game knows no success; here its goal
    is half of the achievements.

    Observations: what the original's picture shows, as symbols (see `layout.OBSERVATION_SPACE`) or
    as a picture. The noise that covers parts of the picture at night hides no symbols.

    Args:
        original: whether the original game is the only task.
        picture: whether the observation is `picture`, uint8[n, 64, 64, 3], drawn from the symbols,
            instead of the symbols; see `picture.draw`.
        text: whether observations include `text`, a description as token ids, uint8[n, l], which
            is not an input of networks; see `text.tokens`.

    Attributes:
        propositions: the achievements, each of which holds in the steps that unlock or repeat it.

    References:
        Hafner, Benchmarking the spectrum of agent capabilities, ICLR 2022 (arXiv:2109.06780).
    """

    action_space = layout.ACTION_SPACE
    max_steps = layout.MAX_STEPS
    return_range = (0.0, float(len(ACHIEVEMENTS)))
    propositions = ACHIEVEMENTS
    achievements = ACHIEVEMENTS
    can_continue = False
    success_at_limit = True
    restart_group_size = 2
    official = COUNTERPART

    def __init__(self, original: bool = False, picture: bool = False, text: bool = False):
        self.name = "Crafter"
        self.task_space = tasks.ORIGINAL_SPACE if original else tasks.SPACE
        self.original = original
        self.choose_observation(picture, text)
        self._reset, self._step = fold_vmap(self._fresh), fold_vmap(self._one_step)

    @property
    def easy_space(self) -> TaskSpace:
        """Worlds in daylight in which one achievement is enough."""
        return self.task_space if self.original else self.task_space.restricted(**_EASY)

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        """The original game."""
        return {"original": tasks.ORIGINAL.copy()}

    def reset(self, key, tasks):
        return self._reset(split_keys(key, tasks.shape[0]), self.task_space.clip(tasks))

    def step(self, key, state, actions):
        return self._step(split_keys(key, actions.shape[0]), state, actions)

    def _fresh(self, keys: PRNGKeyArray, chosen: Float[Array, "n d"]):
        n = chosen.shape[0]
        worlds = new_worlds(keys, chosen)
        position = jnp.full(n, layout.START, jnp.int32)
        objects = layout.unpack(worlds.objects)
        cells = jnp.where(objects.kind == layout.EMPTY, nearby.ABSENT, objects.cell).T
        vitals = jnp.full((n, len(layout.VITALS)), layout.MOST)
        items = tasks.initial_items(chosen).astype(jnp.int32)
        no, zero = jnp.zeros((n, len(ACHIEVEMENTS)), bool), jnp.zeros(n)
        state = CraftingState(
            material=worlds.material,
            objects=worlds.objects,
            num_slots=worlds.num_slots,
            chunks=balance.chunk_bits(jnp.concatenate([cells, position[None]])),
            position=position,
            facing=jnp.full(n, layout.DIRECTIONS.index("down"), jnp.int32),
            inventory=jnp.concatenate([vitals, items], 1),
            sleeping=jnp.zeros(n, bool),
            hunger=zero,
            thirst=zero,
            fatigue=zero,
            recovery=zero,
            previous_health=jnp.full(n, layout.MOST, jnp.int32),
            unlocked=no,
            achieved=no,
            steps=jnp.zeros(n, jnp.int32),
            tasks=chosen,
        )
        return state, self._timestep(keys, state, zero)

    def _one_step(self, keys: PRNGKeyArray, state: CraftingState, actions: Int32[Array, " n"]):
        draws = jax.vmap(lambda key: jax.random.uniform(key, (_NUM_DRAWS,)))(keys)
        before = state
        state = advance(state, self.action_space.clip(actions), draws.T)
        state = self._balanced(keys, state)
        gained = state.inventory[:, HEALTH] - before.inventory[:, HEALTH]
        new = state.unlocked & ~before.unlocked & (tasks.paid(state.tasks) > 0)
        reward = HEALTH_REWARD * gained + jnp.any(new, 1)
        return state, self._timestep(keys, state, reward)

    def _balanced(self, keys: PRNGKeyArray, state: CraftingState) -> CraftingState:
        """Balance the creatures of the worlds where it is time to do so."""
        density = jnp.stack(
            [tasks.value(state.tasks, name) for name in ("zombies", "skeletons", "cows")], 1
        )
        phase = view.phase(state)

        def balanced(worlds):
            def draw(key):
                count = 6 * balance.AREAS + MAX_OBJECTS
                return jax.random.uniform(jax.random.fold_in(key, 1), (count,))

            def draw_rounding(key):
                return jax.random.uniform(jax.random.fold_in(key, _ROUNDING), (3, balance.AREAS))

            numbers = jax.vmap(draw)(keys[worlds])
            chunks = numbers[:, : 6 * balance.AREAS].reshape(-1, 2, 3, balance.AREAS)
            draws = balance.Draws(
                happens=chunks[:, 0],
                place=chunks[:, 1],
                rounding=jax.vmap(draw_rounding)(keys[worlds]),
                victim=numbers[:, 6 * balance.AREAS :],
            )
            return balance.balance(
                state.material[worlds],
                state.objects[worlds],
                state.chunks[worlds],
                state.position[worlds],
                phase[worlds],
                density[worlds],
                draws,
            )

        due = state.steps % balance.PERIOD == 0
        old = balance.Balanced(state.objects, state.num_slots)
        new = map_in_groups(balanced, due, old, _GROUP)
        return state._replace(objects=new.objects, num_slots=new.num_slots)

    def _timestep(
        self, keys: PRNGKeyArray, state: CraftingState, reward: Float[Array, " n"]
    ) -> Timestep:
        paid = tasks.paid(state.tasks) > 0
        count = jnp.sum(state.unlocked & paid, 1)
        goal = jnp.minimum(tasks.value(state.tasks, "goal"), jnp.sum(paid, 1))
        dead = state.inventory[:, HEALTH] <= 0
        over = state.steps >= tasks.value(state.tasks, "length")
        return Timestep(
            observation=self.observe(keys, state),
            reward=reward,
            terminated=dead,
            truncated=over,
            success=(dead | over) & (count >= goal) & (goal > 0),
            labels=state.achieved,
        )


_NUM_DRAWS = 1 + creatures.NUM_DRAWS * nearby.ROWS
_ROUNDING = 4  # folded into keys, for the numbers of creatures
_GROUP = 16  # worlds whose creatures are balanced at once


def advance(
    state: CraftingState, actions: Int32[Array, " n"], draws: Float[Array, "m n"]
) -> CraftingState:
    """Take one step in n worlds, without the balance of creatures.

    Args:
        state: the worlds.
        actions: the actions.
        draws: `_NUM_DRAWS` uniform numbers: one for the player, and four for each near object.
    """
    n = actions.shape[0]
    old_slots = state.num_slots
    near = nearby.gather(state.objects, state.position)
    state, near, planted = player.update(state, near, actions, draws[0])
    close = layout.distance(near.cell, state.position) < near.reach
    own = draws[1:].reshape(creatures.NUM_DRAWS, nearby.ROWS, n)
    result = creatures.update(state, near, near.present & close, planted, own)
    inventory = state.inventory.at[:, HEALTH].add(-result.damage)
    objects = nearby.scatter(state.objects, result.near)
    new_cells = jnp.concatenate([planted[None], result.arrows])
    objects, num_slots = _appended(
        objects, old_slots, new_cells, result.directions, result.plant_hit
    )
    material = state.material
    for cell in result.broken:
        at = jnp.where(cell >= 0, cell, layout.CELLS)
        material = material.at[jnp.arange(n), at].set(jnp.uint8(layout.PATH), mode="drop")
    moved = jnp.where(result.near.present, result.near.cell, nearby.ABSENT)
    cells = jnp.concatenate([moved, new_cells, state.position[None]])
    return state._replace(
        material=material,
        objects=objects,
        num_slots=num_slots,
        chunks=state.chunks | balance.chunk_bits(cells),
        inventory=jnp.maximum(inventory, 0),
        unlocked=state.unlocked | state.achieved,
        steps=state.steps + 1,
    )


def _appended(objects, num_slots, cells, directions, plant_hit):
    """Append a plant and arrows to the objects; `cells` are ABSENT where there is none."""
    arrows = directions.shape[0]
    kind = np.array([[layout.PLANT]] + [[layout.ARROW]] * arrows, np.int32)
    extra = jnp.concatenate([jnp.zeros_like(directions[:1]), directions])
    health = jnp.broadcast_to(np.array(layout.HEALTH, np.int32)[kind], cells.shape)
    health = health.at[0].set(jnp.where(plant_hit, 0, health[0]))
    values = layout.pack(kind, jnp.maximum(cells, 0), health, extra)
    exists = cells >= 0
    worlds = jnp.arange(cells.shape[1])
    for row in range(1 + arrows):
        slot = jnp.where(exists[row], num_slots, MAX_OBJECTS)
        objects = objects.at[worlds, slot].set(values[row], mode="drop", unique_indices=True)
        num_slots = jnp.minimum(num_slots + exists[row], MAX_OBJECTS)
    return objects, num_slots
