"""Plans over skills, from a script, from JSON or from a language model, as formulas.

A plan is pure data: it is parsed, checked against the library, and converted to a formula, whose
automaton selects the skills. Plans are never executed as code.

References:
    Klissarov et al., MaestroMotif: Skill Design from Artificial Intelligence Feedback, ICLR 2025
    (arXiv:2412.08542), where a language model writes policies over skills as code.
"""

import json
import reprlib
from collections.abc import Callable
from typing import Any

from didact.common.json_extraction import answer_in, find_json
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
# A function that answers messages with JSON text that follows a schema.
Complete = Callable[[list[dict[str, str]], dict[str, Any]], str]
_JOINS = ("in_order", "in_any_order", "one_of")


def formula_of_script(
    text: str, library: Library, propositions: tuple[str, ...] | None = None
) -> Formula:
    """Convert a script to a formula.

    A script has the names or descriptions of skills, one per line, in order. A line that starts
    with "never" names a proposition that must not hold before the end.

    Args:
        text: the script.
        library: the skills.
        propositions: the propositions allowed after "never"; any word if None.

    Raises:
        SettingError: a line is invalid, there are no skills, or `formula_of` rejects the plan.
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
    """Convert a plan to a formula.

    Args:
        plan: JSON, as text or decoded: {"do": NAME}, {"in_order": [PLAN, ...]},
            {"in_any_order": [PLAN, ...]} or {"one_of": [PLAN, ...]}. The top-level object may also
            have "never", a list of propositions that must not hold before the end.
        library: the skills allowed in "do".
        propositions: the propositions allowed in "never"; any word if None.

    Raises:
        SettingError: the plan is invalid, names an unknown skill or proposition, is too deep or too
            long, or its formula is too large.
    """
    if isinstance(plan, (str, bytes)):
        try:
            plan = json.loads(plan, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            why = str(error).splitlines()[0]
            raise SettingError("plan", _short(plan), f"JSON ({why})") from None
    never = plan.get("never", []) if isinstance(plan, dict) else []
    if not isinstance(never, list) or not all(isinstance(name, str) for name in never):
        raise SettingError("never", _short(never), "a list of propositions")
    if len(never) > MAX_NEVER:
        raise SettingError("never", _short(never), f"a list of at most {MAX_NEVER} propositions")
    for name in never:
        if propositions is not None and name not in propositions:
            raise SettingError("never", _short(name), "one of " + ", ".join(propositions))
    rest = {k: v for k, v in plan.items() if k != "never"} if isinstance(plan, dict) else plan
    count = [0]
    made = _formula(rest, library, 1, count)(None)
    made = all_of([made, *(Always(Not(Proposition(name))) for name in never)])
    try:
        return checked(made)  # a short plan can have a large formula, see `_formula`
    except SettingError as error:
        allowed = f"a plan whose formula is {error.allowed} (it is {error.value})"
        raise SettingError("plan", _short(plan), allowed) from None


def _formula(
    plan: Any, library: Library, depth: int, count: list[int]
) -> Callable[[Formula | None], Formula]:
    """Return a function that takes the formula of what follows a plan, or None, and returns the
    formula of both.
    """
    if depth > MAX_DEPTH:
        raise SettingError("plan", _short(plan), f"at most {MAX_DEPTH} deep")
    if not isinstance(plan, dict) or len(plan) != 1 or next(iter(plan)) not in ("do", *_JOINS):
        allowed = f"an object with one of do, {', '.join(_JOINS)}"
        raise SettingError("plan", _short(plan), allowed)
    join, value = next(iter(plan.items()))
    if join == "do":
        count[0] += 1
        if count[0] > MAX_STEPS:
            raise SettingError("plan", _short(plan), f"a plan of at most {MAX_STEPS} steps")
        if not isinstance(value, str) or value not in library:
            raise SettingError("do", _short(value), "a skill of the library: " + ", ".join(library))
        end = static(library[value].ends)
        return lambda after: Eventually(end if after is None else end & Next(after))
    if not isinstance(value, list) or not value:
        raise SettingError(join, _short(value), "a list of at least one plan")
    parts = [_formula(part, library, depth + 1, count) for part in value]
    if join == "in_order":

        def ordered(after):
            for part in reversed(parts):
                after = part(after)
            return after

        return ordered
    # What follows plans in any order must follow each of them, so that it comes after all. It is
    # repeated in the formula for each plan, so the size can grow exponentially with the depth.
    joined = any_of if join == "one_of" else all_of
    return lambda after: joined([part(after) for part in parts])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object, and reject duplicate names, of which only the last would count."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"duplicate name {_short(name)!r} in an object")
        made[name] = value
    return made


def schema(library: Library, propositions: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of plans over a library."""
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
    """Return the schema of an object with all needed, and optionally the allowed, properties."""
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
    """Ask a language model for a plan that achieves a goal, and convert it to a formula.

    Args:
        complete: a function that answers messages with JSON text; answers are never executed.
        goal: the goal, in words.
        library: the available skills.
        propositions: the propositions allowed in "never".
        tries: maximum number of requests; each repeated request includes the previous error.

    Raises:
        SettingError: the last answer was not a valid plan either.
    """
    if tries < 1:
        raise SettingError("tries", tries, "at least 1")
    skills = "\n".join(
        f"- {skill.name}: {skill.description}"
        + (f" (only where {skill.begins})" if skill.begins != "true" else "")
        + (f" (completed {skill.done} of {skill.tried} times)" if skill.tried else "")
        for skill in library.values()
    )
    names = ", ".join(propositions)
    forbidden = f'\nPropositions allowed in "never": {names}.' if propositions else ""
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
                raise SettingError("plan", _short(answer), "JSON text")
            return formula_of(_plan_in(answer), library, propositions or None)
        except SettingError as error:
            if not left:
                raise
            said = answer[:4000] if isinstance(answer, str) else _short(answer)
            messages = [
                *messages,
                {"role": "assistant", "content": said},
                {"role": "user", "content": f"This plan is invalid: {error} Answer again."},
            ]
    raise AssertionError


def _plan_in(answer: str) -> str:
    """Return the first JSON object in an answer, or the answer if there is none."""
    text = answer_in(answer).strip()
    found = next((value for value in find_json(text) if isinstance(value, dict)), None)
    if found is None or text.startswith("{"):
        return text  # also with duplicate names, which `formula_of` rejects
    return json.dumps(found)


def _short(value: Any) -> str:
    """Abbreviate a value of any size and depth for an error sentence."""
    text = value if isinstance(value, str) else reprlib.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
