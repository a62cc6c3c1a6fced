"""The experts of a training: from names to advice."""

from collections.abc import Sequence
from typing import Any

import optax

from didact.environments import Box, Environment, SettingError, TaskSpace
from didact.environments.grid import GridWorld, solver
from didact.experiments.config import TrainConfig
from didact.experiments.rollout import Reveal
from didact.students import Expert, Lesson, Policy, experts, kickstart, load_policy

SOLVER = "solver"
LAST = 0.01  # what an exponential schedule falls to


def experts_of(config: TrainConfig, environment: Environment) -> list[Expert]:
    """The experts named by `--experts`; each policy advises in the tasks it was trained on.

    Raises:
        SettingError: there is no such policy, it does not fit, or experts are missing or unused.
    """
    if config.student == "distill" and not config.experts:
        raise SettingError("--experts", (), "at least one expert for --student distill")
    from didact.experiments.setup import space_of

    space = space_of(config, environment)
    return [_expert(name, environment, space) for name in config.experts]


def _expert(name: str, environment: Environment, space: TaskSpace) -> Expert:
    if name == SOLVER:
        if not isinstance(environment, GridWorld):
            raise SettingError("--experts", name, "a policy, where worlds are no grid worlds")
        return experts.told(SOLVER, environment.action_space.n)
    policy = load_policy(name)
    policy.check(environment.observation_space)
    expert = experts.of_policy(policy, environment.action_space)._replace(name=name)
    known = known_tasks(name, policy, space)
    return expert if known is None else experts.only_tasks(expert, known)


def known_tasks(name: str, policy: Policy, space: TaskSpace) -> TaskSpace | None:
    """The part of the tasks of a training that a policy was trained on.

    Args:
        name: what the policy is called in errors.
        policy: the expert.
        space: the tasks of the training.

    Returns:
        A task space; None where it is all of them, or where that cannot be told, because the policy
        is of another family of tasks.

    Raises:
        SettingError: it was trained on none of these tasks, or on so thin a slice of them that it
            would hardly ever advise.
    """
    from didact.experiments.setup import narrowed

    tasks = policy.card.get("training", {}).get("settings", {}).get("tasks", ())
    own = narrowed(policy.make_environment().task_space, tuple(tasks))
    if type(own) is not type(space) or own.names != space.names:
        return None
    common = space.common(own)
    if common is None:
        raise SettingError("--experts", name, "a policy that was trained on some of these tasks")
    if isinstance(common, Box) and isinstance(space, Box):
        # Of real numbers between two bounds, hardly any is the one that it knows.
        pairs = zip(common.dimensions, space.dimensions, strict=True)
        thin = [d for d, whole in pairs if not d.integer and d.low == d.high and d != whole]
        if thin:
            told = " ".join(f"{d.name}={d.low:g}" for d in thin)
            allowed = f"a policy that knows more of these tasks; or narrow them: --tasks {told}"
            raise SettingError("--experts", name, allowed)
    return None if common == space else common


def reveal_of(advice: Sequence[Expert], environment: Environment) -> Reveal | None:
    """What these experts have to be shown beside the observation; None if nothing."""
    names = {name for expert in advice for name in expert.reveals}
    facts: dict[str, Any] = {experts.TASK: lambda state, tasks: tasks}
    if SOLVER in names and isinstance(environment, GridWorld):
        choose = solver.expert(environment)
        facts[SOLVER] = lambda state, tasks: choose(state)
    if not names:
        return None
    return lambda state, tasks: {name: facts[name](state, tasks) for name in sorted(names)}


def lessons_of(config: TrainConfig, advice: Sequence[Expert]) -> tuple[Lesson, ...]:
    """What experts teach PPO beside the rewards: a lambda that falls as `--kickstart` says."""
    if not advice:
        return ()
    settings = config.kickstart
    steps = max(1, round(settings.until * config.num_updates))
    schedule = {
        "constant": optax.constant_schedule(settings.weight),
        "linear": optax.linear_schedule(settings.weight, 0.0, steps),
        "exponential": optax.exponential_decay(
            settings.weight, steps, LAST, end_value=LAST * settings.weight
        ),
    }[settings.schedule]
    return (kickstart(advice, schedule, distance=settings.distance),)
