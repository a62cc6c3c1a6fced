"""Reward models for skills, fitted to preferences between episodes.

Episodes are described in words; a rule, a person or a language model decides which of two is
better; and a reward model is fitted to these preferences. The model can then train a skill.

References:
    Klissarov et al., Motif: Intrinsic Motivation from Artificial Intelligence Feedback, ICLR 2024
    (arXiv:2310.00166), and MaestroMotif, ICLR 2025 (arXiv:2412.08542); Christiano et al., Deep
    Reinforcement Learning from Human Preferences, NeurIPS 2017 (arXiv:1706.03741), equation 1.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int

from didact.common.json_extraction import answer_in, find_json
from didact.environments import SettingError
from didact.students.skills.rewards import RewardModel, initial_reward_model
from didact.students.skills.task_plans import Complete

# The probability that the first of two descriptions is the better one; None if undecided.
Prefer = Callable[[str, str], float | None]
CHOICES = {"first": 1.0, "second": 0.0, "neither": 0.5}


def describe_episode(
    labels: Bool[np.ndarray, "steps p"], propositions: Sequence[str], *, longest: int = 40
) -> str:
    """Describe an episode in words: the propositions that held, in order, without repetitions.

    Args:
        labels: the labels of all steps.
        propositions: the names of the propositions in labels.
        longest: maximum number of events; later ones are left out.
    """
    events: list[str] = []
    before: tuple[str, ...] = ()
    for row in np.asarray(labels):
        now = tuple(name for name, holds in zip(propositions, row, strict=True) if holds)
        if now and now != before:
            events.append(" and ".join(name.replace("_", " ") for name in now))
        before = now
    left_out = "; and more" if len(events) > longest else ""
    listed = "; ".join(events[:longest]) + left_out if events else "nothing"
    return f"In {len(labels)} steps: {listed}."


def language_model_preferences(complete: Complete, wish: str) -> Prefer:
    """Make a preference function that asks a language model.

    Args:
        complete: a function that answers messages with JSON text, possibly surrounded by prose;
            answers are never executed.
        wish: the desired behaviour, in words.
    """
    schema = {
        "type": "object",
        "properties": {"better": {"enum": list(CHOICES)}},
        "required": ["better"],
        "additionalProperties": False,
    }

    def prefer(first: str, second: str) -> float | None:
        messages = [
            {
                "role": "system",
                "content": "You compare two episodes of an agent. Answer with one JSON object: "
                '{"better": "first"}, {"better": "second"} or {"better": "neither"}.',
            },
            {"role": "user", "content": f"Wish: {wish}\nFirst: {first}\nSecond: {second}"},
        ]
        found = find_json(answer_in(complete(messages, schema)))
        better = next((x["better"] for x in found if isinstance(x, dict) and "better" in x), None)
        return CHOICES.get(better) if isinstance(better, str) else None

    return prefer


class Preferences(NamedTuple):
    """Preferences between pairs of episodes."""

    pairs: Int[np.ndarray, "m 2"]  # indices of episodes
    first: Float[np.ndarray, " m"]  # the probability that the first is the better one


def collect_preferences(
    descriptions: Sequence[str], prefer: Prefer, count: int, *, seed: int = 0
) -> Preferences:
    """Compare random pairs of descriptions; equal or undecided pairs are left out.

    Args:
        descriptions: descriptions of episodes.
        prefer: the preference function.
        count: number of pairs to draw.
        seed: seed of the pairs.

    Raises:
        SettingError: fewer than two descriptions differ, or a preference is not a probability.
    """
    if len(set(descriptions)) < 2:
        raise SettingError("descriptions", len(set(descriptions)), "at least two that differ")
    rng = np.random.default_rng(seed)
    pairs, first = [], []
    for _ in range(count):
        one, other = map(int, rng.choice(len(descriptions), 2, replace=False))
        if descriptions[one] == descriptions[other]:
            continue
        probability = prefer(descriptions[one], descriptions[other])
        if probability is None:
            continue
        if not 0 <= probability <= 1:
            raise SettingError("preference", probability, "between 0 and 1, or None")
        pairs.append((one, other))
        first.append(probability)
    return Preferences(np.array(pairs, np.int64).reshape(-1, 2), np.array(first, np.float64))


def fit_reward_model(
    labels: Bool[np.ndarray, "episodes steps p"],
    known: Preferences,
    *,
    hidden: int = 16,
    updates: int = 500,
    learning_rate: float = 1e-2,
    decay: float = 1e-3,
    seed: int = 0,
) -> RewardModel:
    """Fit a reward model under which the better of two episodes has the higher sum of rewards.

    The loss is the cross-entropy of the Bradley-Terry model, in which the probability of preferring
    an episode is logistic in the difference of the sums.

    Args:
        labels: labels of episodes, padded to one length with steps without propositions.
        known: preferences between the episodes.
        hidden: width of the network.
        updates, learning_rate: settings of Adam; each update uses all pairs.
        decay: weight decay.
        seed: seed of the network's initial weights.

    Raises:
        SettingError: there are no preferences.
    """
    if not len(known.pairs):
        raise SettingError("preferences", 0, "at least one")
    rows = jnp.asarray(labels, jnp.float32)
    pairs, first = jnp.asarray(known.pairs), jnp.asarray(known.first, jnp.float32)
    params = initial_reward_model(hidden, rows.shape[-1], seed).params
    optimiser = optax.adamw(learning_rate, weight_decay=decay)

    def loss(params):
        sums = jnp.sum(RewardModel(params, hidden)(rows), 1)
        difference = sums[pairs[:, 0]] - sums[pairs[:, 1]]
        return jnp.mean(optax.sigmoid_binary_cross_entropy(difference, first))

    def update(carry, _):
        params, state = carry
        change, state = optimiser.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, change), state), None

    @jax.jit
    def run(params):
        return jax.lax.scan(update, (params, optimiser.init(params)), None, updates)[0][0]

    return RewardModel(run(params), hidden)
