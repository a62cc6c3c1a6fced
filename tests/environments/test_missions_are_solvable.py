"""Ten thousand missions of each of the hardest levels: all can be fulfilled, none is already."""

import jax
import numpy as np
import pytest
from solving import lost

from didact.environments import make
from didact.environments.grid import language, rules, solver

HARDEST = (
    "BabyAI-BossLevel-v0",
    "BabyAI-GoToImpUnlock-v0",
    "BabyAI-MiniBossLevel-v0",
    "BabyAI-PutNextS7N4-v0",
    "BabyAI-SynthSeq-v0",
    "BabyAI-UnblockPickup-v0",
)
BATCH = 1024


def check(name, batches):
    """How many missions are not ended, and their texts."""
    environment = make(name)

    def run(key):
        tasks = environment.task_space.sample(jax.random.fold_in(key, 1), BATCH)
        state, _ = environment.reset(key, tasks)
        idle = np.full(BATCH, rules.DONE)
        _, after = environment.step(None, state, idle)
        success, steps = solver.solve(environment, state)
        return state, after.success, success, steps

    run = jax.jit(run)
    left, seen = [], 0
    for batch in range(batches):
        state, at_once, success, steps = jax.device_get(run(jax.random.key(100 + batch)))
        seen += BATCH
        # To stand before what one is to go to is the least a mission can ask.
        texts = [language.decode(m) for m in state.mission]
        for i in np.flatnonzero(at_once):
            assert texts[i].startswith("go to") or " go to" in texts[i], texts[i]
            assert steps[i] == 1
        assert not np.any(lost(state))
        left += [(batch, i, texts[i], int(steps[i])) for i in np.flatnonzero(~success)]
    return left, seen


@pytest.mark.parametrize("name", HARDEST[3:4])
def test_missions_can_be_fulfilled(name):
    left, _ = check(name, 1)
    assert len(left) <= 1, left


@pytest.mark.slow
@pytest.mark.parametrize("name", HARDEST)
def test_ten_thousand_missions_can_be_fulfilled(name):
    left, seen = check(name, 10)
    assert seen >= 10_000
    assert len(left) <= 1e-3 * seen, (len(left), left[:20])
