"""Set up the experts of a training and the auxiliary losses that use them."""

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

SOLVER = "solver"  # name of the environment's privileged expert
TEACHER = "experts"  # name of the teacher that samples the experts' tasks
KEPT = "experts"  # subfolder of a run with copies of its expert policies
ABOUT = {
    "description": "samples the tasks of the --experts' trainings, each expert equally often",
    "needs": "experts that are policies (--experts)",
}
LAST = 0.01  # final value of an exponential schedule, relative to the initial value


def experts_of(config: TrainConfig, environment: Environment) -> list[Expert]:
    """Return the experts given by `--experts`; each policy is used on the tasks it was trained on.

    Raises:
        SettingError: a policy cannot be found or does not fit, or experts are missing or unused.
    """
    from didact.experiments.setup import space_of

    space = space_of(config, environment)
    return [_expert(number, config, environment, space) for number in range(len(config.experts))]


def policy_of(config: TrainConfig, number: int) -> Policy:
    """Load one of the policies of `--experts`, from the run's copy if there is one."""
    kept = None if config.run is None else Path(config.run) / KEPT / str(number)
    if kept and kept.is_dir():
        return load_policy(kept)
    name = config.experts[number]
    try:
        return load_policy(name)
    except SettingError as error:
        if error.setting != "policy":
            raise
        raise SettingError("--experts", name, f"{SOLVER}, or {error.allowed}") from None


def keep_policies(config: TrainConfig, run: Path) -> None:
    """Copy the expert policies to the run folder, so that the run no longer depends on them.

    Copies that are there are kept.
    """
    for number, name in enumerate(config.experts):
        kept = run / KEPT / str(number)
        if name != SOLVER and not kept.is_dir():
            policy = policy_of(config, number)
            save_policy(kept, policy.card, policy.params)


def _expert(number: int, config: TrainConfig, environment: Environment, space: TaskSpace) -> Expert:
    name = config.experts[number]
    if name == SOLVER:
        if environment.expert() is None:
            allowed = f"a policy, since {environment.name} has no privileged expert"
            raise SettingError("--experts", name, allowed)
        return experts.privileged(SOLVER, environment.action_space)
    policy = policy_of(config, number)
    axis = SEEDS if config.num_seeds > 1 else None
    try:
        policy.check(environment.observation_space)
        expert = experts.of_policy(policy, environment.action_space, seeds_axis=axis)
    except SettingError as error:
        allowed = f"an expert that fits {config.env} ({error})"
        raise SettingError("--experts", name, allowed) from None
    expert = expert._replace(name=name)
    any_task = config.teacher == TEACHER  # this teacher samples even a single task often
    known = known_tasks(name, policy, space, any_task)
    return expert if known is None else experts.only_tasks(expert, known)


def known_tasks(
    name: str, policy: Policy, space: TaskSpace, any_task: bool = False
) -> TaskSpace | None:
    """Return the tasks of a training that a policy was trained on.

    Args:
        name: name of the policy, for error messages.
        policy: the expert policy.
        space: task space of the training.
        any_task: accept a subspace that tasks sampled from `space` almost never fall into.

    Returns:
        A task space; None if it is the whole `space`, or unknown because the policy was trained on
        another kind of task space.

    Raises:
        SettingError: the policy was trained on none of these tasks, or (without `any_task`) on a
            subspace so thin that sampled tasks would almost never fall into it.
    """
    from didact.experiments.setup import narrow_task_space

    tasks = policy.card.get("training", {}).get("settings", {}).get("tasks", ())
    try:
        own = narrow_task_space(policy.make_environment().task_space, tuple(tasks))
    except SettingError as error:
        allowed = f"a policy whose tasks exist ({error})"
        raise SettingError("--experts", name, allowed) from None
    if type(own) is not type(space) or own.names != space.names:
        return None
    common = space.intersection(own)
    if common is None:
        raise SettingError("--experts", name, "a policy that was trained on some of these tasks")
    if isinstance(common, Box) and isinstance(space, Box) and not any_task:
        # A sampled real number almost never equals the single value that the policy knows.
        pairs = zip(common.dimensions, space.dimensions, strict=True)
        thin = [d for d, whole in pairs if not d.integer and d.low == d.high and d != whole]
        if thin:
            narrowed = " ".join(f"{d.name}={d.low:g}" for d in thin)
            allowed = (
                f"a policy trained on more of these tasks; alternatively use --tasks {narrowed} or "
                f"--teacher {TEACHER}"
            )
            raise SettingError("--experts", name, allowed)
    return None if common == space else common


def teacher_of(config: TrainConfig, space: TaskSpace) -> Teacher:
    """Return a teacher that samples the tasks of the expert policies, each policy equally often.

    Raises:
        SettingError: the experts include no policy, or a policy was trained on none of the tasks.
    """
    known = [
        known_tasks(name, policy_of(config, number), space, any_task=True)
        for number, name in enumerate(config.experts)
        if name != SOLVER
    ]
    if not known:
        raise SettingError("--teacher", TEACHER, "used with at least one policy in --experts")
    return mixture([(1 / len(known), uniform(part or space)) for part in known])


def privileged_observations_of(
    advice: Sequence[Expert], environment: Environment, *, scenes: bool = False
) -> PrivilegedObservations | None:
    """Return the function that computes the experts' privileged observations; None if not needed.

    Args:
        advice: the experts.
        environment: environment of the training.
        scenes: include the observations that the hindsight loss needs.
    """
    names = {name for expert in advice for name in expert.privileged_observations}
    known: dict[str, Any] = {experts.TASK: lambda state, tasks: tasks}
    own = environment.expert() if SOLVER in names else None
    if own is not None:
        known[SOLVER] = lambda state, tasks: own.act(state)
    if scenes:
        see = describer_of(environment).reveal
        known[SCENE] = lambda state, tasks: see(state)
        names |= {SCENE}
    if not names:
        return None
    return lambda state, tasks: {name: known[name](state, tasks) for name in sorted(names)}


def describer_of(environment: Environment) -> AchievedInstructions:
    """Return the environment's describer of achieved instructions.

    Raises:
        SettingError: the environment has none.
    """
    found = environment.achieved_instructions()
    if found is None:
        allowed = "an environment that describes achieved instructions, as --hindsight needs"
        raise SettingError("--env", environment.name, allowed)
    return found


def auxiliary_losses_of(
    config: TrainConfig, environment: Environment, advice: Sequence[Expert]
) -> tuple[AuxiliaryLoss, ...]:
    """Return PPO's auxiliary losses, as set by `--kickstart` and `--hindsight`."""
    losses = _kickstarts(config, advice)
    if config.hindsight:
        losses += (hindsight(describer_of(environment), config.hindsight),)
    return losses


def _kickstarts(config: TrainConfig, advice: Sequence[Expert]) -> tuple[AuxiliaryLoss, ...]:
    """Return the kickstarting loss, with its weight scheduled as set by `--kickstart`."""
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
    probability = (
        optax.linear_schedule(settings.expert_action_probability, 0.0, until)
        if settings.expert_action_probability
        else None
    )
    loss = kickstart(
        advice, schedule, distance=settings.distance, expert_action_probability=probability
    )
    return (loss,)
