"""Callbacks of a training: code that follows its rows of metrics, and may stop it early."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from didact.common.errors import SettingError
from didact.common.setting_types import shown
from didact.experiments.config import TrainConfig
from didact.experiments.runs import logs


class Callback:
    """Base class of callbacks, whose methods do nothing.

    If a method raises an exception, the training saves its state and raises it, too. `on_end`
    is called if `on_start` has returned.
    """

    def on_start(self, run: Path, config: TrainConfig, steps: int) -> None:
        """Called once, before the first update.

        Args:
            run: the run folder.
            config: the training settings.
            steps: the number of steps done before; above 0 for a resumed run, unless it is resumed
                from its first checkpoint.
        """

    def on_row(self, row: dict[str, Any]) -> bool | None:
        """Called with each row of metrics, as written to metrics.jsonl.

        Returns:
            True to end the training here. It is evaluated and saved as a finished one.
        """

    def on_figures(self, figures: dict[str, Path], steps: int) -> None:
        """Called with the paths of new figures, by name."""

    def on_end(self, result: dict[str, Any] | None) -> None:
        """Called once, at the end. An exception of the training is not replaced by one from here.

        Args:
            result: the result of `train`; None if the training was ended by an exception.
        """


class TensorBoard(Callback):
    """Writes numbers and figures as TensorBoard events. It is part of every training."""

    board: logs.EventWriter | None = None

    def on_start(self, run: Path, config: TrainConfig, steps: int) -> None:
        self.board = logs.EventWriter(run / "tensorboard", steps + 1)

    def on_row(self, row: dict[str, Any]) -> None:
        if self.board is not None:
            self.board.scalars(logs.numbers(row), row["steps"])

    def on_figures(self, figures: dict[str, Path], steps: int) -> None:
        import imageio.v3 as imageio

        for name, path in figures.items():
            if self.board is not None:
                picture = imageio.imread(Path(path).absolute())[..., :3]
                self.board.image(name.replace(" ", "_"), picture, steps)

    def on_end(self, result: dict[str, Any] | None) -> None:
        if self.board is not None:
            self.board.close()


class Function(Callback):
    """A function of a row as a callback."""

    def __init__(self, function: Callable[[dict[str, Any]], Any]):
        self.function = function

    def on_row(self, row: dict[str, Any]) -> bool | None:
        return self.function(row)


class Callbacks(Callback):
    """Calls several callbacks in turn.

    Args:
        callbacks: callbacks, or functions of a row, which are used as `Callback.on_row`.

    Raises:
        SettingError: an item is neither.
    """

    def __init__(self, callbacks: Sequence[Any]):
        self.callbacks: list[Callback] = []
        for callback in callbacks:
            if isinstance(callback, type) or not (
                isinstance(callback, Callback) or callable(callback)
            ):
                allowed = "a list of Callback objects, and of functions of a row of metrics"
                raise SettingError("callbacks", shown(callback), allowed)
            known = isinstance(callback, Callback)
            self.callbacks.append(callback if known else Function(callback))
        self.started: list[Callback] = []

    def on_start(self, run: Path, config: TrainConfig, steps: int) -> None:
        for callback in self.callbacks:
            callback.on_start(run, config, steps)
            self.started.append(callback)

    def on_row(self, row: dict[str, Any]) -> bool:
        answers = [callback.on_row(row) for callback in self.callbacks]
        return any(isinstance(answer, bool | np.bool_) and bool(answer) for answer in answers)

    def on_figures(self, figures: dict[str, Path], steps: int) -> None:
        for callback in self.callbacks:
            callback.on_figures(figures, steps)

    def on_end(self, result: dict[str, Any] | None) -> None:
        """Tell all callbacks that have started, and then raise the first of their exceptions."""
        errors: list[Exception] = []
        for callback in self.started:
            try:
                callback.on_end(result)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    @contextlib.contextmanager
    def ended(self) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
        """Call `on_end` after the block, with the result that the yielded function was given."""
        results: list[dict[str, Any] | None] = [None]

        def end(result: dict[str, Any]) -> dict[str, Any]:
            results.append(result)
            return result

        try:
            yield end
        except BaseException:
            with contextlib.suppress(Exception):
                self.on_end(None)
            raise
        self.on_end(results[-1])
