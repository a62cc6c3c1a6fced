"""Recording: what is on disk is what happened, and all episodes count alike."""

import errno
import json
import os
import signal
import time

import fakes
import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import pytest
from fakes import Counting

from didact.environments import make
from didact.environments.grid import minigrid_import
from didact.environments.language import vocabulary
from didact.experiments.actors import solver_actor, student_actor
from didact.experiments.imitation import record
from didact.experiments.imitation import recording as recording_module
from didact.experiments.imitation.recording import Sorter, record_episodes
from didact.experiments.rollout import Actor
from didact.experiments.tasks.task_sources import level_keys, tasks_of
from didact.students import NetworkConfig, Policy, card, load_policy, random_actions
from didact.students.data import shards
from didact.students.data.recordings import CARD, RecordingWriter, open_recording
from didact.students.data.shards import stored_dtype

ROOM = "BabyAI-GoToLocalS5N2-v0"
LOCAL = "BabyAI-GoToLocal-v0"


def card_of(environment):
    spaces = {name: s.to_json() for name, s in environment.observation_space.items()}
    actions = environment.action_space.to_json()
    return {"environment": "it", "action_space": actions, "observation_space": spaces}


def record_here(folder, environment, actor, **settings):
    writer = RecordingWriter(folder, card_of(environment))
    record_episodes(environment, actor, writer, **settings)
    return open_recording(folder)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def random_of(environment):
    return student_actor(random_actions(environment.action_space), ())


@pytest.mark.slow
def test_recorded_episodes_are_those_of_their_keys_and_actions(tmp_path):
    """Levels from the keys of their numbers, stepped once more, beside every row on disk."""
    environment = make(ROOM)
    recording = record_here(
        tmp_path / "r", environment, random_of(environment), episodes=60, seed=3, num_envs=8
    )
    task_keys, reset_keys = level_keys(jax.random.key(3), jnp.arange(60))
    tasks = tasks_of(environment.task_space, task_keys)
    state, seen = jax.jit(environment.reset)(reset_keys, tasks)
    step = jax.jit(environment.step)
    episodes = list(recording)
    assert [e["episode"] for e in episodes] == list(range(60))
    longest = max(len(e["action"]) for e in episodes)
    assert longest > 10
    for t in range(longest):
        there = [e for e in episodes if t < len(e["action"])]
        for e in there:
            for name, values in e["observation"].items():
                ours = np.asarray(seen.observation[name][e["episode"]])
                assert values.dtype == ours.dtype
                assert np.array_equal(values[t], ours), (name, t)
        actions = [e["action"][min(t, len(e["action"]) - 1)] for e in episodes]
        state, seen = step(jax.random.key(0), state, jnp.array(actions))
        for e in there:
            i, last = e["episode"], t == len(e["action"]) - 1
            assert e["reward"][t] == pytest.approx(float(seen.reward[i]), abs=1e-6)
            assert bool(seen.done[i]) == last
            if last:
                assert e["terminated"] == seen.terminated[i]
                assert e["truncated"] == seen.truncated[i]
                assert e["success"] == seen.success[i]
                assert e["returns"] == pytest.approx(float(e["reward"].sum()))
                assert np.array_equal(e["task"], tasks[i])
    assert {bool(e["success"]) for e in episodes} == {True, False}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_expert_s_episodes_hold_in_the_official_minigrid(tmp_path):
    """Levels that minigrid made; what is on disk is played again there."""

    def environment(seed):
        made = gymnasium.make(LOCAL, disable_env_checker=True).unwrapped
        return made, made.reset(seed=seed)[0]

    world = minigrid_import.world_of([environment(seed)[0] for seed in range(20)])
    recording = record_here(tmp_path / "r", world, solver_actor(world), episodes=40, num_envs=16)
    for episode in recording:
        theirs, seen = environment(int(episode["task"][0]))
        assert episode["text"] == seen["mission"]
        for t, action in enumerate(episode["action"]):
            assert np.array_equal(episode["observation"]["image"][t], seen["image"])
            assert episode["observation"]["direction"][t] == seen["direction"]
            words = vocabulary.decode(episode["observation"]["instruction"][t])
            assert words == seen["mission"]
            seen, reward, terminated, truncated, _ = theirs.step(action)
            assert episode["reward"][t] == pytest.approx(reward, abs=1e-6)
            last = t == len(episode["action"]) - 1
            assert (terminated, truncated) == (last, False)
        assert reward > 0
        assert episode["success"]


