"""The process of one checkout in the benchmark `commits`.

It uses only names that seldom change, because it also runs in the environment of older checkouts.
Each line of its input is `make CASE` or `run CASE`; it answers with seconds.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def stepping(name: str, num_envs: int, steps: int, **settings: Any) -> tuple[Any, float]:
    """Return a call that steps an environment at random and restarts episodes; compile seconds."""
    import jax

    import didact
    from didact.environments import Restart

    environment, n = didact.make(name, **settings), num_envs
    restart, key = Restart(environment), jax.random.key(0)
    actions: Any = environment.action_space
    tasks = environment.task_space.sample(key, n)
    state, seen = jax.jit(environment.reset)(key, tasks)

    def one(carry, key):
        state, seen, total = carry
        act_key, step_key, reset_key, task_key = jax.random.split(key, 4)
        action = jax.random.randint(act_key, (n,), 0, actions.n)
        state, seen = environment.step(step_key, state, action)
        total += seen.reward  # kept, so that the compiler leaves nothing out
        tasks = environment.task_space.sample(task_key, n)
        state, seen = restart(jax.random.split(reset_key, n), tasks, seen.done, state, seen)
        return (state, seen, total), None

    def run(carry, key):
        return jax.lax.scan(one, carry, jax.random.split(key, steps))[0]

    begun = time.perf_counter()
    carry = state, seen, 0 * seen.reward
    program = jax.jit(run, donate_argnums=0).lower(carry, key).compile()
    seconds = time.perf_counter() - begun
    held = [carry]

    def call():
        held[0] = jax.block_until_ready(program(held[0], key))

    return call, seconds


def training() -> tuple[Any, float]:
    """Return a call that makes updates of the default training, and the compile seconds."""
    import jax

    from didact.experiments import setup
    from didact.experiments.config import TrainConfig, checked

    config = checked(TrainConfig(env="GoTo", teacher="alp_gmm", warm_up=0))
    loop = setup.loop_of(config, setup.environment_of(config), jax.devices()[:1])
    begun = time.perf_counter()
    held, _ = jax.block_until_ready(loop.chunk(loop.init(0), 4))
    seconds = time.perf_counter() - begun
    for _ in range(5):  # until episodes end and the teacher fits its model
        held, _ = loop.chunk(held, 4)
    state = [held]

    def call():
        state[0] = jax.block_until_ready(loop.chunk(state[0], 4)[0])

    return call, seconds


CASES: dict[str, Callable[[], tuple[Any, float]]] = {
    "BabyAI-GoToLocal-v0": lambda: stepping("BabyAI-GoToLocal-v0", 1024, 64, packed=True),
    "BabyAI-BossLevel-v0": lambda: stepping("BabyAI-BossLevel-v0", 256, 32, packed=True),
    "MiniGrid-DoorKey-8x8-v0": lambda: stepping("MiniGrid-DoorKey-8x8-v0", 1024, 64, packed=True),
    "Maze": lambda: stepping("Maze", 1024, 64),
    "feedback": lambda: stepping("GoTo", 128, 16, feedback="both", feedback_phrasing="train"),
    "training": training,
}


def main() -> None:
    """Answer requests until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    import jax

    jax.config.update("jax_enable_compilation_cache", False)
    calls = {}
    for line in sys.stdin:
        what, case = line.split()
        if what == "make":
            calls[case], seconds = CASES[case]()
            calls[case]()
        else:
            begun = time.perf_counter()
            calls[case]()
            seconds = time.perf_counter() - begun
        print(json.dumps(seconds), file=answers, flush=True)


if __name__ == "__main__":
    main()
