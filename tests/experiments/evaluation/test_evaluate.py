"""Evaluations: every world plays one episode; the official package plays by the same rules."""

import sys

import fakes
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError, make
from didact.environments.adapters import OfficialMinigrid
from didact.environments.language import vocabulary
from didact.experiments.config import TrainConfig
from didact.experiments.evaluation import measure, official
from didact.experiments.evaluation.evaluate import Results, evaluator, summary
from didact.experiments.evaluation.fixed_tasks import UNIFORM, evaluation_tasks_of, repeated
from didact.experiments.evaluation.official import play_official
from didact.experiments.evaluation.scores import scores_of
from didact.students import Policy, card
from didact.students.config import NetworkConfig

TASKS = jnp.array(
    [[length, ending, serial] for serial, (length, ending) in enumerate(np.ndindex(7, 2))],
    jnp.float32,
) + jnp.array([1.0, 0, 0])


@pytest.mark.parametrize("greedy", [False, True])
def test_every_world_plays_one_episode(greedy):
    """Lengths are those of the tasks, and returns those of exactly as many steps."""
    run = jax.jit(evaluator(fakes.Counting(), fakes.counting_student(), greedy=greedy))
    told = jax.device_get(run(None, jax.random.key(0), TASKS))
    length, _, serial = np.asarray(TASKS).T
    np.testing.assert_array_equal(told.lengths, length)
    base = length * (serial % 64) + length * (length + 1) / 16
    assert (told.returns >= base).all()
    assert (told.returns <= base + length * (3 / 64 + 7 / 1024)).all()
    # Greedily it does what is asked for; at random in one of four episodes.
    assert set(told.success.tolist()) <= {0.0, 1.0}
    assert told.success.all() if greedy else 0 < told.success.sum() < len(TASKS)
    assert summary(told)["success"] == told.success.mean()
    assert summary(told)["episodes"] == 14
    assert summary(told)["length"] == 4.0


@pytest.mark.parametrize("num_envs", [1, 3, 5, 40])
def test_environments_that_have_finished_take_the_next_task(num_envs):
    """Each task once and whole, in its place; levels do not depend on how many play at once."""
    tasks = jnp.tile(TASKS, (3, 1))
    student, key = fakes.counting_student(), jax.random.key(1)
    run = jax.jit(evaluator(fakes.Counting(), student, greedy=True, num_envs=num_envs))
    told = jax.device_get(run(None, key, tasks))
    np.testing.assert_array_equal(told.lengths, tasks[:, 0])
    assert told.success.all()
    together = jax.jit(evaluator(fakes.Counting(), student, greedy=True))
    np.testing.assert_array_equal(told.returns, together(None, key, tasks).returns)


def test_few_steps_are_wasted():
    """As many steps of all environments as dealing out the episodes by hand takes."""
    steps = []

    class Clocked(fakes.Counting):
        def step(self, key, state, actions):
            jax.debug.callback(lambda: steps.append(1))
            return super().step(key, state, actions)

    run = jax.jit(evaluator(Clocked(), fakes.counting_student(), num_envs=3))
    jax.block_until_ready(run(None, jax.random.key(0), TASKS))
    jax.effects_barrier()
    free = [0, 0, 0]  # when each environment is free again
    for length in np.asarray(TASKS)[:, 0]:
        free[int(np.argmin(free))] += int(length)
    assert len(steps) == max(free) < TASKS[:, 0].sum() / 3 + fakes.LONGEST