@pytest.mark.slow
def test_the_solver_always_succeeds_in_one_room(tmp_path):
    card = record.recorded(record.Record("solver", tmp_path / "r", env=LOCAL, episodes=600))
    assert card["success"] == 1
    assert (card["episodes"], card["played"], card["finished"]) == (600, 600, True)
    recording = open_recording(tmp_path / "r")
    recording.check(make(LOCAL).observation_space)
    assert recording.environment == LOCAL
    assert all(e["success"] and e["terminated"] for e in recording)
    assert recording.num_steps == sum(len(e["action"]) for e in recording)
    assert card == json.loads((tmp_path / "r" / CARD).read_text())


@pytest.mark.slow
def test_the_same_seed_writes_the_same_bytes(tmp_path):
    environment = make(ROOM)

    def run(name, **settings):
        settings = {"episodes": 50, "num_envs": 16, "steps_per_shard": 300} | settings
        record_here(tmp_path / name, environment, random_of(environment), **settings)
        return contents(tmp_path / name)

    one = run("a", seed=1)
    assert len(one) > 3
    assert run("b", seed=1) == one
    assert run("c", seed=2) != one


@pytest.mark.slow
def test_levels_do_not_depend_on_how_many_are_played_side_by_side(tmp_path):
    environment = make(ROOM)

    def by_sight(params, worlds, key):
        image, steps = worlds.observation["image"], worlds.carry
        total = jnp.sum(image, axis=(1, 2, 3), dtype=jnp.int32) + steps
        return total // 3 % 3, steps + 1, {}

    files = []
    for n in (5, 40):
        actor = Actor(lambda n: jnp.zeros(n, jnp.int32), by_sight)
        record_here(tmp_path / str(n), environment, actor, episodes=40, num_envs=n)
        files.append(contents(tmp_path / str(n)))
    assert files[0] == files[1]


def lengths(recording):
    return np.concatenate([recording.shard(i).length for i in range(len(recording.card["shards"]))])


def test_short_and_long_episodes_count_alike(tmp_path):
    """The episodes are exactly the first N draws of tasks, however long these take."""
    world = Counting()
    settings = {"episodes": 3000, "num_envs": 16, "steps_per_shard": 500, "seed": 5}
    recording = record_here(tmp_path / "r", world, random_of(world), **settings)
    tasks = np.asarray(
        tasks_of(world.task_space, level_keys(jax.random.key(5), jnp.arange(3000))[0])
    )
    assert np.array_equal(np.stack([e["task"] for e in recording]), tasks)
    assert np.array_equal(lengths(recording), tasks[:, 0])
    ended = np.array([(e["terminated"], e["truncated"]) for e in recording])
    assert np.array_equal(ended[:, 1], tasks[:, 1] == 1)
    assert np.array_equal(ended[:, 0], tasks[:, 1] == 0)
    assert {e["text"] for e in recording} == {"count"}


def test_ctrl_c_keeps_whole_shards_that_favour_nobody(tmp_path):
    world = Counting()

    def stop(episodes, steps, success):
        if steps > 2000:
            raise KeyboardInterrupt

    settings = {"episodes": 3000, "num_envs": 64, "steps_per_shard": 500}
    record_here(tmp_path / "all", world, random_of(world), **settings)
    recording = record_here(tmp_path / "r", world, random_of(world), **settings, progress=stop)
    assert not recording.card["finished"]
    assert 100 < len(recording) < 1500
    assert recording.card["played"] == len(recording)
    whole, part = contents(tmp_path / "all"), contents(tmp_path / "r")
    assert len(part) == len(recording.card["shards"]) + 1
    assert all(whole[name] == part[name] for name in part if name != CARD)  # the first ones
    successes = [e["success"] for e in recording]
    assert recording.card["success"] == pytest.approx(np.mean(successes))


def test_ctrl_c_before_the_first_shard_leaves_nothing(tmp_path, monkeypatch, capsys):
    def stop(self, rows):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sorter, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        record.save_recording(record.Record("random", tmp_path / "r", env="Counting", episodes=50))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_process_that_is_stopped_leaves_a_recording(number, process, tmp_path):
    arguments = ["record", "random", "--env", "Counting", "--episodes", 10**7, "--out", "r"]
    running = process(*arguments, folder=tmp_path)
    try:
        until = time.monotonic() + 200
        while not list(tmp_path.glob("r/episodes-00001.npz")):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert "Traceback" not in err
    recording = open_recording(tmp_path / "r")
    assert not recording.card["finished"]
    windows = list(recording.batches(500, 64))
    assert sum(int(w.weight.sum()) for w in windows) == recording.num_steps >= 2**16
    if number != signal.SIGKILL:
        assert running.returncode == 0
        assert "Stopped; all complete shards are saved." in out
        assert f"{len(recording):,} episodes of random" in out
        assert len(list((tmp_path / "r").iterdir())) == len(recording.card["shards"]) + 1


