"""Optional capabilities of environments: experts, achieved instructions, propositions, feedback.

`Environment` has a method for each capability, which returns None if the environment does not
offer it. Code asks for capabilities and never checks the class of an environment. All of them are
pure functions of the environment's state. `Wrapper` forwards them through `within`, which adapts
them to the state of the wrapper, so wrappers compose in any order.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float, Int, UInt8

SILENT = -1  # the remark number that stands for no remark
PARTS = ("hindsight", "action", "purpose")  # the parts of a message

InnerState = Callable[[Any], Any]  # from the state of a wrapper to the state of what it wraps


class StateExpert(NamedTuple):
    """A privileged expert, which acts on the whole state.

    Attributes:
        name: used in logs and errors.
        act: `act(state) -> actions`, int32[n] or float32[n, k] depending on the action space. Where
            the expert has no action to suggest, a discrete action lies outside the space, and
            continuous actions are NaN.
    """

    name: str
    act: Callable[[Any], Array]

    def within(self, inner_state: InnerState) -> "StateExpert":
        """Return the expert for states of a wrapper."""
        return self._replace(act=lambda state: self.act(inner_state(state)))


def only_instruction(instruction: Array) -> dict[str, Array]:
    """Return the observations of an environment where only `instruction` depends on it."""
    return {"instruction": instruction}


@dataclasses.dataclass(frozen=True)
class AchievedInstructions:
    """Finds the instruction that a step happened to fulfil, for learning in hindsight.

    Attributes:
        reveal: `reveal(state) -> scene`, the privileged observation of n worlds that `describe`
            needs, each leaf [n, ...].
        initial: `initial(n) -> scene`, the scene to use before the first step of an episode.
        describe: `describe(before, now) -> (instruction uint8[n, l], fulfilled bool[n])`, the
            instruction that the step between two scenes fulfilled, if any.
        observations: `observations(instruction [..., l]) -> dict`, all observations that depend on
            the instruction, recomputed for the given one.
    """

    reveal: Callable[[Any], Any]
    initial: Callable[[int], Any]
    describe: Callable[[Any, Any], tuple[UInt8[Array, "n l"], Bool[Array, " n"]]]
    observations: Callable[[Array], dict[str, Array]] = only_instruction

    def within(self, inner_state: InnerState) -> "AchievedInstructions":
        """Return the same capability for states of a wrapper."""
        return dataclasses.replace(self, reveal=lambda state: self.reveal(inner_state(state)))


class OptionalPropositions(NamedTuple):
    """Propositions that an environment can label its steps with on request.

    Attributes:
        names: the names of the p propositions.
        holds: `holds(state) -> bool[n, p]`, which propositions hold; fast if few are read.
        rows: the same values; fast if all of them are written to memory.
        adjectives: the names that describe the kind of an object; see `Environment.adjectives`.
        instructions: see `Environment.proposition_instructions`.
    """

    names: tuple[str, ...]
    holds: Callable[[Any], Bool[Array, "n p"]]
    rows: Callable[[Any], Bool[Array, "n p"]]
    adjectives: tuple[str, ...] = ()
    instructions: Mapping[str, str] = MappingProxyType({})

    def within(self, inner_state: InnerState) -> "OptionalPropositions":
        """Return the propositions for states of a wrapper."""
        return self._replace(
            holds=lambda state: self.holds(inner_state(state)),
            rows=lambda state: self.rows(inner_state(state)),
        )


class Remark(NamedTuple):
    """The remarks made in n worlds, in one part of a message."""

    number: Int[Array, " n"]  # the index of the remark in its part of the message, or SILENT
    thing: Int[Array, " n"]  # what `{thing}` stands for: an index into `Feedback.things`


class Advised(NamedTuple):
    """The advised actions in n worlds."""

    known: Bool[Array, " n"]  # whether the advice is valid for the current state
    kind: Int[Array, " n"]  # the advised kind of action, below `Feedback.num_kinds`
    steps: Int[Array, " n"]  # the approximate number of steps that remain


class Feedback(NamedTuple):
    """Language feedback on a student's actions: hindsight on the last one, and what to do next.

    `with_feedback` adds messages to the observations of an environment that offers this. A guide
    holds what is known about n worlds, as a tree of arrays [n, ...]. It is updated after each step,
    in the worlds where it is needed.

    Attributes:
        wordings: the wordings of each remark in each split ("train", "validation", "test");
            `{thing}` is replaced by an object.
        parts: the names of the remarks that each part of a message can contain.
        things: the objects that remarks can refer to, in words, such as "red ball".
        num_kinds: the number of kinds of actions; a model of the student counts by kind.
        begin: `begin(state, wanted) -> guide`, at the start of episodes.
        follow: `follow(guide, before, state, wanted) -> guide`, after a step from `before`.
        advice: `advice(guide) -> Advised`.
        is_right: `is_right(guide, actions) -> bool[n]`, whether actions are as good as the advice.
        hindsight: `hindsight(before, state, actions, guide before, guide) -> Remark`.
        foresight: `foresight(state, guide) -> (Remark, Remark)`: what to do, and for what purpose.
        false_hindsight: `false_hindsight(number, draws) -> number`, a remark that is false where
            the given one is true. Draws are uniform in 0..1, as below.
        false_foresight: `false_foresight(state, guide, draws) -> (Remark, Remark)`, likewise.
        group_size: the minimum number of worlds to restart at once on a CPU.
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
        """Return the feedback for states of a wrapper."""
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
    """What a person who plays in a terminal needs to know besides the drawing."""

    step_limit: int  # the maximum length of this episode
    lines: tuple[str, ...] = ()  # such as "carrying a blue key"
    legend: tuple[str, ...] = ()  # the meaning of the symbols in the drawing
