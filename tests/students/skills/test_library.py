"""Libraries of skills on disk, and plans over them: from scripts, JSON, and a model's answers."""

import json

import ltl_oracle
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from didact.environments import SettingError
from didact.students.skills import automaton, parse
from didact.students.skills.library import Library, Skill, load_library
from didact.students.skills.task_plans import (
    formula_from_language_model,
    formula_of,
    formula_of_script,
    schema,
)

LIBRARY = Library().added(
    Skill("fetch", "get a", "a", "goto-local"),
    Skill("bring", "go to b", "b", "goto-local", begins="a"),
    Skill("rest", "go to c", "c & !a", "goto-seq", tried=40, done=30),
)


def test_a_library_is_the_same_after_disk(tmp_path):
    path = LIBRARY.save(tmp_path / "deep" / "skills.json")
    assert dict(load_library(path)) == dict(LIBRARY)
    assert [p.name for p in path.parent.iterdir()] == ["skills.json"]


@pytest.mark.parametrize("path", ["file/x/skills.json", "folder", "", "a\0b"])
def test_where_nothing_can_be_written_one_sentence_tells_it(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    with pytest.raises(SettingError, match=r"library is .*a file that can be written") as error:
        LIBRARY.save(path)
    assert "\n" not in str(error.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_use_is_counted_and_proves():
    used = LIBRARY.used({"fetch": (30, 20), "rest": (10, 0)})
    assert (used["fetch"].tried, used["fetch"].done) == (30, 20)
    assert used["rest"].rate == 30 / 50
    assert list(used.proven(0.6, 20)) == ["fetch", "rest"]
    assert list(used.proven(0.65, 20)) == ["fetch"]
    assert list(LIBRARY) == ["fetch", "bring", "rest"]  # and is not changed itself
    with pytest.raises(SettingError, match="name of a skill is 'sing'"):
        LIBRARY.used({"sing": (1, 1)})


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "two words", "a word of at most 64 letters"),
        ("description", "", "a line of text"),
        ("description", "a\nb", "a line of text"),
        ("ends", "F a", "without temporal operators"),
        ("ends", "a &", "at character"),
        ("begins", "X a", "without temporal operators"),
        ("tried", -1, "a whole number of at least 0"),
        ("tried", True, "a whole number of at least 0"),
        ("done", 5, "at most the number of tries"),
    ],
)
def test_skills_without_meaning_are_refused(field, value, sentence):
    with pytest.raises(SettingError, match=sentence):
        Skill(**{"name": "x", "description": "d", "ends": "a", "policy": "p"} | {field: value})


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"format": 2, "skills": []}', '{"format": 1}',
        '{"format": 1, "skills": [1]}',
        '{"format": 1, "skills": [{"name": "x"}]}', "[" * 100_000,
        '{"format": 1, "skills": [{"name": 1, "description": "d", "ends": "a", "policy": "p"}]}',
        '{"format": 1, "skills": [{"name": "x", "description": "d", "ends": "a", "policy": "p",'
        ' "run": "rm"}]}',
    ],
)  # fmt: skip
def test_files_that_are_no_libraries_are_refused(tmp_path, text):
    path = tmp_path / "skills.json"
    path.write_text(text)
    with pytest.raises(SettingError):
        load_library(path)


def test_no_name_stands_twice():
    with pytest.raises(SettingError, match="not in the library"):
        LIBRARY.added(LIBRARY["rest"])


def same(formula, text):
    names = ("a", "b", "c", "d")
    one, two = automaton(formula, names), automaton(parse(text), names)
    return one.same_as(two)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ({"do": "fetch"}, "F a"),
        ({"in_order": [{"do": "fetch"}, {"do": "bring"}]}, "F(a & X F b)"),
        ({"in_any_order": [{"do": "fetch"}, {"do": "rest"}]}, "F a & F(c & !a)"),
        ({"one_of": [{"do": "fetch"}, {"do": "bring"}], "never": ["d"]}, "(F a | F b) & G !d"),
        (
            {"in_order": [{"one_of": [{"do": "fetch"}, {"do": "bring"}]}, {"do": "rest"}]},
            "F((a | b) & X F(c & !a))",
        ),
        (
            {"in_order": [{"in_any_order": [{"do": "fetch"}, {"do": "bring"}]}, {"do": "rest"}]},
            "F(a & X F(c & !a)) & F(b & X F(c & !a))",
        ),
    ],
)
def test_plans_are_formulas(plan, text):
    assert same(formula_of(plan, LIBRARY), text)
    assert same(formula_of(json.dumps(plan), LIBRARY), text)