def test_an_environment_without_an_end_does_not_hang():
    class Endless(fakes.Counting):
        def step(self, key, state, actions):
            state, seen = super().step(key, state, actions)
            return state, seen._replace(
                terminated=seen.terminated & False, truncated=seen.done & False
            )

    told = evaluator(Endless(), fakes.counting_student(), num_envs=2)(
        None, jax.random.key(0), TASKS
    )
    assert told.lengths.max() == fakes.LONGEST * (len(TASKS) // 2 + 1)


def test_seeds_are_evaluated_side_by_side():
    run = evaluator(fakes.Counting(), fakes.counting_student(), num_envs=4)
    keys = jax.random.split(jax.random.key(0), 3)
    many = jax.jit(jax.vmap(run, (None, 0, None)))(None, keys, TASKS)
    for i, key in enumerate(keys):
        alone = jax.jit(run)(None, key, TASKS)
        for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(a[i], b)


def test_sampling_is_by_the_key():
    run = jax.jit(evaluator(fakes.Counting(), fakes.counting_student()))
    one, same, other = (run(None, jax.random.key(k), TASKS).returns for k in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_success_counts_once():
    """However often an environment says so, and whether or not the episode went on."""

    class Always(fakes.Counting):
        def step(self, key, state, actions):
            state, seen = super().step(key, state, actions)
            return state, seen._replace(success=state.time < 3)

    run = evaluator(Always(), fakes.counting_student())
    np.testing.assert_array_equal(run(None, jax.random.key(0), TASKS).success, 1)


def test_evaluation_tasks():
    """The environment's own, or those of environments that are one of its tasks."""
    names = ("BabyAI-GoToLocal-v0", "BabyAI-GoTo-v0")
    told = evaluation_tasks_of(TrainConfig(evaluate_on=names), go_to := make("GoTo"))
    assert tuple(told) == names
    for name, task in told.items():
        np.testing.assert_array_equal(task, make(name).task_space.low)
        assert set(make(name).evaluation_tasks) == {name}
    assert list(go_to.evaluation_tasks) == ["BabyAI-GoToRedBallGrey-v0", *names]
    assert evaluation_tasks_of(TrainConfig(), go_to).keys() == go_to.evaluation_tasks.keys()
    other = "BabyAI-GoToObj-v0"  # not among them, but a point of the space
    told = evaluation_tasks_of(TrainConfig(evaluate_on=(other,)), go_to)
    np.testing.assert_array_equal(told[other], make(other).task_space.low)
    assert fakes.Counting().evaluation_tasks == {}
    for environment, name, message in (
        (go_to, "GoTo", "is 'GoTo', but must be a single task"),
        (make("BabyAI-GoToObjS4-v0"), names[0], "the task space of BabyAI-GoToObjS4-v0"),
        (go_to, "BabyAI-GoToNowhere-v0", "a known name"),
    ):
        with pytest.raises(SettingError, match=message):
            evaluation_tasks_of(TrainConfig(evaluate_on=(name,)), environment)


def test_environments_without_evaluation_tasks_are_tested_on_a_fixed_sample():
    counting = fakes.Counting()
    ((name, rows),) = evaluation_tasks_of(TrainConfig(env="Counting"), counting).items()
    assert name == UNIFORM == "uniform sample of tasks"
    assert rows.shape == (64, 3)
    assert counting.task_space.contains(jnp.asarray(rows)).all()
    assert len(np.unique(rows, axis=0)) == 64
    again = evaluation_tasks_of(TrainConfig(env="Counting", seed=9), counting)
    np.testing.assert_array_equal(again[UNIFORM], rows)
    few = evaluation_tasks_of(TrainConfig(tasks=("length=2..3",)), counting)[UNIFORM]
    assert set(few[:, 0]) == {2, 3}
    told = evaluation_tasks_of(TrainConfig(evaluate_on=("Point",)), counting)
    assert {k: v.tolist() for k, v in told.items()} == {"Point": [3, 0, 5]}
    # Without help, as all other evaluations.
    helped = make("Maze", size=9)
    helped.help_parameter = "absent"  # of a space without it
    assert evaluation_tasks_of(TrainConfig(), helped)[UNIFORM].shape[0] == 64
    counting.help_parameter = "serial"
    assert set(evaluation_tasks_of(TrainConfig(), counting)[UNIFORM][:, 2]) == {0}


def test_tasks_are_repeated_for_episodes():
    assert repeated(np.array([1.0, 2.0]), 3).tolist() == [[1, 2]] * 3
    assert repeated(np.array([[1.0, 2.0], [3.0, 4.0]]), 3).tolist() == [[1, 2], [3, 4], [1, 2]]


@pytest.mark.parametrize("task", [[1, 2], [99, 0, 0], [1.5, 0, 0], [np.nan, 0, 0]])
def test_evaluation_tasks_outside_of_the_task_space(task):
    class Wrong(fakes.Counting):
        evaluation_tasks = {"odd": np.array(task)}  # noqa: RUF012

    with pytest.raises(SettingError, match=r"evaluation task odd is .* task space of Wrong"):
        evaluation_tasks_of(TrainConfig(), Wrong())


# The official package.

OBJECT = "BabyAI-GoToObjS4-v0"


@pytest.fixture(scope="module")
def untrained():
    world = make(OBJECT)
    told = card(OBJECT, world.observation_space, world.action_space, NetworkConfig(hidden=16))
    blank = Policy(told, None)
    return Policy(told, jax.jit(blank.student.init)(jax.random.key(0)).params)


@pytest.mark.parametrize("engine", ["minigrid", pytest.param("envpool", marks=pytest.mark.slow)])
def test_an_untrained_policy_fares_the_same_everywhere(untrained, engine):
    """Success and length of 400 episodes in the package and of 2000 in our engine, within noise."""
    pytest.importorskip(engine)
    theirs = play_official(untrained, OBJECT, episodes=400, seed=1, engine=engine)
    world = make(OBJECT)
    tasks = world.task_space.sample(jax.random.key(0), 2000)
    run = jax.jit(evaluator(world, untrained.student))
    ours = run(untrained.state, jax.random.key(1), tasks)
    for name in ("success", "lengths", "returns"):
        a, b = (np.asarray(getattr(r, name), float) for r in (theirs, ours))
        noise = np.sqrt(a.var() / a.size + b.var() / b.size)
        assert noise > 0
        assert abs(a.mean() - b.mean()) < 4 * noise, name
    assert 0.2 < theirs.success.mean() < 0.95
    assert theirs.lengths.max() == world.max_steps
    # Reward and success tell the same story, by the package's formula.
    expected = np.where(theirs.success > 0, 1 - 0.9 * theirs.lengths / world.max_steps, 0)
    np.testing.assert_allclose(theirs.returns, expected, atol=1e-6)


def test_missions_are_read():
    worlds = OfficialMinigrid(OBJECT, 3)
    seen = worlds.reset([0, 2], [5, 6])
    assert seen["instruction"].shape == (2, vocabulary.DEFAULT_LENGTH)
    for row, world in enumerate((0, 2)):
        mission = worlds.worlds[world].unwrapped.mission
        assert vocabulary.decode(seen["instruction"][row]) == mission
        assert mission.startswith("go to the ")
    worlds.close()


class Scripted:
    """Worlds whose episode with seed s lasts 1 + s % 4 steps and is won where s is even.

    Of length 4 they are cut off by the time limit. What they show tells seed and step.
    """

    made = None

    def __init__(self, name, n, mission_length, seed):
        self.n, self.seeds, self.time = n, np.full(n, -1), np.zeros(n, int)
        self.log, self.closed = [], False
        Scripted.made = self

    def reset(self, worlds, seeds):
        assert all(type(x) is int for x in (*worlds, *seeds))
        self.seeds[worlds], self.time[worlds] = seeds, 0
        return self.see(worlds)

    def see(self, worlds):
        image = np.zeros((len(worlds), 7, 7, 3), np.uint8)
        image[:, 0, 0, 0], image[:, 0, 0, 1] = self.time[worlds], self.seeds[worlds]
        return {
            "image": image,
            "direction": np.zeros(len(worlds), np.int32),
            "instruction": np.ones((len(worlds), 4), np.uint8),
        }

    def step(self, worlds, actions):
        self.time[worlds] += 1
        for world, action in zip(worlds, actions, strict=True):
            self.log.append((int(self.seeds[world]), int(self.time[world]), action))
        seeds, time = self.seeds[worlds], self.time[worlds]
        over = time == 1 + seeds % 4
        truncated = over & (seeds % 4 == 3)
        reward = np.where(over & (seeds % 2 == 0), 0.5 + seeds / 100, 0.0)
        return self.see(worlds), reward.astype(np.float32), over & ~truncated, truncated

    def close(self):
        self.closed = True


class Counted:
    """A policy that answers with how many observations it remembers, and checks what it sees."""

    environment = "Scripted"

    def __init__(self):
        world = make(OBJECT)
        self.observation_space = {
            **world.observation_space,
            "instruction": fakes.ArraySpace((4,), np.uint8),
        }
        self.keys = []

    def initial_carry(self, n):
        return np.full(n, 3)

    def act(self, observation, carry, key, start):
        self.keys.append(key)
        self.steps = np.asarray(observation["image"][:, 0, 0, 0])
        carry = np.where(start, 3, carry)
        return carry - 3, carry + 1


@pytest.mark.parametrize(("episodes", "num_envs"), [(13, 4), (3, 8), (9, 1), (8, 8)])
@pytest.mark.parametrize("greedy", [False, True])
def test_the_bookkeeping_of_official_episodes(monkeypatch, episodes, num_envs, greedy):
    """Each seed is played once and whole, with a memory of its own; none is left out."""
    monkeypatch.setattr(official, "OfficialMinigrid", Scripted)
    policy = Counted()
    told = play_official(
        policy, "Scripted", episodes=episodes, seed=20, num_envs=num_envs, greedy=greedy
    )
    seeds = 20 + np.arange(episodes)
    np.testing.assert_array_equal(told.lengths, 1 + seeds % 4)
    np.testing.assert_array_equal(told.success, seeds % 2 == 0)
    np.testing.assert_allclose(told.returns, np.where(seeds % 2 == 0, 0.5 + seeds / 100, 0))
    log = Scripted.made.log
    expected = {(int(s), t + 1, t) for s in seeds for t in range(1 + s % 4)}
    assert set(log) == expected  # the action is the step: memories begin anew
    assert len(log) == len(expected)
    assert Scripted.made.closed
    assert all((key is None) == greedy for key in policy.keys)


def test_policies_that_read_something_else_are_refused(untrained):
    told = card(
        "Counting", fakes.Counting.observation_space, fakes.Counting.action_space, NetworkConfig()
    )
    with pytest.raises(SettingError, match="reads image, direction and instruction"):
        play_official(Policy(told, None), OBJECT, episodes=1)


def test_policies_without_an_instruction_play_in_gymnasium(monkeypatch):
    """Also those trained in a world that gymnasium does not have, if they are told where."""
    told = []

    def play(policy, name, **settings):
        told.append((name, settings["engine"]))
        return Results(np.zeros(1), np.zeros(1), np.ones(1))

    monkeypatch.setattr(measure, "play_official", play)
    with pytest.raises(SettingError, match="Parkour has no official counterpart"):
        measure.evaluate("swimmer", official=True)
    measure.evaluate("swimmer", "Elsewhere-v3", official=True, episodes=1)
    measure.evaluate("walker", official=True, episodes=1)
    assert told == [("Elsewhere-v3", "gymnasium"), ("BipedalWalker-v3", "gymnasium")]


@pytest.mark.parametrize(
    "name", ["CartPole-v1", "Nowhere-v0", "GoTo", "os:CartPole-v1", "../x", "", "a/b/c", "BabyAI"]
)
def test_other_ids_are_refused(untrained, name):
    with pytest.raises(SettingError, match="an environment of the minigrid package"):
        play_official(untrained, name, episodes=1)


@pytest.mark.parametrize("name", ["CartPole-v1", "Nowhere-v0", "GoTo", ""])
def test_other_ids_of_envpool_are_refused(untrained, name):
    pytest.importorskip("envpool")
    with pytest.raises(SettingError, match="environment of envpool"):
        play_official(untrained, name, episodes=1, engine="envpool")


def test_envpool_may_be_missing(untrained, monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    with pytest.raises(SettingError, match=r"pip install -e '.\[envpool\]'"):
        play_official(untrained, OBJECT, episodes=1, engine="envpool")


def test_results_are_plain_numbers():
    told = summary(Results(np.array([1.0, 0.0]), np.array([0.5, 0.0]), np.array([3.0, 5.0])))
    assert told == {
        "episodes": 2,
        "success": 0.5,
        "success_standard_error": pytest.approx(0.5 / np.sqrt(2)),
        "return": 0.25,
        "length": 4.0,
    }


def test_scores_by_seed():
    rng = np.random.default_rng(0)
    success, returns, lengths = rng.random((3, 2, 4, 5))  # [seeds, tasks, episodes] each
    made = scores_of(Results(success, returns, lengths), "abcd", TrainConfig())
    for name, values in (("success", success), ("return", returns), ("length", lengths)):
        assert made["b"][name] == pytest.approx(values[:, 1].mean())
        assert made["b"][f"{name}_by_seed"] == pytest.approx([values[i, 1].mean() for i in (0, 1)])
    single = scores_of(Results(success[0], returns[0], lengths[0]), "abcd", TrainConfig())
    assert set(single["a"]) == {"success", "return", "length"}
