"""Play an environment with the keyboard, in the terminal.

`Game` maps keys to frames of text and needs no terminal; `play` connects it to one. Every
environment that renders as text and has discrete, named actions can be played, and every one with
pictures, continuous actions and controls for the keyboard.
"""

import contextlib
import os
import select
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator

import jax
import numpy as np

from didact.common.plain_text import shown
from didact.environments import Discrete, Environment, SettingError, TaskSpace
from didact.environments.wrappers import KeyboardControls
from didact.experiments.evaluation.play_options import Play

# Maps each key to names of actions, of which the first that the environment has is used, or to a
# command. The number keys select the actions that have no key here.
NEW_LEVEL, QUIT = "new level", "quit"
KEYS = {
    **dict.fromkeys(("left", "a"), ("left", "move_left")),
    **dict.fromkeys(("right", "d"), ("right", "move_right")),
    **dict.fromkeys(("up", "w"), ("forward", "up", "move_up")),
    **dict.fromkeys(("down", "s"), ("down", "backward", "move_down")),
    "p": ("pickup", "place_plant"),
    "x": ("drop",),
    " ": ("toggle", "do"),
    "enter": ("done",),
    "z": ("sleep",),
    ".": ("noop",),
    "e": ("place_stone",),
    "t": ("place_table",),
    "f": ("place_furnace",),
    "r": (NEW_LEVEL,),
    "q": (QUIT,),
}
_ALL_MOVES = "arrows or w a s d: move"
_MOVES = {"down": _ALL_MOVES, "move_down": _ALL_MOVES, "left": "arrows or w a d: move"}
_HELP = {
    "pickup": "p: pick up",
    "drop": "x: drop",
    "toggle": "space: toggle",
    "done": "enter: done",
    "do": "space: do",
    "sleep": "z: sleep",
    "noop": ".: wait",
    "place_stone": "e: stone",
    "place_table": "t: table",
    "place_furnace": "f: furnace",
    "place_plant": "p: plant",
    NEW_LEVEL: "r: new level",
    QUIT: "q: quit",
}
_PANEL = 34  # width in characters of the text to the right of the map, after two spaces
_ESCAPE = "\x1b"
_SEQUENCES = {"A": "up", "B": "down", "C": "right", "D": "left"}
_CONTROLS = {"\r": "enter", "\n": "enter", "\x04": "q"}


class Game:
    """A game session: a sequence of levels of an environment.

    Args:
        environment: environment to play.
        seed: seed that determines the levels.
        space: task space to sample tasks from; the environment's if None.
        color: use ANSI colour codes in the map.
    """

    def __init__(
        self,
        environment: Environment,
        seed: int = 0,
        space: TaskSpace | None = None,
        color: bool = True,
    ):
        self.environment, self.color = environment, color
        self.names = environment.action_space.action_names
        meanings = {name for names in KEYS.values() for name in names}
        others = [name for name in self.names if name not in meanings]
        self.keys = KEYS | {str(i): (name,) for i, name in enumerate(others[:9], 1)}
        self.space = space or environment.task_space
        self._key = jax.random.key(seed)
        self._reset, self._step = jax.jit(environment.reset), jax.jit(environment.step)
        self.level = 0
        self.new_level()

    def new_level(self) -> None:
        """Start the next level."""
        self.level += 1
        task_key, reset_key, self._steps_key = jax.random.split(
            jax.random.fold_in(self._key, self.level), 3
        )
        self.state, self.seen = self._reset(reset_key, self.space.sample(task_key, 1))
        self.steps, self.total, self.message = 0, 0.0, ""

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return bool(self.seen.done[0])

    def press(self, key: str) -> bool:
        """Handle a key; keys that are not in `keys` are ignored.

        Returns:
            False if the key ends the session.
        """
        meanings = self.keys.get(key.lower(), ())
        known = [name for name in meanings if name in self.names]
        meant = next(iter((*known, *meanings)), None)
        self.message = ""
        if meant == QUIT:
            return False
        if meant == NEW_LEVEL:
            self.new_level()
        elif meant is not None and not known:
            self.message = f"No action {meant!r} here."
        elif meant is not None and not self.over:
            step_key = jax.random.fold_in(self._steps_key, self.steps)
            action = np.array([self.names.index(meant)], np.int32)
            self.state, self.seen = self._step(step_key, self.state, action)
            self.steps += 1
            self.total += float(self.seen.reward[0])
        return True

    def frame(self, columns: int = 80, rows: int = 24) -> str:
        """Return the map with the text to its right, in `columns` x `rows` characters.

        Larger maps are cropped around the agent, and text that does not fit is cut off at its end.
        The longest instruction and a map of 22x22 cells fit into 80x24.
        """
        window = max(columns - _PANEL - 2, 1), max(rows, 1)
        state, draw = jax.device_get(self.state), self.environment.render_ansi
        plain, map = (
            (draw(state, 0, color=color, window=window) or "").split("\n")
            for color in (False, self.color)
        )
        width = max(len(line) for line in plain)
        map = [line + " " * (width - len(bare)) for line, bare in zip(map, plain, strict=True)]
        text = [shown(line)[: max(columns - width - 2, 0)] for line in self._text()]
        height = min(max(len(map), len(text)), rows)
        map += [" " * width] * (height - len(map))
        text += [""] * (height - len(text))
        lines = zip(map[:height], text[:height], strict=True)
        return "\n".join(f"{left}  {right}".rstrip() for left, right in lines)

    def _text(self) -> list[str]:
        status = self.environment.text_status(jax.device_get(self.state), 0)
        observation = {k: np.asarray(v[0]) for k, v in self.seen.observation.items()}
        known = (*self.names, NEW_LEVEL, QUIT)
        helps = [line for meant, line in _MOVES.items() if meant in known][:1]
        helps += [line for meant, line in _HELP.items() if meant in known]
        helps += [f"{key}: {names[0]}" for key, names in self.keys.items() if key.isdigit()]
        return [
            *textwrap.wrap(self.environment.instruction_text(observation), _PANEL),
            *textwrap.wrap(self.environment.feedback_text(observation), _PANEL),
            "",
            f"level {self.level}, step {self.steps} of {status.step_limit}",
            f"reward {self.total:.3f}",
            *status.lines,
            self._verdict(),
            "",
            *_packed(helps),
            *status.legend,
        ]

    def _verdict(self) -> str:
        if not self.over:
            return self.message
        if self.seen.success[0]:
            return "Done!  r: a new level"
        how = "Failed" if self.seen.terminated[0] else "Out of time"
        return f"{how}.  r: a new level"


