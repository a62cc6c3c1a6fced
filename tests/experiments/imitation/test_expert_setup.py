"""Experts in whole trainings: the solver, loaded policies, populations."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import Discrete, SettingError, make
from didact.environments.grid.solver import planner
from didact.experiments import population, setup, train
from didact.experiments.config import KickstartConfig, TrainConfig
from didact.experiments.imitation import expert_setup
from didact.experiments.loop import TrainState
from didact.experiments.rollout import RolloutState
from didact.experiments.runs.checkpoints import Checkpoints
from didact.students import (
    Categorical,
    DistillConfig,
    NetworkConfig,
    PPOConfig,
    load_policy,
    save_policy,
)
from didact.students.algorithms import losses
from didact.students.algorithms.learner import LearnerState
from didact.students.imitation import experts
from didact.teachers.base import propose

SMALL = NetworkConfig(cell_embedding=8, hidden=32, memory=16, instruction_features=16)
DISTILL = DistillConfig(network=SMALL, num_minibatches=4)
PPO = PPOConfig(network=SMALL, num_minibatches=4)
EASY = {"env": "BabyAI-GoToLocal-v0", "num_envs": 64, "rollout_length": 16, "warm_up": 0.0}
EASY |= {"teacher": "uniform", "evaluation_episodes": 32, "evaluate_every": 1.0, "chunk": 2}
EASY |= {"pictures": False, "video": False}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run of a policy that has learned next to nothing."""
    run = tmp_path_factory.mktemp("trained") / "run"
    train(**EASY, ppo=PPO, steps=4096, run=run)
    return run


@pytest.fixture(scope="module")
def distilled(tmp_path_factory):
    """A student that learned a little from the solver."""
    run = tmp_path_factory.mktemp("distilled") / "run"
    result = train(
        **EASY, student="distill", experts=("solver",), distill=DISTILL, steps=160_000, run=run
    )
    return run, result


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_student_learns_from_the_solver(distilled):
    run, result = distilled
    told = rows(run)
    apart = [row["learning"]["distill_loss"] for row in told]
    # In whatever states: the solver is sure of one action, so random ones are log(7) apart.
    assert apart[0] > np.log(7) - 0.2
    assert np.mean(apart[-5:]) < np.log(7) - 0.5
    # Random actions: 0.29. While the expert leads, success is its own; later it is the student's.
    assert result["evaluation"]["BabyAI-GoToLocal-v0"]["sampled"]["success"] > 0.4
    assert told[0]["success"] > 0.95
    assert np.mean([row["success"] for row in told[-5:]]) < 0.9
    # What it leaves behind is a policy like any other, and needs no expert.
    assert load_policy(run).act(observed())[0].shape == (4,)


def observed():
    environment = make("BabyAI-GoToLocal-v0")
    key = jax.random.key(0)
    return environment.reset(key, environment.task_space.sample(key, 4))[1].observation


@pytest.mark.slow
def test_the_solver_is_asked_in_the_states_of_the_student():
    """What is noted is what the solver says of each state, played again from the beginning."""
    config = TrainConfig(**EASY, student="distill", experts=("solver",), distill=DISTILL)
    environment = setup.environment_of(config)
    advice = expert_setup.experts_of(config, environment)
    reveal = expert_setup.privileged_observations_of(advice, environment)
    key = jax.random.key(3)
    tasks = environment.task_space.sample(key, 8)
    state, _ = environment.reset(key, tasks)
    choose, reveal, step = map(jax.jit, (planner.expert(environment), reveal, environment.step))
    for t in range(20):
        shown = reveal(state, tasks)
        assert set(shown) == {"solver"}
        np.testing.assert_array_equal(shown["solver"], choose(state))
        actions = jax.random.randint(jax.random.key(t), (8,), 0, 7)
        state, _ = step(None, state, actions)


@pytest.mark.slow
def test_an_expert_knows_the_tasks_it_was_trained_on(trained):
    run = trained
    expert_name = str(run / "policy")
    config = TrainConfig(env="GoTo", experts=(expert_name,))
    environment = setup.environment_of(config)
    # Of its real-valued settings it knows a single value each, which no teacher would ever hit.
    with pytest.raises(SettingError, match="--tasks open_doors=0 red_ball=0 grey_distractors=0"):
        expert_setup.experts_of(config, environment)
    fixed = ("open_doors=0", "red_ball=0", "grey_distractors=0", "rows=1", "columns=1")
    config = TrainConfig(env="GoTo", tasks=fixed, experts=(expert_name,))
    (expert,) = expert_setup.experts_of(config, environment)
    assert expert.privileged_observations == ("task",)
    home = make("BabyAI-GoToLocal-v0").task_space
    others = setup.space_of(config, environment).sample(jax.random.key(0), 2000)
    inside = home.sample(jax.random.key(1), 50)
    assert np.asarray(expert.knows({"task": inside})).all()
    known = np.asarray(expert.knows({"task": others}))
    # By hand: rooms of size 8 with 7 distractors, of 5 sizes and 18 numbers.
    by_hand = (np.asarray(others)[:, 0] == 8) & (np.asarray(others)[:, 3] == 7)
    np.testing.assert_array_equal(known, by_hand)
    assert 0 < known.mean() < 0.05


