"""`didact picture`: the film and the figures of a run's curriculum."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from didact.environments import make
from didact.experiments.cli import main
from didact.experiments.config import TrainConfig, to_dict
from didact.experiments.runs.curriculum_pictures import thumbnails_of, view
from didact.experiments.runs.curriculum_snapshots import CurriculumSnapshot, save_snapshot


def made(folder, env, beliefs, settings=(), count=3, n=40):
    """A run folder with snapshots, as a training leaves it."""
    folder.mkdir()
    config = TrainConfig(env=env, env_settings=settings, teacher="uniform")
    (folder / "config.json").write_text(json.dumps(to_dict(config)))
    space = make(env, **dict(text.split("=") for text in settings)).task_space
    for t in range(count):
        tasks = np.asarray(space.sample(jax.random.key(t), n))
        won = np.random.default_rng(t).random(n).round()
        told = beliefs(space, t)
        save_snapshot(
            folder / "curriculum" / f"{t:012d}.npz", CurriculumSnapshot(t, tasks, won, won, told)
        )
    return folder


def replay(space, t, k=10):
    rows = np.asarray(space.sample(jax.random.key(7), k))
    chances = np.arange(k) * (np.arange(k) > 2)
    return {
        "levels": rows,
        "scores": np.linspace(0, 1, k),
        "probabilities": chances / chances.sum(),
    }


def sizes(path):
    with Image.open(path) as image:
        return image.size, getattr(image, "n_frames", 1)


@pytest.mark.slow
def test_a_film_of_mazes_with_their_pictures(tmp_path, capsys):
    run = made(tmp_path / "run", "Maze", replay, ("size=5",))
    main(["picture", str(run), "--json"])
    files = json.loads(capsys.readouterr().out)
    assert list(files) == ["curriculum", "beliefs", "levels", "film"]
    assert sizes(files["film"])[1] == 3
    assert files["film"] == str(run / "curriculum.gif")
    for name in ("curriculum", "beliefs", "levels"):
        assert np.asarray(Image.open(files[name]).convert("L")).std() > 5


def test_levels_of_mazes_are_drawn_by_their_features():
    world = make("Maze", size=5)
    space = world.task_space
    tasks = np.asarray(space.sample(jax.random.key(0), 4))
    given = [CurriculumSnapshot(0, tasks, np.ones(4), np.ones(4), replay(space, 0))]
    seen = view(world, given)
    assert seen.space.names == ("walls", "shortest_path")
    reached = np.asarray(space.features(np.concatenate([tasks, replay(space, 0)["levels"][3:]])))
    np.testing.assert_array_equal(seen.space.low, reached.min(axis=0))
    np.testing.assert_array_equal(seen.space.high, reached.max(axis=0))
    beliefs = seen.drawn[0].beliefs
    np.testing.assert_array_equal(beliefs["levels"], space.features(given[0].beliefs["levels"][3:]))
    assert beliefs["levels"].shape == (7, 2)
    assert seen.whole[0].beliefs["levels"].shape == (10, 28)
    other = given[0]._replace(beliefs={"points": np.zeros((2, 28)), "values": np.zeros(2)})
    assert view(world, [other]).drawn[0].beliefs == {}
    assert view(world, []) is None


def test_thumbnails_are_renderings_of_the_tasks():
    world = make("Maze", size=5)
    tasks = np.asarray(world.task_space.sample(jax.random.key(0), 3))
    found = thumbnails_of(world)(tasks)
    state, _ = jax.jit(world.reset)(jax.random.key(5), tasks)
    for i, picture in enumerate(found):
        np.testing.assert_array_equal(picture, world.render(jax.device_get(state), i))
    assert not np.array_equal(found[0], found[1])


def test_dimensions_and_the_file_can_be_chosen(tmp_path, capsys):
    run = made(tmp_path / "run", "GoTo", lambda space, t: {})
    out = tmp_path / "film.gif"
    main(["picture", str(run), "--out", str(out), "--dimensions", "rows", "--fps", "5"])
    paths = capsys.readouterr().out.split()
    assert paths == [str(run / "curriculum.png"), str(out)]
    assert sizes(out)[1] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "RUN is 'nowhere', but must be a run folder"),
        (["run", "--dimensions", "walls"], "dimension is 'walls'"),
        (["run", "--fps", "0"], "--fps is 0"),
        (["run", "--fps", "nan"], "--fps is nan"),
        (["run", "--fps", "inf"], "--fps is inf"),
        (["run", "--fps", "1e300"], "--fps is 1e+300"),
        (["run", "--fps", "51"], "at most 1000, or 50 for a .gif"),
        (["run", "--out", "."], "--out is '.'"),
        (["run", "--out", "x.png"], "--out is 'x.png', but must be a file called *.gif or *.mp4"),
        (["empty"], "with snapshots of a curriculum"),
    ],
)
def test_what_cannot_be_drawn(words, message, tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "run", "GoTo", lambda space, t: {})
    made(tmp_path / "empty", "GoTo", lambda space, t: {}, count=0)
    assert message in refused("picture", *words)
