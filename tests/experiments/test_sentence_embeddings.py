"""What is learnt where missions are told by vectors only."""

import zlib

import numpy as np
import pytest

from didact.environments import make
from didact.environments.language import sentence_embeddings
from didact.experiments.loop import DEVICES, Loop
from didact.students import NetworkConfig, PPOConfig, ppo
from didact.teachers import uniform

NUM_ENVS, ROLLOUT, UPDATES = 256, 16, 90


def encoder(texts):
    """Knows nothing of what texts mean: the vectors of "red" have nothing in common."""
    return [np.random.default_rng(zlib.crc32(text.encode())).normal(size=24) for text in texts]


def success_in(world):
    """The rate of success in each third of a short training."""
    student = ppo(
        world.observation_space,
        world.action_space,
        PPOConfig(3e-3, num_minibatches=4, network=NetworkConfig(hidden=64, memory=0)),
        num_updates=UPDATES,
        axes=(DEVICES,),
    )
    teacher = uniform(world.task_space)
    loop = Loop(world, teacher, student, num_envs=NUM_ENVS, rollout_length=ROLLOUT)
    state, rates = loop.init(0), []
    for _ in range(3):
        state, records = loop.chunk(state, UPDATES // 3)
        weights = np.asarray(records.outcomes.weights)
        rates.append(np.sum(weights * np.asarray(records.outcomes.success)) / weights.sum())
    return rates


@pytest.mark.slow
def test_missions_are_learnt_from_their_vectors(optimised):
    """Two objects are in a room, and to claim success before the wrong one ends the episode.

    So who does not read the mission is right half of the time at best (and a little more often,
    because some objects look alike).
    """
    room = make("BabyAI-GoToLocalS5N2-v0", packed=True, done_action=True)
    table = sentence_embeddings.embed_sentences(sentence_embeddings.missions_of(room), encoder)
    rates = success_in(sentence_embeddings.with_sentence_embeddings(room, table))
    assert rates[0] < 0.5
    assert rates[-1] > 0.7
