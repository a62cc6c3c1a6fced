"""Plans over skills: from a script, from JSON, or asked of a language model; they become formulas.

A plan is data and nothing else: it is read, checked against the library, and turned into a formula,
whose automaton says what is due. Nothing of it is ever executed.

References:
    Klissarov et al., MaestroMotif: Skill Design from Artificial Intelligence Feedback, ICLR 2025
    (arXiv:2412.08542): policies over skills written by a language model, there as code.
"""

import json
import reprlib
from collections.abc import Callable
from typing import Any

from didact.environments import SettingError
from didact.students.skills.library import Library, static
from didact.students.skills.ltl.formulas import (
    Always,
    Eventually,
    Formula,
    Next,
    Not,
    Proposition,
    all_of,
    any_of,
    checked,
)

MAX_DEPTH, MAX_STEPS, MAX_NEVER = 8, 64, 64
# A callable that answers messages by JSON text of a schema, made elsewhere.
Complete = Callable[[list[dict[str, str]], dict[str, Any]], str]
_JOINS = ("in_order", "in_any_order", "one_of")


def formula_of_script(
    text: str, library: Library, propositions: tuple[str, ...] | None = None
) -> Formula:
    """The formula of a script: the names or descriptions of skills, one to a line, in order.

    Lines that begin with "never" name a fact that must not hold before the end.

    Args:
        text: the lines.
        library: whose skills they name.
        propositions: what "never" can name; any word if None.

    Raises:
        SettingError: a line is neither, there is none, or the plan is refused by `formula_of`.
    """
    steps, never = [], []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.lower().startswith("never "):
            never.append(line[6:].strip())
            continue
        named = [s.name for s in library.values() if line in (s.name, s.description)]
        if not named:
            raise SettingError("script", line, "a skill of the library: " + ", ".join(library))
        steps.append({"do": named[0]})
    return formula_of({"in_order": steps, "never": never}, library, propositions)