def test_scripts_are_plans():
    assert same(formula_of_script("get a\n\n bring \nnever d\n", LIBRARY), "F(a & X F b) & G !d")
    with pytest.raises(SettingError, match="script is 'sing'"):
        formula_of_script("get a\nsing", LIBRARY)
    with pytest.raises(SettingError, match="at least one plan"):
        formula_of_script("never d", LIBRARY)
    formula_of_script("get a\nnever d", LIBRARY, ("a", "d"))
    with pytest.raises(SettingError, match="never is 'e', but must be one of a, d"):
        formula_of_script("get a\nnever e", LIBRARY, ("a", "d"))


@pytest.mark.parametrize(
    "plan",
    [
        "", "null", "[]", "{}", '{"do": "sing"}', '{"do": ["fetch"]}', '{"in_order": []}',
        '{"in_order": [{"do": "fetch"}], "one_of": []}', '{"do": "fetch", "never": "d"}',
        '{"do": "fetch", "never": ["e"]}', '{"exec": "import os"}', "{" * 50_000,
        json.dumps({"in_order": [{"do": "fetch"}] * 65}),
        json.dumps({"do": "fetch", "never": ["d"] * 65}),
        '{"one_of": [' * 9 + '{"do": "fetch"}' + "]}" * 9,
    ],
)  # fmt: skip
def test_what_is_no_plan_is_refused(plan):
    with pytest.raises(SettingError) as error:
        formula_of(plan, LIBRARY, ("a", "b", "c", "d"))
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("pairs", [9, 16, 24])
def test_short_plans_of_large_formulas_are_refused_at_once(pairs):
    """Each pair doubles all that comes after it."""
    pair = {"in_any_order": [{"do": "fetch"}, {"do": "bring"}]}
    with pytest.raises(SettingError, match="but must be a plan whose formula is") as error:
        formula_of({"in_order": [pair] * pairs}, LIBRARY)
    assert len(str(error.value)) < 300


def test_as_many_facts_as_plans_can_forbid_can_be_printed():
    never = [f"fact_{i}" for i in range(64)]
    made = formula_of({"in_any_order": [{"do": "fetch"}] * 30, "never": never}, LIBRARY)
    assert parse(str(made)) == made
    with pytest.raises(SettingError, match=r"never is .* of at most 64 propositions"):
        formula_of({"do": "fetch", "never": [f"fact_{i}" for i in range(3000)]}, LIBRARY)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"do": "fetch", "never": ["d"], "never": []}', "never"),
        ('{"do": "fetch", "do": "bring"}', "do"),
        ('{"in_order": [{"do": "fetch", "do": "bring"}]}', "do"),
    ],
)
def test_no_name_stands_twice_in_an_object(text, name):
    with pytest.raises(SettingError, match=f"duplicate name '{name}'"):
        formula_of(text, LIBRARY)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just({"do": "fetch"}),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["do", "in_order", "one_of", "never"]), inner)
        ),
        max_leaves=12,
    )
)
def test_anything_is_a_formula_or_one_sentence(plan):
    try:
        made = formula_of(plan, LIBRARY)
    except SettingError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert set(made.propositions) <= {"a", "b", "c"} | set(plan.get("never", []))


