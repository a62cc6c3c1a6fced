"""What crafting worlds offer besides `reset` and `step`: observations, pictures, an expert."""

import textwrap

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PRNGKeyArray

from didact.environments.base import Environment
from didact.environments.capabilities import Feedback, OptionalPropositions, StateExpert, TextStatus
from didact.environments.crafting import layout, picture, propositions, tasks, text, view
from didact.environments.crafting.achieved import RARITY
from didact.environments.crafting.layout import CraftingState


class Offers(Environment[CraftingState]):
    """The observations and the optional capabilities of `Crafter`."""

    render_modes = ("rgb_array", "ansi")

    def choose_observation(self, as_picture: bool, with_text: bool) -> None:
        """Choose the observation space: the picture, or symbols; and whether there is a text."""
        self.picture, self.text = as_picture, with_text
        symbols = dict(layout.OBSERVATION_SPACE)
        self.observation_space = {"picture": picture.SPACE} if as_picture else symbols
        if with_text:
            self.observation_space["text"] = text.SPACE
        if as_picture or with_text:
            self.official = None  # the original package is observed as symbols only

    def observe(self, keys: PRNGKeyArray, state: CraftingState) -> dict[str, Array]:
        """Return the observation of n worlds; the keys are those of the step."""
        seen = view.symbols(state)
        words = {"text": text.tokens(seen)} if self.text else {}
        if not self.picture:
            return seen | words
        own = jax.vmap(lambda key: jax.random.fold_in(key, _PICTURE))(keys)
        return {"picture": picture.draw(seen, own)} | words

    def render(self, state: CraftingState, index: int, scale: int = 4) -> np.ndarray:
        """Draw what the player of world `index` sees, uint8[height, width, 3].

        Args:
            state: the worlds.
            index: the world to draw.
            scale: pixels of the picture for each pixel of a sprite, along each side.
        """
        return picture.magnified(_look(_only(state, index)), scale)

    def render_ansi(
        self,
        state: CraftingState,
        index: int,
        color: bool = True,
        window: tuple[int, int] | None = None,
    ) -> str:
        """Draw what the player of world `index` sees as text for a terminal; see `ansi.draw`."""
        from didact.environments.crafting import ansi

        seen = {name: np.asarray(x)[0] for name, x in _look(_only(state, index)).items()}
        pose = seen["facing"], bool(seen["sleeping"])
        return ansi.draw(seen["view"], *pose, color=color, window=window)

    def text_status(self, state: CraftingState, index: int) -> TextStatus:
        from didact.environments.crafting import ansi

        seen = _look(_only(state, index))
        counts = dict(zip(layout.ITEMS, np.asarray(state.inventory)[index].tolist(), strict=True))
        vitals = [f"{name} {counts.pop(name)}" for name in layout.VITALS]
        carried = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items() if n)
        unlocked = int(np.sum(np.asarray(state.unlocked)[index]))
        light = "night" if float(seen["light"][0]) < text.DARK else "day"
        when = f"{light}, asleep" if bool(seen["sleeping"][0]) else light
        lines = (
            *("  ".join(vitals[:2]), "  ".join(vitals[2:])),
            f"{unlocked} of {len(layout.ACHIEVEMENTS)} unlocked, {when}",
            *textwrap.wrap(f"you have {carried or 'nothing'}", _PANEL),
        )
        length = int(tasks.value(state.tasks, "length")[index])
        return TextStatus(length, lines, ansi.LEGEND)

    def expert(self) -> StateExpert:
        """Return the planner, which unlocks the rewarded achievements."""
        from didact.environments.crafting import expert

        return expert.make()

    def feedback(self) -> Feedback:
        """Return the planner's advice in words, on the way to the next rewarded achievement."""
        from didact.environments.crafting.advice.feedback import feedback

        return feedback(lambda state: state, _next)

    def optional_propositions(self) -> OptionalPropositions:
        """Return propositions about the player and its surroundings."""
        return propositions.make()


_PANEL = 34  # characters
_WAKE_UP = layout.ACHIEVEMENT["wake_up"]
# From the most common achievement to the rarest; waking up is the last.
_COMMON = [layout.ACHIEVEMENT[name] for name in reversed(RARITY) if name != "wake_up"]
_COMMON = np.array([*_COMMON, _WAKE_UP])
_PICTURE = 2  # folded into keys, for the noise of the picture


@jax.jit
def _look(state: CraftingState) -> dict[str, Array]:
    return view.symbols(state)


def _next(state: CraftingState) -> Bool[Array, "n 22"]:
    """Return the most common of the rewarded achievements that are not unlocked yet.

    Players who sleep should wake up first. Others should do so last: they can only once they are
    tired, and the way to other achievements includes sleep.
    """
    wanted = ~state.unlocked & (tasks.paid(state.tasks) > 0)
    first = jnp.asarray(_COMMON)[jnp.argmax(wanted[:, _COMMON], 1)]
    wakes = wanted[:, _WAKE_UP] & state.sleeping
    first = jnp.where(wakes, _WAKE_UP, first)
    return wanted & (np.arange(len(layout.ACHIEVEMENTS)) == first[:, None])


def _only(state: CraftingState, index: int) -> CraftingState:
    """Return one world, with an axis of worlds."""
    return jax.tree.map(lambda x: jnp.asarray(x)[index][None], state)