def test_failures_can_be_left_out(tmp_path):
    world = Counting()
    settings = {"episodes": 500, "num_envs": 32, "steps_per_shard": 200}
    every = record_here(tmp_path / "all", world, random_of(world), **settings)
    won = record_here(tmp_path / "won", world, random_of(world), **settings, successful_only=True)
    expected = [e for e in every if e["success"]]
    assert 0 < len(expected) < 500
    assert [e["episode"] for e in won] == [e["episode"] for e in expected]
    for mine, its in zip(won, expected, strict=True):
        assert np.array_equal(mine["observation"]["numbers"], its["observation"]["numbers"])
        assert np.array_equal(mine["action"], its["action"])
        assert mine["task"].tolist() == its["task"].tolist()
    assert won.card["played"] == 500
    assert won.card["success"] == pytest.approx(len(expected) / 500)


@pytest.mark.slow
def test_a_policy_is_recorded_with_its_memory(tmp_path):
    """Its greedy actions are those that it takes when it is shown the episodes one by one."""
    from didact.students import PPOConfig, ppo, save_policy

    environment = make(ROOM)
    network = NetworkConfig()
    spaces = environment.observation_space, environment.action_space
    student = ppo(*spaces, PPOConfig(network=network), num_updates=1)
    # Large weights, so that what it does depends on what it remembers.
    params = jax.tree.map(lambda x: 3 * x, jax.jit(student.init)(jax.random.key(1)).params)
    save_policy(tmp_path / "policy", card(ROOM, *spaces, network), params)
    policy = load_policy(tmp_path / "policy")
    choice = record.Record(str(tmp_path / "policy"), tmp_path / "r", episodes=3, greedy=True)
    assert record.recorded(choice)["environment"] == ROOM
    actor = student_actor(policy.student, policy.state, greedy=True)
    recording = record_here(tmp_path / "s", environment, actor, episodes=12, num_envs=3)
    same, steps = 0, 0
    for episode in recording:
        carry = None
        for t, action in enumerate(episode["action"][:20]):
            seen = {k: v[t] for k, v in episode["observation"].items()}
            chosen, carry = policy.act(seen, carry)
            same, steps = same + (int(chosen) == action), steps + 1
    assert steps > 60
    assert same >= 0.97 * steps  # sums of another order may decide a tie otherwise


def test_the_command_tells_what_it_recorded(tmp_path, capsys):
    from didact.experiments.cli import main

    folder = tmp_path / "deep" / "r"
    arguments = f"record random --env Counting --tasks length=3 --episodes 30 --out {folder}"
    main([*arguments.split(), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["episodes"], told["steps"], told["who"]) == (30, 90, "random")
    card = open_recording(folder).card
    assert card["task_space"]["properties"]["length"]["minimum"] == 3
    assert card["environment_settings"] == []
    assert told["bytes"] == sum(p.stat().st_size for p in folder.glob("*.npz"))
    main([*arguments.replace("deep", "other").split()])
    out = capsys.readouterr().out
    assert "30 episodes of random in Counting, 90 steps" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("solver", ("--env", "solver")),
        ("random", ("--env", "random")),
        ("solver --env Counting", ("--env is 'Counting'", "a privileged expert")),
        ("solver --env GoToo", ("--env is 'GoToo'", "GoTo")),
        ("random --env Counting --greedy", ("--greedy", "random")),
        ("random --env Counting --episodes 0", ("--episodes is 0", "from 1")),
        ("random --env Counting --seed -1", ("--seed is -1", "from 0")),
        ("random --env Counting --tasks size=3", ("--tasks is 'size'",)),
        ("random --env Counting --env-settings a=3", ("--env-settings is 'a'",)),
        ("nobody --env Counting", ("policy is 'nobody'",)),
    ],
)
def test_bad_settings_are_one_sentence(arguments, words, refused, tmp_path):
    out = tmp_path / "out"
    message = refused("record", *arguments.split(), "--out", out)
    for word in words:
        assert word in message
    assert not out.exists()


def test_a_policy_with_other_actions_is_refused(refused, tmp_path, monkeypatch):
    """The observations are the same, but there are fewer actions."""
    room = make(ROOM)
    spaces = room.observation_space, room.action_space
    policy = Policy(card(ROOM, *spaces, NetworkConfig()), None)
    monkeypatch.setattr("didact.students.load_policy", lambda who: policy)
    out = tmp_path / "out"
    message = refused("record", "mine", "--env", "DynamicObstacles", "--out", out)
    assert "actions is ['left', 'right', 'forward'], but must be those of training" in message
    assert not out.exists()


