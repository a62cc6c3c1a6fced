"""A person plays: keys do what they say, frames tell how it stands, the terminal stays whole."""

import functools
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import didact.environments as environments
from didact.environments.grid.cells import pack
from didact.environments.language import vocabulary
from didact.experiments.evaluation.play import Game, _keys, sit

SMALL, DODGING = "BabyAI-GoToObjS4-v0", "MiniGrid-Dynamic-Obstacles-5x5-v0"


@functools.cache
def game(name, seed=0, **settings):
    return Game(environments.make(name, **settings), seed, color=False)


@pytest.mark.slow
def test_keys_are_the_actions_of_the_world():
    """The same levels and steps by hand, until an episode ends."""
    mine, world = game(SMALL), environments.make(SMALL)
    names = dict(zip("adwpx", ("left", "right", "forward", "pickup", "drop"), strict=True))
    names |= {"up": "forward", "left": "left", "right": "right", " ": "toggle", "enter": "done"}
    rng, step = np.random.default_rng(0), jax.jit(world.step)
    endings = set()
    for _ in range(4):
        mine.press("r")
        state, total, steps = mine.state, 0.0, 0
        while not mine.over:
            key = str(rng.choice([*names, "w", "w", "up"]))
            assert mine.press(key.upper() if len(key) == 1 else key)
            action = world.action_space.names.index(names[key])
            state, seen = step(None, state, jnp.array([action]))
            total, steps = total + float(seen.reward[0]), steps + 1
            assert bool(seen.done[0]) == mine.over
            frame = mine.frame()
            assert f"step {steps} of 16\n" in frame
            assert f"reward {total:.3f}" in frame
            assert world.render_ansi(state, 0, color=False).split("\n")[1] in frame
        endings.add("Done!" if seen.success[0] else "Out of time.")
        assert f"{'Done!' if seen.success[0] else 'Out of time.'}  r: a new level" in frame
        # After the end, only a new level or the way out is left.
        assert mine.press("w")
        assert mine.frame() == frame
    assert endings == {"Done!", "Out of time."}
    assert not mine.press("q")
    assert mine.press("s")  # no key for anything


def test_the_same_seed_gives_the_same_levels():
    one, same, other = (Game(game(SMALL).environment, seed, color=False) for seed in (3, 3, 4))
    frames = []
    for each in (one, same, other):
        frames.append([])
        for _ in range(5):
            frames[-1].append(each.frame())
            each.press("w" if each is same else "a")  # what is done does not matter
            each.press("r")
    assert frames[0] == frames[1]
    assert frames[0] != frames[2]
    assert len(set(frames[0])) == 5


@pytest.mark.parametrize(
    ("symbol", "name"),
    [((5, 4, 0), "a yellow key"), ((6, 0, 0), "a red ball"), ((7, 3, 0), "a purple box")],
)
def test_what_is_carried_is_told(symbol, name):
    mine = game(SMALL)
    world = mine.state.world
    assert "carrying nothing" in mine.frame()
    code = np.asarray([pack(np.array(symbol, np.uint8))])
    mine.state = mine.state._replace(world=world._replace(carried=jnp.asarray(code)))
    assert f"carrying {name}" in mine.frame()
    mine.state = mine.state._replace(world=world)


def test_worlds_with_three_actions():
    mine = game(DODGING)
    frame = mine.frame()
    assert "arrows or w a d: move" in frame
    assert "pick up" not in frame
    assert "toggle" not in frame
    mine.press(" ")
    assert "No action 'toggle' here." in mine.frame()
    assert int(mine.state.steps[0]) == 0
    before = mine.frame()
    mine.press("a")
    assert int(mine.state.steps[0]) == 1
    assert mine.frame() != before


def test_a_frame_fits_the_terminal():
    mine = game("BabyAI-GoTo-v0", mission_length=vocabulary.MAX_LENGTH)
    clause = "put the purple object in front of you next to the yellow object in front of you"
    longest = f"{clause} and {clause}, then {clause} and {clause}"
    ids = vocabulary.encode(longest, vocabulary.MAX_LENGTH)
    assert (ids > 0).all()
    mine.seen.observation["instruction"] = jnp.asarray(ids)[None]
    colored = Game.__new__(Game)
    colored.__dict__ |= mine.__dict__ | {"color": True}
    lines = mine.frame(80, 24).split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "locked" in lines[-1]  # all of the text, to its end
    told = " ".join(line[46:].strip() for line in lines)
    assert longest in told
    # All of the map of 22 x 22 cells.
    assert all(line[:2] == line[42:44] == "##" for line in lines[:22])
    assert lines[0][:44] == lines[21][:44] == "#" * 44
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored.frame(80, 24)) == "\n".join(lines)
    for columns, rows in ((60, 20), (38, 5), (20, 3), (200, 60)):
        lines = mine.frame(columns, rows).split("\n")
        assert len(lines) <= rows
        assert max(map(len, lines)) <= columns
        assert any(arrow in line for line in lines for arrow in (">>", "vv", "<<", "^^"))


