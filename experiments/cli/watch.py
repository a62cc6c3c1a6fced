"""Record a video of a policy's episodes, with the instruction as a caption."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated

from didact.common import strict_json
from didact.common.plain_text import shown
from didact.common.setting_types import Range
from didact.experiments.cli._options import Acting


@dataclasses.dataclass(frozen=True)
class Options(Acting):
    tasks: tuple[str, ...] = ()
    """restrict the task space: NAME=VALUE or NAME=LOW..HIGH; without this option, --env and
    --env-settings, the tasks are those that the policy was trained on"""
    out: Path | None = None
    """output file, .gif or .mp4; defaults to watch.gif in the policy's folder, or to NAME.gif in
    the working directory for a policy given by name"""
    episodes: Annotated[int, Range(1, 1000)] = 6
    """number of episodes, shown one after another"""


def run(options: Options) -> None:
    """Record the video and print its path.

    Raises:
        SettingError: an option is invalid, or the file cannot be written.
    """
    from didact.common.errors import SettingError
    from didact.experiments.evaluation.watch import record
    from didact.experiments.plotting.video import check_target
    from didact.experiments.setup import narrow_task_space
    from didact.students import load_policy

    options.check(options.episodes)
    policy = load_policy(options.policy)
    environment = options.environment(policy)
    policy.check(environment.observation_space, environment.action_space)
    space = narrow_task_space(environment.task_space, options.tasks)
    if not (options.tasks or options.env or options.env_settings):
        trained = policy.card.get("training", {}).get("settings", {}).get("tasks", ())
        with contextlib.suppress(SettingError):  # of an environment that has changed since
            space = narrow_task_space(environment.task_space, tuple(trained))
    folder = Path(options.policy)
    path = options.out or (folder / "watch.gif" if folder.is_dir() else Path(f"{folder.name}.gif"))
    check_target(path, "--out")
    try:
        record(
            policy,
            environment,
            path,
            space=space,
            episodes=options.episodes,
            seed=options.seed,
            greedy=options.greedy,
        )
    except OSError as error:
        raise SettingError(
            "--out", str(path), f"a writable file ({error.strerror or error})"
        ) from None
    print(strict_json.dumps({"video": str(path)}) if options.json else shown(str(path)))