@pytest.mark.slow
def test_a_student_is_drawn_towards_its_experts(distilled, tmp_path):
    run, _ = distilled
    result = train(
        **EASY,
        experts=(str(run / "policy"), str(run)),
        ppo=PPO,
        kickstart=KickstartConfig(weight=5.0, schedule="constant"),
        steps=80_000,
        run=tmp_path / "run",
    )
    assert result["finished"]
    agreement = [row["learning"]["kickstart_agreement"] for row in rows(tmp_path / "run")]
    assert np.mean(agreement[-5:]) > np.mean(agreement[:5]) + 0.05
    assert {row["learning"]["kickstart_lambda"] for row in rows(tmp_path / "run")} == {5.0}


@pytest.mark.slow
def test_what_experts_know_is_what_is_asked_for(trained, tmp_path):
    """In a space where nobody would ever hit the tasks of an expert by chance."""
    run = trained
    config = TrainConfig(
        **EASY | {"env": "GoTo", "teacher": "experts"}, experts=(str(run),), ppo=PPO
    )
    environment = setup.environment_of(config)
    teacher = setup.teacher_of(config, environment)
    state = teacher.init(jax.random.key(0))
    tasks = propose(teacher, state, jax.random.key(1), 200)[0].tasks
    home = make("BabyAI-GoToLocal-v0").task_space
    assert np.asarray(home.contains(tasks)).all()
    (expert,) = expert_setup.experts_of(config, environment)
    assert np.asarray(expert.knows({"task": tasks})).all()
    alone = TrainConfig(env="GoTo", teacher="experts", experts=("solver",))
    with pytest.raises(SettingError, match=r"--teacher is 'experts'.*policy in --experts"):
        setup.teacher_of(alone, environment)
    told = TrainConfig(env="GoTo", teacher="experts", teacher_settings=("a=1",))
    with pytest.raises(SettingError, match="--teacher-settings"):
        setup.teacher_of(told, environment)


@pytest.mark.slow
def test_several_experts_are_asked_equally_often(trained, tmp_path):
    run = trained
    other = tmp_path / "other"
    policy = load_policy(run)
    save_policy(other, policy.card | {"environment": "BabyAI-GoToRedBall-v0"}, policy.params)
    config = TrainConfig(env="GoTo", teacher="experts", experts=(str(run), str(other)))
    environment = setup.environment_of(config)
    teacher = setup.teacher_of(config, environment)
    state = teacher.init(jax.random.key(0))
    tasks = propose(teacher, state, jax.random.key(1), 2000)[0].tasks
    share = [
        np.asarray(make(name).task_space.contains(tasks)).mean()
        for name in ("BabyAI-GoToLocal-v0", "BabyAI-GoToRedBall-v0")
    ]
    assert sum(share) == 1
    assert 0.45 < share[0] < 0.55


@pytest.mark.slow
def test_a_run_keeps_its_experts(trained, tmp_path):
    """So that it goes on where they no longer are."""
    run = trained
    expert = tmp_path / "expert"
    shutil.copytree(run / "policy", expert)
    settings = EASY | {"experts": (str(expert),), "ppo": PPO, "steps": 8_000}
    result = train(**settings, run=tmp_path / "run")
    assert result["finished"]
    kept = load_policy(tmp_path / "run" / "experts" / "0")
    assert kept.card == load_policy(expert).card
    jax.tree.map(np.testing.assert_array_equal, kept.params, load_policy(expert).params)
    shutil.rmtree(expert)
    before = rows(tmp_path / "run")
    (first, *_) = Checkpoints(tmp_path / "run" / "checkpoints").saved()
    assert train(resume=tmp_path / "run", checkpoint=first)["finished"]
    again = rows(tmp_path / "run")
    assert [row["learning"] for row in again] == [row["learning"] for row in before]


@pytest.mark.parametrize("env", ["MiniGrid-DoorKey-5x5-v0", "ToyGrid"])
def test_hindsight_needs_instructions(env):
    config = TrainConfig(env=env, hindsight=0.1)
    with pytest.raises(SettingError, match=r"--env is .* describes achieved instructions"):
        setup.loop_of(config, setup.environment_of(config), jax.devices())
    with pytest.raises(SettingError, match="--hindsight is -1"):
        train(hindsight=-1)
    with pytest.raises(SettingError, match=r"--hindsight is 0.1.*distill"):
        train(hindsight=0.1, student="distill", experts=("solver",))