def test_a_sitting_ends_with_its_keys():
    mine, shown = game(SMALL), []
    sit(mine, ["w", "r", "q", "r"], lambda game: shown.append(game.level))
    first = shown[0]
    assert shown == [first, first, first + 1]
    sit(mine, [], lambda game: shown.append(game.level))
    assert len(shown) == 4


def test_keys_are_read():
    reading, writing = os.pipe()
    os.write(writing, b"\x1b[A\x1b[B\x1bOC\x1b[1;5D\x1b[15~wA \r\n\xc3\xa9\x04\x1b")
    os.close(writing)
    keys = list(_keys(reading))
    os.close(reading)
    arrows = ["up", "down", "right", "left", ""]
    assert keys == [*arrows, "w", "A", " ", "enter", "enter", "\xc3", "\xa9", "q"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("GoTo", ("standard input is", "a terminal")),
        ("GoToo", ("env is 'GoToo'", "GoTo")),
        ("ToyGrid", ("env is 'ToyGrid'", "renders as text")),
        ("GoTo --seed -1", ("--seed is -1",)),
        ("GoTo --tasks rooms=3", ("--tasks is 'rooms'",)),
    ],
)
def test_what_cannot_be_played_is_refused(arguments, words, refused):
    message = refused("play", *arguments.split())
    for word in words:
        assert word in message


# A process without a terminal owns the first that it opens: Ctrl-C there reaches it.
OWN_TERMINAL = """
import os
os.close(os.open(os.ttyname(0), os.O_RDWR))
from didact.__main__ import main
main()
"""


class Terminal:
    """A process in a terminal of its own."""

    def __init__(self, *arguments, cache):
        self.file, other = pty.openpty()
        termios.tcsetwinsize(self.file, (24, 80))
        self.before = termios.tcgetattr(self.file)
        environment = os.environ | {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PLATFORMS": "cpu",
            "TERM": "xterm-256color",
            "COLUMNS": "",
            "LINES": "",
        }

        self.process = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            env=environment,
            start_new_session=True,
        )
        self.other, self.seen = other, ""

    def read_until(self, text, seconds=120):
        """Reads until the text is there after what was read before, and gives all of that."""
        end, start = time.monotonic() + seconds, len(self.seen)
        while text not in self.seen[start:]:
            ready, _, _ = select.select([self.file], [], [], 0.1)
            if ready:
                self.seen += os.read(self.file, 65536).decode()
            assert time.monotonic() < end, f"no {text!r} in {self.seen[start:]!r}"
        return self.seen[start:]

    def press(self, keys):
        os.write(self.file, keys)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.file)
        os.close(self.other)


@pytest.mark.parametrize(
    "end", ["q", *(pytest.param(x, marks=pytest.mark.slow) for x in ("ctrl-c", "term"))]
)
def test_a_terminal_is_as_it_was_afterwards(compiled, end):
    """By "q", by Ctrl-C and by a signal that asks it to end."""
    terminal = Terminal("play", SMALL, "--seed", "1", cache=compiled)
    try:
        assert "go to the" in terminal.read_until("q: quit")
        assert "\x1b[?1049h\x1b[?25l" in terminal.seen
        during = termios.tcgetattr(terminal.file)
        assert during[3] & (termios.ICANON | termios.ECHO) == 0
        for number, key in enumerate((b"a", b"\x1b[C", b"d"), 1):
            terminal.press(key)
            terminal.read_until(f"step {number} of 16")
        if end == "term":
            terminal.process.send_signal(signal.SIGTERM)
        else:
            terminal.press({"q": b"q", "ctrl-c": b"\x03"}[end])
        last = terminal.read_until("1 level of" if end == "q" else "stopped.")
        assert "\x1b[?25h\x1b[?1049l" in last
        assert "Traceback" not in terminal.seen
        assert terminal.process.wait(30) == {"q": 0, "ctrl-c": 130, "term": 143}[end]
        assert termios.tcgetattr(terminal.file) == terminal.before
    finally:
        terminal.close()