class Model:
    """Answers one text after another, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def __call__(self, messages, told):
        self.asked.append((messages, told))
        return self.answers.pop(0)


def test_a_model_is_asked_again_and_told_what_was_wrong():
    model = Model('{"do": "sing"}', '{"in_order": [{"do": "fetch"}, {"do": "bring"}]}')
    made = formula_from_language_model(model, "bring a to b", LIBRARY, ("a", "d"))
    assert same(made, "F(a & X F b)")
    first, again = (messages for messages, _ in model.asked)
    assert "bring a to b" in first[-1]["content"]
    assert "rest: go to c (completed 30 of 40 times)" in first[0]["content"]
    assert "bring: go to b (only where a)" in first[0]["content"]
    assert again[-2]["content"] == '{"do": "sing"}'
    assert "'sing'" in again[-1]["content"]
    with pytest.raises(SettingError, match="do is 'hum'"):
        formula_from_language_model(Model('{"do": "sing"}', '{"do": "hum"}'), "sing", LIBRARY)


@pytest.mark.parametrize(
    "text", ['```json\n{"do": "fetch"}\n```', '<think>{"do": "bring"}</think> {"do": "fetch"}']
)
def test_plans_are_found_in_fences_and_after_thoughts(text):
    assert same(formula_from_language_model(Model(text), "get a", LIBRARY, tries=1), "F a")


@pytest.mark.parametrize("answer", [None, {"do": "fetch"}, 3])
def test_an_answer_that_is_no_text_is_told_so(answer):
    model = Model(answer, '{"do": "fetch"}')
    assert same(formula_from_language_model(model, "get a", LIBRARY), "F a")
    *_, said, told = model.asked[1][0]
    assert said["content"] == str(answer)
    assert "must be JSON text" in told["content"]
    with pytest.raises(SettingError, match="JSON text"):
        formula_from_language_model(Model(answer), "get a", LIBRARY, tries=1)


def test_plans_of_any_depth_are_refused_in_one_sentence():
    plan = {"do": "fetch"}
    for _ in range(5000):
        plan = {"in_order": [plan]}
    with pytest.raises(SettingError, match="at most 8 deep"):
        formula_of(plan, LIBRARY)


def fits(value, told, whole):
    """Whether JSON is of a schema, as far as the words of the schemas of plans go."""
    known = {"$defs", "$ref", "anyOf", "enum", "type", "items", "minItems", "maxItems"}
    assert set(told) <= known | {"properties", "required", "additionalProperties"}
    if "$ref" in told:
        return fits(value, whole["$defs"][told["$ref"].removeprefix("#/$defs/")], whole)
    if "anyOf" in told:
        return any(fits(value, one, whole) for one in told["anyOf"])
    if "enum" in told:
        return value in told["enum"]
    if told["type"] == "string":
        return isinstance(value, str)
    if told["type"] == "array":
        few = told.get("minItems", 0)
        return (
            isinstance(value, list)
            and few <= len(value) <= told.get("maxItems", len(value))
            and all(fits(each, told["items"], whole) for each in value)
        )
    assert told["type"] == "object"
    assert told["additionalProperties"] is False
    return (
        isinstance(value, dict)
        and set(told["required"]) <= set(value) <= set(told["properties"])
        and all(fits(each, told["properties"][name], whole) for name, each in value.items())
    )


PLANS = st.recursive(
    st.sampled_from([{}, {"do": "fetch"}, {"do": "sing"}, {"do": "rest", "never": ["d"]}]),
    lambda inner: st.dictionaries(
        st.sampled_from(["in_order", "in_any_order", "one_of"]), st.lists(inner, max_size=2)
    ),
    max_leaves=5,
)


@given(PLANS, st.none() | st.lists(st.sampled_from("ade"), max_size=2))
@example({}, None)
@example({"in_order": [{"do": "fetch"}], "one_of": [{"do": "fetch"}]}, None)
@example({"in_order": [{"do": "fetch", "never": []}]}, None)
def test_the_schema_takes_what_is_read(plan, never):
    told = schema(LIBRARY, ("a", "d"))
    assert json.loads(json.dumps(told)) == told
    plan = plan if never is None else plan | {"never": never}
    try:
        formula_of(plan, LIBRARY, ("a", "d"))
    except SettingError:
        assert not fits(plan, told, told)
    else:
        assert fits(plan, told, told)


def test_plans_mean_what_their_traces_say():
    """Any order, and then something: beside the semantics of the formula, on all short traces."""
    names = ("a", "b", "c")
    formula = formula_of(
        {"in_order": [{"in_any_order": [{"do": "fetch"}, {"do": "bring"}]}, {"do": "rest"}]},
        LIBRARY,
    )
    made = automaton(formula, names)
    for told, held in zip(
        ltl_oracle.accepted(made, 4), ltl_oracle.truth(formula, names, 4), strict=True
    ):
        np.testing.assert_array_equal(told, held)