@pytest.mark.slow
def test_hindsight_in_a_training(tmp_path):
    """What was done by chance is imitated under the words that the verifier finds for it."""
    result = train(**EASY, ppo=PPO, hindsight=1.0, steps=60_000, run=tmp_path / "run")
    assert result["finished"]
    likely = [row["learning"]["hindsight_probability"] for row in rows(tmp_path / "run")]
    assert likely[-1] > likely[0] + 0.05
    assert rows(tmp_path / "run")[0]["learning"]["hindsight_share"] > 0.15


@pytest.mark.slow
def test_hindsight_learns_where_rewards_are_too_rare(tmp_path):
    """Put one of eight objects next to another: hardly ever does that happen by chance."""
    settings = {"env": "BabyAI-PutNextLocal-v0", "teacher": "uniform", "warm_up": 0.0}
    settings |= {"steps": 2_500_000, "evaluate_every": 1.0}
    success = []
    for weight in (0.0, 2.0):
        result = train(**settings, hindsight=weight, run=tmp_path / str(weight))
        success.append(result["evaluation"]["BabyAI-PutNextLocal-v0"]["sampled"]["success"])
    assert success[0] < 0.02
    assert success[1] > 0.06


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [2, 2, 2, 2]), ("linear", [2, 1, 0, 0]), ("exponential", [2, 0.2, 0.02, 0.02])],
)
def test_lambda_falls_as_told(schedule, expected):
    config = TrainConfig(
        steps=100 * 32 * 1024,
        kickstart=KickstartConfig(weight=2, schedule=schedule, anneal_until=0.5),
    )
    expert = experts.privileged("solver", Discrete(2))
    (lesson,) = expert_setup.auxiliary_losses_of(config, make("GoTo"), [expert])
    outputs = losses.Outputs(Categorical(jnp.zeros((1, 1, 2))), jnp.zeros((1, 1)))
    extras = {
        "kickstart_advice": Categorical(jnp.zeros((1, 1, 1, 2))),
        "kickstart_known": jnp.ones((1, 1, 1), bool),
    }
    zero = jnp.zeros((1, 1))
    batch = losses.Batch({}, zero > 0, (), zero, extras, zero, zero, zero + 1)
    assert config.num_updates == 100
    for updates, strength in zip((0, 25, 50, 100), expected, strict=True):
        now = losses.TrainingProgress(jnp.int32(updates), 0.0, {"kickstart": jnp.ones(())})
        told = lesson.term(outputs, batch, now)[1]["kickstart_lambda"]
        assert float(told) == pytest.approx(strength, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"student": "distill"}, "--experts is .* at least one expert"),
        ({"experts": ("nobody",)}, "--experts is 'nobody', but must be solver, or a known name"),
        ({"env": "ToyGrid", "experts": ("solver",)}, "--experts is 'solver'"),
    ],
)
def test_bad_experts_are_told(settings, message):
    config = TrainConfig(**settings)
    with pytest.raises(SettingError, match=message):
        setup.loop_of(config, setup.environment_of(config), jax.devices())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exploit_every": 0.1}, "--exploit-every is 0.1.*a single seed"),
        ({"exploit_every": 0.1, "num_seeds": 2}, "--exploit-every is 0.1.*--experts"),
        ({"exploit_every": 1.5}, "--exploit-every is 1.5"),
        (
            {"exploit_every": 0.25, "num_seeds": 2, "student": "distill", "experts": ("solver",)},
            "--exploit-every is 0.25.*0 with --student distill",
        ),
    ],
)
def test_bad_populations_are_told(settings, message):
    with pytest.raises(SettingError, match=message):
        train(**settings)
    with pytest.raises(SettingError, match=r"--kickstart.anneal-until is 0"):
        train(kickstart=KickstartConfig(anneal_until=0))
    with pytest.raises(SettingError, match=r"--kickstart.weight is -1"):
        train(kickstart=KickstartConfig(weight=-1))


CARRY = jnp.arange(6.0).reshape(3, 2)  # of three environments at the start of an episode


def people(count):
    student = LearnerState(
        {"w": jnp.arange(count, dtype=jnp.float32)},
        (),
        jnp.zeros(count, jnp.int32),
        {"kickstart": jnp.ones(count), "hindsight": jnp.ones(count)},
        {},
    )
    worlds = RolloutState(*[()] * 8)._replace(carry=(CARRY + jnp.ones((count, 3, 2)),))
    return TrainState(student, jnp.arange(count), worlds, (), (), ())


