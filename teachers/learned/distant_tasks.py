"""A buffer of tasks that keep a minimum distance from each other."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from didact.teachers import ring_buffer


class DistantTasks(NamedTuple):
    """The latest r tasks; task i is in row i modulo r."""

    tasks: Float[Array, "r d"]
    count: Int[Array, ""]  # tasks added so far, less `ring_buffer.surplus`

    @classmethod
    def empty(cls, r: int, d: int) -> "DistantTasks":
        """Create a buffer for r tasks of d numbers."""
        return cls(jnp.zeros((r, d)), jnp.int32(0))

    @property
    def known(self) -> Int[Array, ""]:
        """The number of tasks in the buffer."""
        return jnp.minimum(self.count, self.tasks.shape[0])

    def sample(self, key: PRNGKeyArray, n: int) -> Float[Array, "n d"]:
        """Return n of the tasks; zeros if there are none."""
        return self.tasks[jax.random.randint(key, (n,), 0, jnp.maximum(self.known, 1))]

    def add(
        self, tasks: Float[Array, "n d"], mask: Bool[Array, " n"], distance: float
    ) -> "DistantTasks":
        """Add tasks, one after another, unless they are too close to one in the buffer.

        Args:
            tasks: n tasks.
            mask: which of them to add.
            distance: they must be farther than this from all tasks in the buffer.
        """
        n, r = mask.shape[0], self.tasks.shape[0]
        rows = jnp.nonzero(mask, size=n, fill_value=0)[0]
        number = jnp.sum(mask)

        def one(carry):
            i, (stored, count) = carry
            task = tasks[rows[i]]
            away = jnp.sqrt(jnp.sum((stored - task) ** 2, axis=1))
            new = jnp.all((away > distance) | (jnp.arange(r) >= count))
            at = jnp.where(new, count % r, r)
            return i + 1, DistantTasks(stored.at[at].set(task, mode="drop"), count + new)

        start = self._replace(count=self.count - ring_buffer.surplus(self.count, r))
        return jax.lax.while_loop(lambda carry: carry[0] < number, one, (jnp.int32(0), start))[1]
