"""Sampling for learnability (SFL)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from didact.common.errors import require
from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Proposals, Teacher
from didact.teachers.recognition import tolerance_of
from didact.teachers.replay import candidates as rounds
from didact.teachers.replay import step_shares
from didact.teachers.replay.candidates import Candidates
from didact.teachers.replay.level_buffer import picture_of
from didact.teachers.replay.step_shares import StepShares

LOOK, KEPT, RANDOM = range(3)


class SflState(NamedTuple):
    """The candidates, and the k levels that are trained on; d numbers per level."""

    candidates: Candidates
    kept: Float[Array, "k d"]
    scores: Float[Array, " k"]  # p (1 - p), the highest first; -1 where no level is kept
    shares: StepShares
    key: PRNGKeyArray


def sfl(
    space: TaskSpace,
    *,
    candidates: int = 500,
    keep: int = 100,
    tries: int = 8,
    look_share: float = 0.25,
    kept_share: float = 0.5,
    learn_from_looks: bool = False,
    edited: float = 0.0,
    edits: int = 5,
) -> Teacher:
    """Train on the levels with the highest learnability p (1 - p) among many random levels.

    Candidates are sampled from the space and played `tries` times each without learning from them
    (`learn` 0), and the `keep` levels with the highest p (1 - p), where p is the success rate,
    replace those of the round before. The student learns from them in `kept_share` of the remaining
    steps, and from new random levels in the others; from random levels only, until the first
    candidates have been evaluated, after 2 * `candidates` * `tries` episodes in candidates. Short
    trainings need smaller numbers.

    Published implementations stop training while they look at candidates, and do not count those
    steps. Here both take place at the same time, all steps count, and `look_share` is the share of
    the looks. A round takes about candidates * tries episodes; these should be more than there are
    parallel environments, so that no episode is longer than a round (see `candidates`).

    Args:
        space: the task space.
        candidates: the number of levels that are looked at in a round.
        keep: the number of levels that are kept of each round; fewer, if fewer were played.
        tries: the mean number of episodes per candidate.
        look_share: the share of the environment steps in candidates.
        kept_share: the share of the other steps in the levels that were kept; the remaining ones
            are in random levels.
        learn_from_looks: whether the student also learns from the candidates. They are random
            levels themselves, so they then replace the others: `look_share` is ignored, and looking
            costs nothing.
        edited: the probability that a candidate is an edited copy of a level that was kept, instead
            of a random level.
        edits: the number of edits of such a copy; in a `Box`, an edit changes one parameter.

    Returns:
        A teacher whose `picture` contains the kept levels with the highest learnability.

    Raises:
        SettingError: a setting is out of range.

    References:
        Rutherford et al., No regrets: investigating and improving regret approximations for
        curriculum discovery, NeurIPS 2024, algorithms 1 and 2.
    """
    require("candidates", candidates, candidates >= 1, "at least 1")
    require("keep", keep, 1 <= keep <= candidates, f"from 1 to candidates, {candidates}")
    require("tries", tries, tries >= 2, "at least 2")
    require("look_share", look_share, 0 < look_share < 1, "between 0 and 1")
    require("kept_share", kept_share, 0 <= kept_share < 1, "at least 0 and below 1")
    require("edited", edited, 0 <= edited <= 1, "from 0 to 1")
    require("edits", edits, edits >= 1, "at least 1")
    looks = 1 - kept_share if learn_from_looks else look_share
    rest = 0 if learn_from_looks else (1 - look_share) * (1 - kept_share)
    wanted = jnp.array([looks, 1 - looks - rest, rest], jnp.float32)
    first_kept, first_random = 2 * candidates, 2 * candidates + keep
    tolerance = tolerance_of(space)

    def init(key):
        key, first = jax.random.split(key)
        return SflState(
            candidates=rounds.first_round(space.sample(first, candidates)),
            kept=jnp.zeros((keep, space.size)),
            scores=jnp.full(keep, -1.0),
            shares=step_shares.no_shares(3),
            key=key,
        )

    def propose(state, key, n):
        kind_key, look_key, kept_key, new_key = jax.random.split(key, 4)
        kind = step_shares.draw(kind_key, state.shares, wanted, n)
        kind = jnp.where((kind == KEPT) & (state.scores[0] < 0), RANDOM, kind)
        look = rounds.choose(state.candidates, look_key, n, tries)
        slot = jax.random.randint(kept_key, (n,), 0, number_of(state.scores))
        tasks = jnp.where((kind == LOOK)[:, None], state.candidates.tasks[look], state.kept[slot])
        tasks = jnp.where((kind == RANDOM)[:, None], space.sample(new_key, n), tasks)
        tag = jnp.where(kind == KEPT, first_kept + slot, first_random)
        learn = jnp.where(kind == LOOK, float(learn_from_looks), 1.0)
        return Proposals(tasks, learn, jnp.where(kind == LOOK, look, tag)), state

    def number_of(scores):
        """Return how many levels are kept, at least 1: they come first."""
        return jnp.maximum(jnp.sum(scores >= 0), 1)

    def observe(state, proposals, outcomes):
        tag = proposals.tag
        finished = outcomes.valid & (tag >= 0)
        kind = jnp.where(tag < first_kept, LOOK, jnp.where(tag < first_random, KEPT, RANDOM))
        kind = jnp.where(finished, kind, -1)
        state = state._replace(
            candidates=rounds.add_outcomes(
                state.candidates, tag, proposals.tasks, outcomes.success, finished, tolerance
            ),
            shares=step_shares.update(state.shares, kind, outcomes.lengths),
        )
        # A `cond` would always run under `vmap`, because it becomes a select.
        state, _ = jax.lax.while_loop(
            lambda carry: carry[1],
            lambda carry: (evaluate(carry[0]), jnp.zeros_like(carry[1])),
            (state, rounds.is_over(state.candidates, tries)),
        )
        return state

    def evaluate(state):
        """Keep the best levels of the preceding round, and begin the next one."""
        tasks, p, attempts = rounds.evaluated(state.candidates)
        scores, best = jax.lax.top_k(jnp.where(attempts > 0, p * (1 - p), -1), keep)
        known = scores[0] >= 0
        kept = jnp.where(known, tasks[best], state.kept)
        scores = jnp.where(known, scores, state.scores)
        key = jax.random.fold_in(state.key, state.candidates.rounds)
        new_key, which_key, parent_key, edit_key = jax.random.split(key, 4)
        new = space.sample(new_key, candidates)
        if edited:
            parents = kept[jax.random.randint(parent_key, (candidates,), 0, number_of(scores))]
            children = space.mutate(edit_key, parents, edits=edits)
            copies = jax.random.uniform(which_key, (candidates, 1)) < edited
            new = jnp.where(copies & (scores[0] >= 0), children, new)
        return state._replace(
            candidates=rounds.next_round(state.candidates, new), kept=kept, scores=scores
        )

    def picture(state):
        known = jnp.where(state.scores >= 0, 1 / number_of(state.scores), 0)
        return picture_of(state.kept, state.scores, known)

    return Teacher(init, propose, observe, picture)