def test_the_worst_go_on_from_the_best():
    scores = jnp.array([0.5, 0.1, 0.9, 0.3, 0.8, 0.2, 0.6, 0.7])
    seen = set()
    for seed in range(20):
        state, source = population.exploit(people(8), scores, jax.random.key(seed), (CARRY,))
        np.testing.assert_array_equal(state.student.params["w"], source)
        kept = [0, 2, 3, 4, 6, 7]
        np.testing.assert_array_equal(source[jnp.array(kept)], kept)
        assert {int(source[1]), int(source[5])} <= {2, 4}
        weights = np.asarray(state.student.weights["kickstart"])
        np.testing.assert_array_equal(weights[kept], 1)
        np.testing.assert_array_equal(state.student.weights["hindsight"], 1)
        seen |= set(weights[[1, 5]].astype(float).round(3).tolist())
        np.testing.assert_array_equal(state.teacher, np.arange(8))
        # What others remember is of no use to the network of another seed.
        for seed_number, carry in enumerate(state.worlds.carry[0]):
            np.testing.assert_array_equal(carry, CARRY + (seed_number in kept))
    assert seen == {1.25, 0.8}


def chunk(successes, episodes, returns=(0, 0, 0, 0)):
    """Return the metrics of a chunk of two updates."""
    return {
        "success_sum": np.stack([successes, np.zeros(4)], 1),
        "return_sum": np.stack([returns, np.zeros(4)], 1),
        "episodes": np.stack([episodes, np.zeros(4)], 1),
    }


def test_seeds_are_ranked_by_all_episodes_since_the_last_replacement():
    key, state = jax.random.key(0), people(4)
    members = population.Population(4, (CARRY,))
    rows = []

    def after(*sums, due=True):
        nonlocal state
        state, row = members.after_chunk(state, chunk(*sums), key if due else None)
        rows.append(row)
        return row.get("exploited")

    assert after([0, 0, 0, 0], [5, 5, 5, 5]) is None  # all are equally good
    assert after([9, 5, 4, 0], [9, 9, 9, 0], due=False) is None
    np.testing.assert_array_equal(state.student.params["w"], np.arange(4))
    # In the last chunk alone, seed 0 would be the worst, and seed 3 without an episode in it.
    assert after([0, 3, 3, 0], [2, 3, 3, 0]) == [0, 1, 2, 0]
    np.testing.assert_array_equal(state.student.params["w"], [0, 1, 2, 0])
    assert after([4, 4, 4, 0], [4, 4, 4, 0]) is None  # seed 3 has no episode yet
    # A resumed training goes on from the rows of metrics.
    again = population.Population(4, (CARRY,), rows)
    np.testing.assert_array_equal(again.sums, members.sums)
    np.testing.assert_array_equal(again.sums, [[4, 4, 4, 0], [0] * 4, [4, 4, 4, 0]])
    fresh = population.Population(4, (CARRY,), [{"updates": 1}])
    np.testing.assert_array_equal(fresh.sums, 0)


def test_seeds_without_success_are_ranked_by_their_returns():
    sums = [0] * 4, [2, 1, 1, 1], [9, -5, -2, 6]  # the second is the worst and the last the best
    _, row = population.Population(4, (CARRY,)).after_chunk(
        people(4), chunk(*sums), jax.random.key(0)
    )
    assert row["exploited"] == [0, 3, 2, 3]
    # Where there is success, returns do not count.
    sums = [0, 1, 0, 0], [4] * 4, [9, 1, 2, 3]
    _, row = population.Population(4, (CARRY,)).after_chunk(
        people(4), chunk(*sums), jax.random.key(0)
    )
    assert row["exploited"].count(1) == 2


@pytest.mark.slow
def test_weights_start_spread_out():
    weights = np.asarray(
        population.randomise_weights(people(2000), jax.random.key(0)).student.weights["kickstart"]
    )
    logs = np.log(weights) / np.log(4)
    assert -1 <= logs.min() < -0.98
    assert 0.98 < logs.max() <= 1
    assert abs(logs.mean()) < 0.05


@pytest.mark.slow
def test_a_population_trains_and_resumes(trained, tmp_path):
    run = trained
    settings = EASY | {"num_seeds": 4, "ppo": PPO, "steps": 8192, "experts": (str(run),)}
    result = train(**settings, exploit_every=0.25, checkpoint_every=0.5, run=tmp_path / "a")
    exploited = [row["exploited"] for row in rows(tmp_path / "a") if "exploited" in row]
    # After 2, 4 and 6 of 8 updates, unless all are equally good; none after the last update.
    assert 1 <= len(exploited) <= 3
    assert all(sum(i != source for i, source in enumerate(each)) <= 1 for each in exploited)
    assert result["finished"]
    train(resume=tmp_path / "a", checkpoint=4)
    again = [row["exploited"] for row in rows(tmp_path / "a") if "exploited" in row]
    assert again == exploited
