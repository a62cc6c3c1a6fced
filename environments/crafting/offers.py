"""What crafting worlds offer besides `reset` and `step`: observations, pictures, an expert."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from didact.environments.base import Environment
from didact.environments.capabilities import OptionalPropositions, StateExpert
from didact.environments.crafting import layout, picture, propositions, text, view
from didact.environments.crafting.layout import CraftingState


class Offers(Environment[CraftingState]):
    """The observations and the optional capabilities of `Crafter`."""

    def choose_observation(self, as_picture: bool, with_text: bool) -> None:
        """Choose the observation space: the picture, or symbols; and whether there is a text."""
        self.picture, self.text = as_picture, with_text
        symbols = dict(layout.OBSERVATION_SPACE)
        self.observation_space = {"picture": picture.SPACE} if as_picture else symbols
        if with_text:
            self.observation_space["text"] = text.SPACE

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
        return picture.magnified(view.symbols(_only(state, index)), scale)

    def expert(self) -> StateExpert:
        """Return the planner, which unlocks the rewarded achievements."""
        from didact.environments.crafting import expert

        return expert.make(self)

    def optional_propositions(self) -> OptionalPropositions:
        """Return propositions about the player and its surroundings."""
        return propositions.make()


_PICTURE = 2  # folded into keys, for the noise of the picture


def _only(state: CraftingState, index: int) -> CraftingState:
    """Return one world, with an axis of worlds."""
    return jax.tree.map(lambda x: jnp.asarray(x)[index][None], state)
