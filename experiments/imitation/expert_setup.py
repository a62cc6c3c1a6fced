"""The experts of a training: from names to advice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optax

from didact.environments import Box, Environment, SettingError, TaskSpace
from didact.environments.capabilities import AchievedInstructions
from didact.experiments.actors import PrivilegedObservations
from didact.experiments.config import TrainConfig
from didact.experiments.loop import SEEDS
from didact.students import (
    AuxiliaryLoss,
    Expert,
    Policy,
    hindsight,
    kickstart,
    load_policy,
    save_policy,
)
from didact.students.imitation import experts
from didact.students.imitation.hindsight import SCENE
from didact.teachers import Teacher, mixture, uniform

SOLVER = "solver"  # the environment's own expert
TEACHER = "experts"  # who asks for what the experts know
KEPT = "experts"  # where a run keeps copies of the policies that teach it
DESCRIPTION = "what the --experts know, the tasks of each of them equally often"
LAST = 0.01  # what an exponential schedule falls to


def experts_of(config: TrainConfig, environment: Environment) -> list[Expert]:
    """The experts named by `--experts`; each policy advises in the tasks it was trained on.

    Raises:
        SettingError: there is no such policy, it does not fit, or experts are missing or unused.
    """
    from didact.experiments.setup import space_of

    space = space_of(config, environment)
    return [_expert(number, config, environment, space) for number in range(len(config.experts))]


def policy_of(config: TrainConfig, number: int) -> Policy:
    """One of the policies of `--experts`: the copy that the run keeps, if there is one yet."""
    kept = None if config.run is None else Path(config.run) / KEPT / str(number)
    return load_policy(kept if kept and kept.is_dir() else config.experts[number])


def keep_policies(config: TrainConfig, run: Path) -> None:
    """Copies the policies among the experts to the run, which needs nothing else from then on."""
    for number, name in enumerate(config.experts):
        if name != SOLVER:
            policy = policy_of(config, number)
            save_policy(run / KEPT / str(number), policy.card, policy.params)


def _expert(number: int, config: TrainConfig, environment: Environment, space: TaskSpace) -> Expert:
    name = config.experts[number]
    if name == SOLVER:
        if environment.expert() is None:
            allowed = f"a policy: {environment.name} has no expert of its own"
            raise SettingError("--experts", name, allowed)
        return experts.privileged(SOLVER, environment.action_space)
    policy = policy_of(config, number)
    axis = SEEDS if config.num_seeds > 1 else None
    try:
        policy.check(environment.observation_space)
        expert = experts.of_policy(policy, environment.action_space, seeds_axis=axis)
    except SettingError as error:
        raise SettingError("--experts", name, f"one that fits {config.env} ({error})") from None
    expert = expert._replace(name=name)
    any_task = config.teacher == TEACHER  # then even a single task is asked for often
    known = known_tasks(name, policy, space, any_task)
    return expert if known is None else experts.only_tasks(expert, known)


def known_tasks(
    name: str, policy: Policy, space: TaskSpace, any_task: bool = False
) -> TaskSpace | None:
    """The part of the tasks of a training that a policy was trained on.

    Args:
        name: what the policy is called in errors.
        policy: the expert.
        space: the tasks of the training.
        any_task: whether it may be a part that hardly any task drawn from `space` is in.

    Returns:
        A task space; None where it is all of them, or where that cannot be told, because the policy
        is of another family of tasks.

    Raises:
        SettingError: it was trained on none of these tasks, or on so thin a slice of them that it
            would hardly ever advise.
    """
    from didact.experiments.setup import narrow_task_space

    tasks = policy.card.get("training", {}).get("settings", {}).get("tasks", ())
    try:
        own = narrow_task_space(policy.make_environment().task_space, tuple(tasks))
    except SettingError as error:
        allowed = f"a policy of tasks that are there ({error})"
        raise SettingError("--experts", name, allowed) from None
    if type(own) is not type(space) or own.names != space.names:
        return None
    common = space.intersection(own)
    if common is None:
        raise SettingError("--experts", name, "a policy that was trained on some of these tasks")
    if isinstance(common, Box) and isinstance(space, Box) and not any_task:
        # Of real numbers between two bounds, hardly any is the one that it knows.
        pairs = zip(common.dimensions, space.dimensions, strict=True)
        thin = [d for d, whole in pairs if not d.integer and d.low == d.high and d != whole]
        if thin:
            told = " ".join(f"{d.name}={d.low:g}" for d in thin)
            allowed = (
                f"a policy that knows more of these tasks; or narrow them, --tasks {told}, or ask "
                f"for what experts know, --teacher {TEACHER}"
            )
            raise SettingError("--experts", name, allowed)
    return None if common == space else common


def teacher_of(config: TrainConfig, space: TaskSpace) -> Teacher:
    """Asks for tasks that the policies among the experts know, for those of each equally often.

    Raises:
        SettingError: there is no policy among them, or one knows none of the tasks.
    """
    known = [
        known_tasks(name, policy_of(config, number), space, any_task=True)
        for number, name in enumerate(config.experts)
        if name != SOLVER
    ]
    if not known:
        raise SettingError("--teacher", TEACHER, "given with policies among --experts")
    return mixture([(1 / len(known), uniform(part or space)) for part in known])


def privileged_observations_of(
    advice: Sequence[Expert], environment: Environment, *, scenes: bool = False
) -> PrivilegedObservations | None:
    """What these experts have to be shown beside the observation; None if nothing.

    Args:
        advice, environment: the experts, and where they are asked.
        scenes: whether hindsight has to be shown what it tells of, too.
    """
    names = {name for expert in advice for name in expert.privileged_observations}
    facts: dict[str, Any] = {experts.TASK: lambda state, tasks: tasks}
    own = environment.expert() if SOLVER in names else None
    if own is not None:
        facts[SOLVER] = lambda state, tasks: own.act(state)
    if scenes:
        see = describer_of(environment).reveal
        facts[SCENE] = lambda state, tasks: see(state)
        names |= {SCENE}
    if not names:
        return None
    return lambda state, tasks: {name: facts[name](state, tasks) for name in sorted(names)}


def describer_of(environment: Environment) -> AchievedInstructions:
    """Describes which instructions steps happened to fulfil.

    Raises:
        SettingError: the environment does not describe that.
    """
    found = environment.achieved_instructions()
    if found is None:
        allowed = "0 in an environment that does not put what was achieved into an instruction"
        raise SettingError("--hindsight", environment.name, allowed)
    return found


def auxiliary_losses_of(
    config: TrainConfig, environment: Environment, advice: Sequence[Expert]
) -> tuple[AuxiliaryLoss, ...]:
    """What teaches PPO beside the rewards, as `--kickstart` and `--hindsight` say."""
    lessons = _kickstarts(config, advice)
    if config.hindsight:
        lessons += (hindsight(describer_of(environment), config.hindsight),)
    return lessons


def _kickstarts(config: TrainConfig, advice: Sequence[Expert]) -> tuple[AuxiliaryLoss, ...]:
    """What experts teach: a lambda that falls as `--kickstart` says."""
    if not advice:
        return ()
    settings = config.kickstart
    steps = max(1, round(settings.anneal_until * config.num_updates))
    schedule = {
        "constant": optax.constant_schedule(settings.weight),
        "linear": optax.linear_schedule(settings.weight, 0.0, steps),
        "exponential": optax.exponential_decay(
            settings.weight, steps, LAST, end_value=LAST * settings.weight
        ),
    }[settings.schedule]
    until = max(1, round(settings.expert_actions_until * config.num_updates))
    lead = (
        optax.linear_schedule(settings.expert_action_probability, 0.0, until)
        if settings.expert_action_probability
        else None
    )
    return (
        kickstart(advice, schedule, distance=settings.distance, expert_action_probability=lead),
    )