def formula_of(plan: Any, library: Library, propositions: tuple[str, ...] | None = None) -> Formula:
    """The formula of a plan.

    Args:
        plan: JSON, as text or as it was read: {"do": NAME}, or one of {"in_order": [PLAN, ...]},
            {"in_any_order": [...]} and {"one_of": [...]}; beside it, at the top, may stand
            "never", a list of facts.
        library: what "do" can name.
        propositions: what "never" can name; any word if None.

    Raises:
        SettingError: it is no plan, names an unknown skill or fact, is too deep or too long, or
            its formula is too large.
    """
    if isinstance(plan, (str, bytes)):
        try:
            plan = json.loads(plan, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            why = str(error).splitlines()[0]
            raise SettingError("plan", _short(plan), f"JSON ({why})") from None
    never = plan.get("never", []) if isinstance(plan, dict) else []
    if not isinstance(never, list) or not all(isinstance(name, str) for name in never):
        raise SettingError("never", _short(never), "a list of facts")
    if len(never) > MAX_NEVER:
        raise SettingError("never", _short(never), f"of at most {MAX_NEVER} facts")
    for name in never:
        if propositions is not None and name not in propositions:
            raise SettingError("never", _short(name), "of " + ", ".join(propositions))
    rest = {k: v for k, v in plan.items() if k != "never"} if isinstance(plan, dict) else plan
    count = [0]
    made = _formula(rest, library, 1, count)(None)
    made = all_of([made, *(Always(Not(Proposition(name))) for name in never)])
    try:
        return checked(made)  # a short plan can be a large formula, see `_formula`
    except SettingError as error:
        allowed = f"one whose formula is {error.allowed} (it is {error.value})"
        raise SettingError("plan", _short(plan), allowed) from None


def _formula(
    plan: Any, library: Library, depth: int, count: list[int]
) -> Callable[[Formula | None], Formula]:
    """A function from what comes after a plan (None: nothing) to the formula of both."""
    if depth > MAX_DEPTH:
        raise SettingError("plan", _short(plan), f"at most {MAX_DEPTH} deep")
    if not isinstance(plan, dict) or len(plan) != 1 or next(iter(plan)) not in ("do", *_JOINS):
        allowed = f"an object with one of do, {', '.join(_JOINS)}"
        raise SettingError("plan", _short(plan), allowed)
    join, told = next(iter(plan.items()))
    if join == "do":
        count[0] += 1
        if count[0] > MAX_STEPS:
            raise SettingError("plan", _short(plan), f"of at most {MAX_STEPS} steps")
        if not isinstance(told, str) or told not in library:
            raise SettingError("do", _short(told), "a skill of the library: " + ", ".join(library))
        end = static(library[told].ends)
        return lambda after: Eventually(end if after is None else end & Next(after))
    if not isinstance(told, list) or not told:
        raise SettingError(join, _short(told), "a list of at least one plan")
    parts = [_formula(part, library, depth + 1, count) for part in told]
    if join == "in_order":

        def ordered(after):
            for part in reversed(parts):
                after = part(after)
            return after

        return ordered
    # What comes after plans in any order comes after each of them, so it is done once all are. It
    # stands in the formula as many times, and what comes after it more often still.
    joined = any_of if join == "one_of" else all_of
    return lambda after: joined([part(after) for part in parts])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON in which no name stands twice, as the last would undo the others."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"{_short(name)!r} stands twice in an object")
        made[name] = value
    return made


def schema(library: Library, propositions: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of plans over a library."""
    part = {"$ref": "#/$defs/plan"}
    several = {"type": "array", "items": part, "minItems": 1, "maxItems": MAX_STEPS}
    options = [{"do": {"enum": list(library)}}, *({join: several} for join in _JOINS)]
    named = {"enum": list(propositions)} if propositions else {"type": "string"}
    never = {"never": {"type": "array", "items": named, "maxItems": MAX_NEVER}}
    return {
        "$defs": {"plan": {"anyOf": [_exactly(option, {}) for option in options]}},
        "anyOf": [_exactly(option, never) for option in options],
    }


def _exactly(needed: dict[str, Any], allowed: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all that is needed, and nothing but what is allowed."""
    return {
        "type": "object",
        "properties": {**needed, **allowed},
        "required": list(needed),
        "additionalProperties": False,
    }


def formula_from_language_model(
    complete: Complete,
    goal: str,
    library: Library,
    propositions: tuple[str, ...] = (),
    tries: int = 2,
) -> Formula:
    """The formula of a plan that a language model makes for a goal in words.

    Args:
        complete: answers messages; what it says is only read.
        goal: what is to be done, in words.
        library: the skills there are.
        propositions: what can be forbidden.
        tries: how often it is asked; each time it is told what was wrong.

    Raises:
        SettingError: the last answer was no plan, either, or no text.
    """
    if tries < 1:
        raise SettingError("tries", tries, "at least 1")
    skills = "\n".join(
        f"- {skill.name}: {skill.description}"
        + (f" (only where {skill.begins})" if skill.begins != "true" else "")
        + (f" (came to its end {skill.done} of {skill.tried} times)" if skill.tried else "")
        for skill in library.values()
    )
    forbidden = f'\nFacts that "never" can name: {", ".join(propositions)}.' if propositions else ""
    shape = json.dumps(schema(library, propositions), separators=(",", ":"))
    messages = [
        {
            "role": "system",
            "content": "You plan for an agent that has these skills:\n"
            f"{skills}{forbidden}\nAnswer with one JSON object of this schema, and nothing else:\n"
            f"{shape}",
        },
        {"role": "user", "content": f"Goal: {goal}"},
    ]
    for left in reversed(range(tries)):
        answer = complete(messages, schema(library, propositions))
        try:
            if not isinstance(answer, str):
                raise SettingError("plan", _short(answer), "JSON in a text")
            return formula_of(answer, library, propositions or None)
        except SettingError as error:
            if not left:
                raise
            said = answer[:4000] if isinstance(answer, str) else _short(answer)
            messages = [
                *messages,
                {"role": "assistant", "content": said},
                {"role": "user", "content": f"That is no plan: {error} Answer again."},
            ]
    raise AssertionError


def _short(value: Any) -> str:
    """What is told of a value, which may be of any size and depth."""
    text = value if isinstance(value, str) else reprlib.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
