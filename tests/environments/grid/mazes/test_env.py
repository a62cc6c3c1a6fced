"""Named mazes, and the worlds and trainings that are made of mazes."""

import gymnasium
import jax
import minigrid  # noqa: F401  (registers its environments)
import numpy as np
import pytest
from maze_search import sample, shown

import didact.environments as environments
from didact import teachers
from didact.environments import SettingError
from didact.environments.grid import cells
from didact.environments.grid.mazes import (
    EVALUATION,
    Levels,
    all_named,
    named,
)
from didact.experiments.training import train
from didact.students import NetworkConfig, PPOConfig

# The mazes of the literature. Places are (row, column), from 0; actions are counted from a plain
# search over the published maps.

PUBLISHED = {  # size, agent, goals, walls
    "SixteenRooms": (13, (1, 1), [(11, 11)], 46),
    "SixteenRooms2": (13, (1, 1), [(11, 11)], 53),
    "NineRooms": (13, (1, 1), [(11, 11)], 36),
    "NineRoomsFewerDoors": (13, (1, 1), [(11, 11)], 39),
    "Labyrinth": (13, (12, 0), [(6, 6)], 72),
    "LabyrinthFlipped": (13, (12, 12), [(6, 6)], 72),
    "Labyrinth2": (13, (0, 0), [(6, 6)], 72),
    "StandardMaze": (13, (0, 6), [(12, 6)], 73),
    "StandardMaze2": (13, (6, 0), [(4, 12)], 72),
    "StandardMaze3": (13, (0, 3), [(6, 12)], 71),
    "SmallCorridor": (13, (6, 0), [(y, x) for y in (5, 7) for x in range(2, 12, 2)], 71),
    "LargeCorridor": (19, (9, 0), [(y, x) for y in (8, 10) for x in range(2, 18, 2)], 161),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_named_mazes_are_the_published_ones(name):
    size, agent, goals, walls = PUBLISHED[name]
    space = named(name)
    assert space.shape == (size, size)
    tasks = sample(space, 40 * len(goals))
    assert (tasks[:, : space.cells].sum(1) == walls).all()
    assert set(tasks[:, -3]) == {agent[0] * size + agent[1]}
    assert set(tasks[:, -1]) == {y * size + x for y, x in goals}
    assert space.solvable(tasks).all()
    assert environments.make(f"Maze-{name}").max_steps == (250 if size == 13 else 882)
    assert (space.shortest_actions(tasks) < 250).all()
    assert (Levels().single_task(space) is not None) == (size == 13 and len(goals) == 1)


def test_the_flipped_labyrinth_is_the_labyrinth_flipped():
    one, other = named("Labyrinth"), named("LabyrinthFlipped")
    rows = one.format(sample(one, 1)[0]).replace(">", "<").split("\n")
    assert [row[::-1] for row in rows] == other.format(sample(other, 1)[0]).split("\n")
    # "A short but non-optimal path is 118 moves" (its source).
    assert one.shortest_actions(sample(one, 1))[0] < 118


def test_random_named_mazes_can_be_solved():
    for name in sorted(set(all_named()) - set(PUBLISHED) - {"PerfectMazeExtraLarge"}):
        space = named(name)
        assert space.solvable(sample(space, 64)).all(), name
    assert named("PerfectMazeExtraLarge").shape == (101, 101)


# Worlds.


def test_the_world_is_the_map():
    environment = environments.make("Maze", size=(5, 8), max_walls=20)
    space = environment.task_space
    tasks = sample(space, 20)
    state, seen = environment.reset(jax.random.key(0), tasks)
    for i, task in enumerate(tasks):
        symbols = environment.symbols(state, i)
        assert symbols.grid.shape == (10, 7, 3)
        kinds = symbols.grid[:, :, 0].T
        inner = {cells.unpack(np.uint8(cells.GREY_WALL))[0]: "#", 1: ".", 8: "G"}
        grid = [[inner[int(k)] for k in row[1:-1]] for row in kinds[1:-1]]
        x, y = symbols.agent_position
        grid[y - 1][x - 1] = ">v<^"[symbols.agent_direction]
        assert grid == shown(space, task)
        edge = np.ones_like(kinds, bool)
        edge[1:-1, 1:-1] = False
        assert (kinds[edge] == 2).all()
        # Through walls, so what is seen is what lies in the 7x7 cells before the agent.
        turn = symbols.agent_direction
        left, top = ((x, y - 3), (x - 3, y), (x - 6, y - 3), (x - 3, y - 6))[turn]
        seen_here = np.zeros_like(symbols.visible)
        seen_here[max(left, 0) : left + 7, max(top, 0) : top + 7] = True
        np.testing.assert_array_equal(symbols.visible, seen_here)
    text = environment.instruction_text(jax.tree.map(lambda x: x[0], seen.observation))
    assert text == "get to the green goal square"
    assert environment.max_steps == 250
    assert environments.make("Maze", size=15).max_steps == 2 * 17 * 17
    assert environments.make("Maze", size=15, max_steps=99).max_steps == 99


def test_gymnasium_makes_mazes_and_takes_a_map_as_task():
    world = gymnasium.make("didact/Maze", render_mode="rgb_array").unwrapped
    space = world.environment.task_space
    row = world.environment.evaluation_tasks["Maze-Labyrinth"]
    _, info = world.reset(seed=0, options={"task": row})
    assert info["mission"] == "get to the green goal square"
    assert space.format(row) == "\n".join("".join(g) for g in shown(space, row))
    assert world.render().shape == (15 * 32, 15 * 32, 3)
    worlds = gymnasium.make_vec("didact/Maze-FourRooms", num_envs=3)
    assert worlds.reset(seed=1)[0]["image"].shape == (3, 7, 7, 3)
    with pytest.raises(SettingError, match="inside the task space"):
        world.reset(options={"task": np.zeros(space.size)})


def test_smaller_mazes_are_points_of_larger_spaces():
    larger = Levels(19, 17)
    row = larger.single_task(named("StandardMaze3"))
    assert larger.contains(row[None]).all()
    assert larger.shortest_path(row[None])[0] == named("StandardMaze3").shortest_path(
        sample(named("StandardMaze3"), 1)
    )
    assert Levels(9, 9).single_task(named("StandardMaze3")) is None
    assert Levels().single_task(environments.make("BabyAI-GoToObjS4-v0").task_space) is None
    assert environments.make("GoTo").task_space.single_task(named("Labyrinth")) is None
    usual = environments.make("Maze", size=(15, 14)).evaluation_tasks
    assert list(usual) == [f"Maze-{name}" for name in EVALUATION]
    np.testing.assert_array_equal(
        usual["Maze-Labyrinth"], Levels(15, 14).single_task(named("Labyrinth"))
    )
    assert not environments.make("Maze", size=9).evaluation_tasks
    alone = environments.make("Maze-Labyrinth2").evaluation_tasks
    assert list(alone) == ["Maze-Labyrinth2"]


def test_common_is_the_narrower_space():
    space = Levels()
    assert space.intersection(space) == space
    low, high = space.restricted(walls=(0, 30)), space.restricted(walls=(20, 60))
    assert low.intersection(high) == space.restricted(walls=(20, 30))
    assert space.restricted(walls=3).intersection(high) is None
    assert space.intersection(named("Labyrinth")) is None
    assert space.intersection(Levels(9, 9)) is None


def test_a_teacher_that_needs_numbers_says_so():
    with pytest.raises(SettingError, match="space is 'Levels', but must be a Box"):
        teachers.make("alp_gmm", Levels())
    with pytest.raises(SettingError, match=r"--teacher is 'alp_gmm'.* fits Maze: .* a Box"):
        train(env="Maze", teacher="alp_gmm", steps=10)


@pytest.mark.slow
def test_a_training_goes_through(tmp_path):
    settings = {
        "env": "Maze",
        "teacher": "uniform",
        "tasks": ("walls=0..10",),
        "num_envs": 16,
        "rollout_length": 8,
        "evaluation_episodes": 2,
        "evaluate_every": 0.5,
        "pictures": False,
        "video": False,
        "ppo": PPOConfig(network=NetworkConfig(hidden=16, memory=8), num_minibatches=2),
    }
    result = train(**settings, steps=1024, run=str(tmp_path / "run"))
    assert result["finished"]
    names = list(result["evaluation"])
    assert len(names) == 8
    assert names == list(make("Maze").evaluation_tasks)
    assert (tmp_path / "run" / "checkpoints").is_dir()