def test_shards_of_large_observations_have_fewer_steps(tmp_path, monkeypatch):
    """The steps of a shard are bounded in bytes, too; the episodes are the same."""
    world = Counting()
    settings = {"episodes": 500, "num_envs": 32, "steps_per_shard": 200}
    one = record_here(tmp_path / "one", world, random_of(world), **settings)
    step = 4 * (fakes.ACTIONS + 4) + 1 + 4  # observation, action and reward
    monkeypatch.setattr(recording_module, "BYTES_PER_SHARD", 50 * step - 3)
    two = record_here(tmp_path / "two", world, random_of(world), **settings)
    *steps, _ = [shard["steps"] for shard in two.card["shards"]]
    assert all(50 <= each < 50 + world.max_steps for each in steps)
    for mine, its in zip(one, two, strict=True):
        np.testing.assert_array_equal(mine["observation"]["numbers"], its["observation"]["numbers"])
        np.testing.assert_array_equal(mine["action"], its["action"])


def test_a_folder_with_something_in_it_is_refused(refused, tmp_path):
    (tmp_path / "mine").write_text("mine")
    for out in (tmp_path, tmp_path / "mine", tmp_path / "mine" / "below"):
        message = refused("record", "random", "--env", "Counting", "--out", out)
        assert f"--out is '{out}'" in message
    assert contents(tmp_path) == {"mine": b"mine"}


def test_no_success_at_all_is_told(refused, tmp_path):
    arguments = ["--env", "MiniGrid-Empty-16x16-v0", "--episodes", 1, "--successful-only"]
    message = refused("record", "random", *arguments, "--out", tmp_path / "r")
    assert "--successful-only is True" in message
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("fails", [0, 1, 4, 5])
def test_a_full_disk_keeps_what_was_whole(fails, refused, tmp_path, monkeypatch):
    """The writing of any file fails: of a shard (even) or of the card after it (odd)."""
    from didact.experiments.imitation import recording

    write, count = shards.Path.write_bytes, []

    def full(path, data):
        count.append(path)
        if len(count) > fails:
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(shards.Path, "write_bytes", full)
    monkeypatch.setattr(recording, "STEPS_PER_SHARD", 300)
    monkeypatch.setitem(record_episodes.__kwdefaults__, "steps_per_shard", 300)
    out = tmp_path / "r"
    message = refused("record", "random", "--env", "Counting", "--episodes", 2000, "--out", out)
    assert "--out is" in message
    assert "No space left" in message
    whole = fails // 2
    if not whole:
        assert list(tmp_path.iterdir()) == []
        return
    kept = open_recording(out)
    assert len(kept.card["shards"]) == whole == 2
    assert len(list(kept)) == kept.card["episodes"]
    assert f"the {len(kept)} episodes in complete shards are saved" in message
    assert len(list(out.iterdir())) == whole + 1


def test_a_disk_that_is_really_full(small_disk, refused):
    out = small_disk / "r"
    arguments = ["--env", LOCAL, "--episodes", 5000, "--out", out]
    assert "No space left" in refused("record", "random", *arguments)
    names = {p.name for p in out.rglob("*")} if out.exists() else set()
    if names:
        assert len(list(open_recording(out))) > 0
        assert not any(name.startswith(".") for name in names)


def test_rows_come_out_in_the_order_of_their_episodes():
    """Against a plain sort, with episodes that end in any order."""
    rng = np.random.default_rng(0)
    worlds, following, sorter, out, rows = list(range(6)), 6, Sorter(), [], []
    for _ in range(40):
        chunk = []
        for _ in range(5):
            for w in range(6):
                chunk.append((worlds[w], len(rows)))
                rows.append(chunk[-1])
                if rng.random() < 0.3 / (1 + w * w):
                    worlds[w], following = following, following + 1
        episode, number = np.array(chunk).T
        sorter.add({"episode": episode, "number": number})
        taken = sorter.take(min(worlds), 20)
        if taken is not None:
            assert len(taken["episode"]) >= 20
            out += list(zip(taken["episode"], taken["number"], strict=True))
    taken = sorter.take(following)
    out += list(zip(taken["episode"], taken["number"], strict=True))
    assert out == sorted(rows)
    assert sorter.waiting == 0


def test_what_fits_in_a_byte_is_a_byte():
    space = make(ROOM).observation_space
    assert {name: stored_dtype(s) for name, s in space.items()} == dict.fromkeys(space, np.uint8)
    assert stored_dtype(Counting.observation_space["numbers"]) == np.float32