def _packed(parts: list[str]) -> list[str]:
    """Join parts into lines that fit the panel."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}  {part}" if lines[-1] else part
        lines[-1:] = [longer] if len(longer) <= _PANEL else [lines[-1], part]
    return lines


def play(choice: Play) -> None:
    """Play in the terminal until the player quits.

    Raises:
        SettingError: there is no terminal, or the environment cannot be played in one.
    """
    from didact.experiments.setup import make_environment, narrow_task_space

    if not 0 <= choice.seed < 2**31:
        raise SettingError("--seed", choice.seed, "from 0 to 2147483647")
    world = playable(make_environment(choice.env, choice.env_settings, "env"))
    space = narrow_task_space(world.task_space, choice.tasks)
    with terminal() as keys:
        print("Creating the level ...", flush=True)
        game = Game(world, choice.seed, space, color=not os.environ.get("NO_COLOR"))
        sit(game, keys, show)
    print(f"{game.level} level{'s' * (game.level > 1)} of {shown(choice.env)}.")


def playable(environment: Environment) -> Environment:
    """Return the environment if it can be played in a terminal, if need be with other actions.

    Raises:
        SettingError: it does not render as text or its actions are not discrete, and it has no
            controls for the keyboard.
    """
    if environment.controls:
        return KeyboardControls(environment)
    drawn = "ansi" in environment.render_modes
    if not drawn or not isinstance(environment.action_space, Discrete):
        allowed = "an environment that renders as text and has discrete actions, or has controls"
        raise SettingError("env", environment.name, allowed)
    return environment


def sit(game: Game, keys: Iterable[str], show: Callable[[Game], None]) -> None:
    """Feed keys to a game.

    Args:
        game: game to play.
        keys: names of keys, as in `KEYS`; the session ends with the last key or with "q".
        show: called before the first key and after each key.
    """
    show(game)
    for key in keys:
        if not game.press(key):
            return
        show(game)


def show(game: Game) -> None:
    """Show the game in the terminal, replacing the last frame."""
    size = shutil.get_terminal_size()
    lines = game.frame(*size).split("\n")
    # Lines are cleared before writing, since clearing afterwards could remove the last character.
    frame = "\n".join(f"{_ESCAPE}[2K{line}" for line in lines)
    below = f"\n{_ESCAPE}[J" if len(lines) < size.lines else ""
    sys.stdout.write(f"{_ESCAPE}[H{frame}{below}")
    sys.stdout.flush()


@contextlib.contextmanager
def terminal() -> Iterator[Iterator[str]]:
    """Yield the keys pressed in the terminal, and restore the terminal afterwards.

    Raises:
        SettingError: standard input or output is not a terminal.
    """
    for name, stream in (("standard input", sys.stdin), ("standard output", sys.stdout)):
        if not stream.isatty():
            raise SettingError(name, "a file or a pipe", "a terminal, to play with the keyboard")
    try:
        import termios
        import tty
    except ImportError:  # Windows
        raise SettingError("system", sys.platform, "Linux or macOS, to play") from None
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    try:
        tty.setcbreak(file)
        # Switch to the alternate screen and hide the cursor.
        sys.stdout.write(f"{_ESCAPE}[?1049h{_ESCAPE}[?25l{_ESCAPE}[H")
        sys.stdout.flush()
        yield _keys(file)
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)
        sys.stdout.write(f"{_ESCAPE}[?25h{_ESCAPE}[?1049l")
        sys.stdout.flush()


def _keys(file: int) -> Iterator[str]:
    """Yield the names of pressed keys until the terminal is closed."""
    while character := _character(file):
        if character == _ESCAPE:
            # An arrow key sends ESC [ A or ESC O A, whose parts arrive together.
            if not select.select([file], [], [], 0.05)[0] or _character(file) not in ("[", "O"):
                continue
            while (last := _character(file)) and not ("@" <= last <= "~"):
                pass
            yield _SEQUENCES.get(last, "")
        else:
            yield _CONTROLS.get(character, character)


def _character(file: int) -> str:
    try:
        return os.read(file, 1).decode("latin-1")
    except OSError:  # the terminal was closed
        return ""
