"""Teachers that choose the tasks of gymnasium's vector environments."""

import contextlib

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList

import didact
from didact.environments import (
    ArraySpace,
    Box,
    Dimension,
    Discrete,
    Environment,
    SettingError,
    Timestep,
)
from didact.teachers import Outcomes, Proposals, Teacher, alp_gmm, propose, uniform
from didact.teachers.state_arrays import load_arrays, save_arrays

SPACE = Box((Dimension("length", 1, 6, integer=True), Dimension("pay", -1, 1)))
QUICK = {"fit_rate": 12, "k_max": 2, "iterations": 2}


class Walk(gymnasium.Env):
    """Ends after as many steps as the task says; action 1 in the last step succeeds."""

    observation_space = gymnasium.spaces.Box(-10, 10, (3,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        task = (options or {}).get("task", [9, 0])  # an episode without a task is told by its 9
        assert np.shape(task) == (2,)
        self.length, self.pay = (float(x) for x in task)
        self.time = 0
        return self.see(), {"begun": 1.0}

    def step(self, action):
        self.time += 1
        over = self.time >= self.length
        success = bool(over and action == 1)
        return self.see(), self.pay + success, success, over and not success, {"success": success}

    def see(self):
        return np.array([self.length, self.pay, self.time], np.float32)


class CompiledWalk(Environment):
    """The same walk as a compiled environment."""

    task_space = SPACE
    observation_space = {"seen": ArraySpace((3,), np.float32, -10, 10)}  # noqa: RUF012
    action_space = Discrete(2)
    max_steps = 6

    def reset(self, key, tasks):
        state = jnp.concatenate([tasks, jnp.zeros((len(tasks), 1))], axis=1)
        no = jnp.zeros(len(tasks), bool)
        return state, Timestep({"seen": state}, no * 0.0, no, no, no, no[:, None][:, :0])

    def step(self, key, state, actions):
        state = state.at[:, 2].add(1)
        over = state[:, 2] >= state[:, 0]
        success = over & (actions == 1)
        labels = success[:, None][:, :0]
        reward = state[:, 1] + success
        return state, Timestep({"seen": state}, reward, success, over & ~success, success, labels)


def walks(mode, n=3, kind=SyncVectorEnv):
    return kind([Walk for _ in range(n)], autoreset_mode=mode)


def played(envs, steps, rng):
    """The tasks of all episodes in the order of their starts, and every step's ended episodes."""
    n = envs.num_envs
    tasks, ended = [envs.tasks], []
    returns, lengths = np.zeros(n), np.zeros(n)
    for _ in range(steps):
        before = envs.tasks
        actions = np.array([int(x) for x in rng.integers(envs.single_action_space.n, size=n)])
        _, reward, terminated, truncated, infos = envs.step(actions)
        np.testing.assert_array_equal(infos["task"], before)
        returns, lengths = returns + reward, lengths + 1
        done = terminated | truncated
        assert ("episode" in infos) == ("final_obs" in infos) == done.any()
        if done.any():
            success = infos["episode"]["s"]
            np.testing.assert_allclose(infos["episode"]["r"], np.where(done, returns, 0))
            np.testing.assert_array_equal(infos["episode"]["l"], np.where(done, lengths, 0))
            np.testing.assert_array_equal(success > 0, terminated)
            ended.append((before, returns, success, lengths, done))
            returns, lengths = np.where(done, 0, returns), np.where(done, 0, lengths)
            tasks.append(envs.tasks[done])
            np.testing.assert_array_equal(envs.tasks[~done], before[~done])
    return tasks, ended


def by_hand(teacher, n, seed, ended):
    """The tasks that a teacher proposes when it is driven without a vector environment."""
    first, observe = jax.jit(teacher.init), jax.jit(teacher.observe)
    ask = jax.jit(lambda state, key: propose(teacher, state, key, n))
    key, now = jax.random.split(jax.random.key(seed))
    state, tasks = first(now), []
    for count, episodes in [(n, None), *((int(e[4].sum()), e) for e in ended)]:
        if episodes is not None:
            played, *numbers = episodes
            numbers = [jnp.asarray(x, jnp.float32) for x in numbers]
            state = observe(state, Proposals.of(jnp.asarray(played)), Outcomes(*numbers, scores={}))
        key, now = jax.random.split(key)
        rows, state = ask(state, now)
        tasks.append(np.asarray(rows.tasks)[:count])
    return tasks, state


def same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_our_worlds_play_what_the_teacher_proposes_by_hand():
    envs = didact.make_vec(CompiledWalk(), 4, teacher="alp_gmm", teacher_settings=QUICK, seed=3)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    envs.reset(seed=0)
    tasks, ended = played(envs, 40, np.random.default_rng(0))
    expected, state = by_hand(alp_gmm(SPACE, **QUICK), 4, 3, ended)
    same(tasks, expected)
    assert int(state.fitted) > 0  # so that proposals depend on outcomes
    for name, value in envs.state_dict().items():
        if name.startswith("teacher.") and name != "teacher.key":
            np.testing.assert_array_equal(value, getattr(state, name.removeprefix("teacher.")))
    for _ in range(6):
        before = envs.tasks
        observations, _, terminated, truncated, infos = envs.step(np.array([0, 1, 0, 1]))
        np.testing.assert_array_equal(observations["seen"][:, :2], envs.tasks)
        for i in np.flatnonzero(terminated | truncated):
            np.testing.assert_array_equal(infos["final_obs"][i]["seen"][:2], before[i])


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_any_vector_environment_plays_what_the_teacher_proposes(mode):
    envs = didact.with_teacher(walks(mode), "alp_gmm", SPACE, teacher_settings=QUICK, seed=1)
    observations, infos = envs.reset(seed=0)
    np.testing.assert_array_equal(observations[:, :2], envs.tasks)
    np.testing.assert_array_equal(infos["begun"], 1)
    tasks, ended = played(envs, 40, np.random.default_rng(0))
    expected, state = by_hand(alp_gmm(SPACE, **QUICK), 3, 1, ended)
    same(tasks, expected)
    assert int(state.fitted) > 0
    # What a learner sees: each episode with its own task, from its first observation on.
    rng = np.random.default_rng(1)
    for _ in range(20):
        before = envs.tasks
        observations, _, terminated, truncated, infos = envs.step(rng.integers(2, size=3))
        np.testing.assert_array_equal(observations[:, :2], envs.tasks)
        done = terminated | truncated
        np.testing.assert_array_equal(observations[:, 2] == 0, done)
        for i in np.flatnonzero(done):
            np.testing.assert_array_equal(infos["final_obs"][i][:2], before[i])
            assert infos["final_info"]["success"][i] == terminated[i]
            assert infos["begun"][i] == 1


def test_infos_are_in_the_format_of_gymnasium():
    envs = DictInfoToList(didact.with_teacher(walks("Disabled"), uniform(SPACE), SPACE))
    envs.reset(seed=0)
    lengths = np.zeros(3, int)
    for _ in range(12):
        _, _, terminated, truncated, infos = envs.step(np.zeros(3, int))
        lengths += 1
        for i, done in enumerate(terminated | truncated):
            assert ("episode" in infos[i]) == done
            assert infos[i]["task"].shape == (2,)
            if done:
                assert infos[i]["episode"]["l"] == lengths[i] == infos[i]["task"][0]
                lengths[i] = 0


def test_a_reset_of_some_gives_new_tasks_and_shows_no_episode():
    def observe(state, proposals, outcomes):
        return state + jnp.sum(outcomes.weights)

    teacher = uniform(SPACE)._replace(init=lambda key: jnp.float32(0), observe=observe)
    teacher = teacher._replace(propose=lambda state, key, n: (SPACE.sample(key, n), state))
    envs = didact.with_teacher(walks("SameStep"), teacher, SPACE)
    mask = np.array([True, False, True])
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.reset(options={"reset_mask": mask})
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(np.zeros(3, int))
    envs.reset(seed=0)
    before = envs.tasks
    observations, _ = envs.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal((envs.tasks != before).any(axis=1), mask)
    np.testing.assert_array_equal(observations[:, :2], envs.tasks)
    envs.reset()
    assert float(envs.state_dict()["teacher"]) == 0
    for wrong in (mask.tolist(), mask[1:], mask & False):
        with pytest.raises(SettingError, match=r"reset_mask is .* 3 booleans"):
            envs.reset(options={"reset_mask": wrong})
    with pytest.raises(SettingError, match=r"task is .* the teacher chooses"):
        envs.reset(options={"task": [1, 0]})


def grouped(batch):
    """A teacher that numbers its proposals, five at a time."""

    def request(state, key, n):
        rows = jnp.stack([jnp.arange(n) % 6 + 1.0, (state + jnp.arange(n)) / 100], axis=1)
        return Proposals.of(rows, learn=0, tag=state + jnp.arange(n)), state + n

    def observe(state, proposals, outcomes):
        return state

    return Teacher(lambda key: jnp.int32(0), request, observe, batch=batch)


def test_no_expensive_proposal_is_dropped_and_a_restored_teacher_continues(tmp_path):
    envs = didact.with_teacher(walks("Disabled"), grouped(5), SPACE)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    tasks, _ = played(envs, 10, rng)
    numbers = np.concatenate(tasks)[:, 1] * 100
    np.testing.assert_allclose(numbers, np.arange(len(numbers)), atol=1e-4)
    assert (envs.step(np.zeros(3, int))[4]["learn"] == 0).all()
    path = envs.save_teacher(tmp_path / "teacher.npz")
    other = didact.with_teacher(walks("Disabled"), grouped(5), SPACE, seed=9)
    other.load_teacher(path)
    for each in (envs, other):
        each.reset(seed=5)
    same([envs.tasks], [other.tasks])
    same(*(played(each, 10, np.random.default_rng(2))[0] for each in (envs, other)))


def test_a_restored_teacher_continues(tmp_path):
    def begun(seed):
        return didact.with_teacher(walks("Disabled"), alp_gmm(SPACE, **QUICK), SPACE, seed=seed)

    envs, other = begun(0), begun(1)
    envs.reset(seed=0)
    played(envs, 20, np.random.default_rng(0))
    path = envs.save_teacher(tmp_path / "teacher.npz")
    assert list(tmp_path.iterdir()) == [path]
    other.load_teacher(path)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(value, envs.state_dict()[name])
    for each in (envs, other):
        each.reset(seed=5)
    same(*(played(each, 12, np.random.default_rng(2))[0] for each in (envs, other)))


def test_states_of_others_are_refused(tmp_path):
    envs = didact.with_teacher(walks("Disabled"), alp_gmm(SPACE, **QUICK), SPACE)
    before = envs.state_dict()
    missing = {k: v for k, v in before.items() if k != "teacher.count"}
    for wrong, message in (
        (missing, "missing array, is 'teacher.count'"),
        (before | {"more": np.zeros(1)}, "unknown array, is 'more'"),
        (before | {"teacher.count": np.zeros(3, np.int32)}, r"array teacher.count .* 'int32\[3\]'"),
        (before | {"teacher.count": np.float64(0)}, r"is 'float64\[\]', but must be int32"),
        (before | {"teacher.count": "1"}, "array teacher.count"),
        (before | {"taken": np.int32(7)}, "taken is 7"),
    ):
        with pytest.raises(SettingError, match=message):
            envs.load_state_dict(wrong)
    for content in (b"", b"PK\x03\x04", b"\x93NUMPY", b"\x80\x04K\x01.", b"hello" * 100):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(SettingError, match="readable file of a teacher"):
            envs.load_teacher(tmp_path / "a.npz")
    raw = save_arrays(tmp_path / "a.npz", before).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(raw)
        for place in rng.integers(len(raw), size=3):
            damaged[place] = rng.integers(256)
        (tmp_path / "a.npz").write_bytes(damaged)
        with contextlib.suppress(SettingError):
            load_arrays(tmp_path / "a.npz")
    pickled = np.array([{"a": 1}], object)
    np.savez(tmp_path / "a.npz", **(before | {"teacher.count": pickled}))
    (tmp_path / "b.npy").touch()
    for path in ("a.npz", "none.npz", "b.npy"):
        with pytest.raises(SettingError, match="path is"):
            envs.load_teacher(tmp_path / path)
    with pytest.raises(SettingError, match=r"a file called \*.npz"):
        envs.save_teacher(tmp_path / "b")
    with pytest.raises(SettingError, match="writable"):
        save_arrays(tmp_path / "b.npy" / "a.npz", before)
    for name, value in envs.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert load_arrays(save_arrays(tmp_path / "c.npz", before)).keys() == before.keys()


def needs_scores(space):
    def observe(state, proposals, outcomes):
        return state + jnp.sum(outcomes.scores["value"])

    return Teacher(lambda key: jnp.float32(0), lambda s, k, n: (space.sample(k, n), s), observe)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teacher": "alp"}, "teacher is 'alp', .*alp_gmm"),
        ({"teacher": "alp_gmm", "teacher_settings": {"rate": 1}}, "rate"),
        (
            {"teacher": uniform(SPACE), "teacher_settings": {"rate": 1}},
            "settings is .*omit",
        ),
        ({"teacher": "uniform", "space": None}, "space is None"),
        ({"teacher": "uniform", "seed": -1}, "seed is -1"),
        (
            {"teacher": needs_scores(SPACE)},
            "score of the given teacher is 'value', .* returns, successes and lengths",
        ),
        ({"teacher": uniform(Box(SPACE.dimensions[:1]))}, "length of the teacher's tasks is 1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(SettingError, match=message):
        didact.with_teacher(walks("Disabled"), **({"space": SPACE} | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teacher": "plr"}, "score of the teacher plr is 'value', but must be one of max_mc"),
        ({"teacher": 5}, "teacher is 5, but must be the name of a teacher"),
        ({"teacher": "uniform", "seed": "x"}, "seed is 'x'"),
        ({"num_envs": 10**12}, "num_envs is 1000000000000, but must be a whole number from 1"),
        ({"num_envs": "8"}, "num_envs is '8'"),
        ({"num_envs": 0}, "num_envs is 0"),
        ({"num_envs": 2.5}, "num_envs is 2.5"),
        ({"env": 5}, "env is 5, but must be the name of an environment"),
        ({"env": None, "teacher": "uniform"}, "env is None"),
    ],
)
def test_wrong_arguments_of_make_vec(arguments, message):
    with pytest.raises(SettingError, match=message):
        didact.make_vec(**({"env": "ToyGrid"} | arguments))


def test_without_a_teacher_tasks_are_uniform():
    envs = didact.make_vec("ToyGrid", 2)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    with pytest.raises(SettingError, match="given with a teacher"):
        didact.make_vec("ToyGrid", 2, teacher_settings={"fit_rate": 3})
    with pytest.raises(SettingError, match="autoreset_mode"):
        didact.make_vec("ToyGrid", 2, autoreset_mode=AutoresetMode.NEXT_STEP)


def test_a_first_reset_uses_the_seed():
    starts = [didact.make_vec("ToyGrid", 3, teacher="uniform", seed=4).reset()[0] for _ in range(2)]
    jax.tree.map(np.testing.assert_array_equal, *starts)


@pytest.mark.slow
def test_environments_in_processes():
    envs = didact.with_teacher(walks("NextStep", kind=AsyncVectorEnv), "uniform", SPACE)
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(20):
        observations = envs.step(rng.integers(2, size=3))[0]
        np.testing.assert_array_equal(observations[:, :2], envs.tasks)
    envs.close()
