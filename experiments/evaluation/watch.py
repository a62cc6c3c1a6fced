"""Record videos of a policy's episodes, with the instruction as a caption."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from didact.environments import Environment, Restart, SettingError, TaskSpace, Timestep
from didact.environments.base import PICTURES, name_of
from didact.experiments.actors import student_actor
from didact.experiments.plotting.video import caption, status, write_video
from didact.experiments.rollout import RolloutState, Runner, advance, new_worlds
from didact.experiments.tasks.task_sources import once
from didact.students import Policy

MAX_SECONDS = 13  # maximum length of an episode; of longer ones only the last frame follows
MAX_FPS = 25  # maximum frame rate at natural speed; faster environments skip steps
WIDEST = 1.5  # longest side of a frame, in units of `size`


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
    fps: float | None = None,
    size: int = 352,
) -> Path:
    """Play episodes and write them, one after another, to a .gif or .mp4 file.

    Args:
        policy: policy to record.
        environment: environment to play.
        path: output file.
        tasks: tasks of the episodes, repeated cyclically; sampled from `space` if None.
        space: task space to sample tasks from; the environment's if None.
        episodes: number of episodes.
        seed: seed of levels and actions.
        greedy: take the most probable actions instead of sampling.
        fps: frames per second, with one environment step per frame. If None, the video plays at
            the environment's `render_fps`, and steps are skipped if that is above 25.
        size: the shorter side of the frames in pixels, without the caption; less if the longer
            one would be more than 1.5 times as long.

    Returns:
        The path of the video.

    Raises:
        SettingError: the environment cannot be drawn, or the file type is not supported.
    """
    if PICTURES not in environment.render_modes:
        allowed = "one that implements render"
        raise SettingError("environment", name_of(environment), allowed)
    every = 1
    if fps is None:
        every = math.ceil(environment.render_fps / MAX_FPS)
        fps = environment.render_fps / every
    longest = MAX_SECONDS * fps
    task_key, level_key, key = jax.random.split(jax.random.key(seed), 3)
    if tasks is None:
        rows = (space or environment.task_space).sample(task_key, episodes)
    else:
        rows = jnp.asarray(np.resize(tasks, (episodes, environment.task_space.size)))
    actor = student_actor(policy.student, policy.state, greedy)._replace(value=None)
    take, queue = once(rows, level_key, environment.restart_group_size)
    runner = Runner(environment, Restart(environment), actor, take)
    step = jax.jit(lambda *now: advance(runner, actor.params, *now))
    worlds = new_worlds(environment, actor, episodes)
    films: list[list[np.ndarray]] = [[] for _ in range(episodes)]
    texts: list[str] = []
    total = np.zeros(episodes)

    def draw(
        time: int, worlds: RolloutState, which: np.ndarray, seen: Timestep | None = None
    ) -> None:
        shown: dict[str, np.ndarray] = jax.device_get(worlds.observation)
        if not texts:
            rows = [{k: v[i] for k, v in shown.items()} for i in range(episodes)]
            texts.extend(map(environment.instruction_text, rows))
        state = jax.device_get(worlds.state)
        for i in np.flatnonzero(which):
            over = seen is not None and bool(seen.done[i])
            if over or (time % every == 0 and len(films[i]) < longest):
                won = bool(seen.success[i]) if seen is not None and over else None
                lines = [texts[i], status(time, float(total[i]), won)]
                if "feedback" in shown:
                    said = environment.feedback_text({k: v[i] for k, v in shown.items()})
                    lines.insert(1, said)
                picture = environment.render(state, int(i))
                shape = _scaled(picture.shape[0], picture.shape[1], size)
                films[i].append(caption(picture, lines, size=shape, rows=len(lines) + 1))

    for time in range(environment.max_steps):
        key, now_key = jax.random.split(key)
        worlds, queue, now = step(worlds, queue, now_key)
        playing = np.asarray(now.playing)
        if time == 0:
            draw(0, now.worlds, playing)
        total += np.asarray(now.seen.reward)
        draw(time + 1, worlds, playing, jax.device_get(now.seen))
        if np.asarray(worlds.over).all():
            break
    frames = []
    for film in films:
        frames += film + [film[-1]] * round(fps)
    return write_video(path, frames, fps)


def _scaled(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width of a picture in a video of this size; see `record`."""
    shorter, longer = sorted((height, width))
    scale = min(size / shorter, WIDEST * size / longer)
    return max(1, round(scale * height)), max(1, round(scale * width))
