"""Makes a video of what a policy does, with the instruction written on it."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.environments import Environment, TaskSpace
from didact.experiments.video import caption, status, write_video
from didact.students import Policy

LONGEST = 80  # frames of one episode; longer ones are cut off in the video


def record(
    policy: Policy,
    environment: Environment,
    path: Path,
    *,
    tasks: Float[np.ndarray, "k d"] | None = None,
    space: TaskSpace | None = None,
    episodes: int = 6,
    seed: int = 0,
    greedy: bool = False,
    fps: float = 6,
    size: int = 352,
) -> Path:
    """Plays episodes and writes them, one after another, as .gif or .mp4.

    Args:
        policy: who acts.
        environment: where.
        path: where the video goes.
        tasks: the episodes' tasks in turn; drawn from `space` if None.
        space: where tasks are drawn from; the environment's task space if None.
        episodes: how many.
        seed: of levels and actions.
        greedy: take the most probable actions instead of sampling.
        fps: pictures a second.
        size: pixels of the picture's sides.
    """
    task_key, reset_key, key = jax.random.split(jax.random.key(seed), 3)
    if tasks is None:
        rows = (space or environment.task_space).sample(task_key, episodes)
    else:
        rows = jnp.asarray(np.resize(tasks, (episodes, environment.task_space.size)))
    state, seen = jax.jit(environment.reset)(reset_key, rows)
    step = jax.jit(environment.step)
    carry = policy.initial_carry(episodes)
    films: list[list[np.ndarray]] = [[] for _ in range(episodes)]
    texts = [
        environment.instruction_text({k: np.asarray(v[i]) for k, v in seen.observation.items()})
        for i in range(episodes)
    ]
    total = np.zeros(episodes)
    alive = np.ones(episodes, bool)

    def draw(time: int, over: np.ndarray, success: np.ndarray) -> None:
        now, shown = jax.device_get((state, seen.observation))
        for i in np.flatnonzero(alive):
            if len(films[i]) < LONGEST or over[i]:
                mark = status(time, float(total[i]), bool(success[i]) if over[i] else None)
                picture = environment.render(now, int(i))
                lines = [texts[i], mark]
                if "feedback" in shown:
                    said = environment.feedback_text({k: v[i] for k, v in shown.items()})
                    lines.insert(1, said)
                films[i].append(caption(picture, lines, size=(size, size), rows=len(lines) + 1))

    draw(0, ~alive, alive)
    time = 0
    while alive.any() and time < environment.max_steps:
        key, act_key, step_key = jax.random.split(key, 3)
        action, carry = policy.act(seen.observation, carry, None if greedy else act_key)
        state, seen = step(step_key, state, action)
        time += 1
        total += np.asarray(seen.reward) * alive
        over = np.asarray(seen.done)
        draw(time, over, np.asarray(seen.success))
        alive &= ~over
    frames = []
    for film in films:
        frames += film + [film[-1]] * int(fps)
    return write_video(path, frames, fps)
