"""What an environment may offer beyond stepping: an expert, feedback, names for what happens.

`Environment` has a method for each of these, which returns None where there is no such thing, so
that code asks what an environment can do and never what it is. All are pure functions of the
environment's state. `Wrapper` passes them on by `within`, which makes them take the state of the
wrapper, so wrappers compose in any order.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float, Int, UInt8

SILENT = -1  # the number of no remark
PARTS = ("hindsight", "action", "purpose")  # of a message

InnerState = Callable[[Any], Any]  # from the state of a wrapper to that of what it wraps


class StateExpert(NamedTuple):
    """A privileged expert: it acts on the whole state.

    Attributes:
        name: for logs and errors.
        act: `act(state) -> actions`, int32[n] or float32[n, k] as the action space has them. Where
            it does not know what to do, a discrete action lies outside the space, and continuous
            ones are NaN.
    """

    name: str
    act: Callable[[Any], Array]

    def within(self, inner_state: InnerState) -> "StateExpert":
        """The same expert for states of a wrapper."""
        return self._replace(act=lambda state: self.act(inner_state(state)))


def only_instruction(instruction: Array) -> dict[str, Array]:
    """An instruction as the only observation that depends on it."""
    return {"instruction": instruction}


@dataclasses.dataclass(frozen=True)
class AchievedInstructions:
    """Says which instruction a step happened to fulfil, so that students can learn in hindsight.

    Attributes:
        reveal: `reveal(state) -> scene`, what has to be known of each of n worlds, each [n, ...].
        initial: `initial(n) -> scene`, the scene that stands for what was before an episode.
        describe: `describe(before, now) -> (instruction uint8[n, l], fulfilled bool[n])`, what the
            step between two scenes fulfilled, if anything.
        observations: `observations(instruction [..., l]) -> dict`, all observations that depend on
            the instruction, as they would be under this one.
    """

    reveal: Callable[[Any], Any]
    initial: Callable[[int], Any]
    describe: Callable[[Any, Any], tuple[UInt8[Array, "n l"], Bool[Array, " n"]]]
    observations: Callable[[Array], dict[str, Array]] = only_instruction

    def within(self, inner_state: InnerState) -> "AchievedInstructions":
        """The same descriptions for states of a wrapper."""
        return dataclasses.replace(self, reveal=lambda state: self.reveal(inner_state(state)))


class OptionalPropositions(NamedTuple):
    """Propositions that an environment can label its steps with, if asked to.

    Attributes:
        names: of the p propositions.
        holds: `holds(state) -> bool[n, p]`, which of them are true; fast where few are read.
        rows: the same values; fast where all of them are written.
        adjectives: the names that say of which kind a thing is, as in `Environment.adjectives`.
    """

    names: tuple[str, ...]
    holds: Callable[[Any], Bool[Array, "n p"]]
    rows: Callable[[Any], Bool[Array, "n p"]]
    adjectives: tuple[str, ...] = ()

    def within(self, inner_state: InnerState) -> "OptionalPropositions":
        """The same propositions for states of a wrapper."""
        return self._replace(
            holds=lambda state: self.holds(inner_state(state)),
            rows=lambda state: self.rows(inner_state(state)),
        )


class Remark(NamedTuple):
    """What is said in n worlds, in one part of a message."""

    number: Int[Array, " n"]  # of the remark among those of the part, or SILENT
    thing: Int[Array, " n"]  # what `{thing}` stands for: a number of `Feedback.things`


class Advised(NamedTuple):
    """What should be done in n worlds."""

    known: Bool[Array, " n"]  # whether this is the advice for the world as it is
    kind: Int[Array, " n"]  # which of `Feedback.num_kinds` kinds of action is advised
    steps: Int[Array, " n"]  # about how many steps there are to go


class Feedback(NamedTuple):
    """What can be said of a student's actions: how the last one was, and what to do next.

    An environment that offers this gets messages in its observations by `with_feedback`. A guide
    is what is known about n worlds, a tree of arrays [n, ...]; it is brought up to date after each
    step, in the worlds where it is wanted.

    Attributes:
        wordings: for each remark and each split ("train", "validation", "test"), what may be said;
            `{thing}` is replaced by a thing.
        parts: the names of the remarks that each part of a message can be.
        things: what remarks may be about, in words, such as "red ball".
        num_kinds: how many kinds of actions there are; a model of the student counts by kind.
        begin: `begin(state, wanted) -> guide`, at the start of episodes.
        follow: `follow(guide, before, state, wanted) -> guide`, after a step from `before`.
        advice: `advice(guide) -> Advised`.
        is_right: `is_right(guide, actions) -> bool[n]`, whether actions are as good as advised.
        hindsight: `hindsight(before, state, actions, guide before, guide) -> Remark`.
        foresight: `foresight(state, guide) -> (Remark, Remark)`: what to do, and what for.
        false_hindsight: `false_hindsight(number, draws) -> number`, a remark that is not true where
            this one is. Draws are uniform in 0..1, as below.
        false_foresight: `false_foresight(state, guide, draws) -> (Remark, Remark)`, likewise.
        group_size: how many worlds to restart at once on a CPU, at least.
    """

    wordings: Mapping[str, Mapping[str, tuple[str, ...]]]
    parts: Mapping[str, tuple[str, ...]]
    things: tuple[str, ...]
    num_kinds: int
    begin: Callable[[Any, Bool[Array, " n"]], Any]
    follow: Callable[[Any, Any, Any, Bool[Array, " n"]], Any]
    advice: Callable[[Any], Advised]
    is_right: Callable[[Any, Array], Bool[Array, " n"]]
    hindsight: Callable[[Any, Any, Array, Any, Any], Remark]
    foresight: Callable[[Any, Any], tuple[Remark, Remark]]
    false_hindsight: Callable[[Int[Array, " n"], Float[Array, " n"]], Int[Array, " n"]]
    false_foresight: Callable[[Any, Any, Float[Array, " n"]], tuple[Remark, Remark]]
    group_size: int = 1

    def within(self, inner_state: InnerState) -> "Feedback":
        """The same feedback for states of a wrapper."""
        see = inner_state
        return self._replace(
            begin=lambda state, wanted: self.begin(see(state), wanted),
            follow=lambda guide, before, state, wanted: self.follow(
                guide, see(before), see(state), wanted
            ),
            hindsight=lambda before, state, *rest: self.hindsight(see(before), see(state), *rest),
            foresight=lambda state, guide: self.foresight(see(state), guide),
            false_foresight=lambda state, guide, draws: self.false_foresight(
                see(state), guide, draws
            ),
        )


class TextStatus(NamedTuple):
    """What a person who plays in a terminal has to know beyond what is drawn."""

    step_limit: int  # of this episode
    lines: tuple[str, ...] = ()  # such as "carrying a blue key"
    legend: tuple[str, ...] = ()  # what the signs of the drawing mean
