"""What environments offer, through any order of wrappers, and by one that is no grid."""

import itertools
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rail_world
from families import mostly_slow

from didact.environments import (
    Environment,
    SettingError,
    make,
    registry,
    with_feedback,
    with_propositions,
)
from didact.environments.grid import GridState, achieved_instructions, object_propositions
from didact.environments.grid.solver import planner
from didact.environments.language import sentence_embeddings, vocabulary
from didact.environments.text_settings import make_with_text_settings
from didact.experiments import train
from didact.experiments.actors import solver_actor
from didact.experiments.evaluation.play import Game, playable
from didact.students import DistillConfig, NetworkConfig, PPOConfig
from didact.students.skills.formula_task import with_formula

LEVEL = "BabyAI-GoToLocalS5N2-v0"
N = 16
SMALL = NetworkConfig(hidden=32, memory=8, instruction_features=8)


def encoder(texts):
    return np.array([[len(text), text.count("a"), 1.0] for text in texts])


def with_vectors(environment):
    texts = (
        rail_world.TEXTS
        if isinstance(environment, rail_world.Rail)
        else sentence_embeddings.all_clauses()
    )
    return sentence_embeddings.with_sentence_embeddings(
        environment, sentence_embeddings.embed_sentences(texts, encoder)
    )


WRAPPERS = {"facts": with_propositions, "feedback": with_feedback, "vectors": with_vectors}
ORDERS = [order for k in range(4) for order in itertools.permutations(WRAPPERS, k)]


def wrapped(environment, order):
    """The environment inside these wrappers, the first one innermost."""
    for name in order:
        environment = WRAPPERS[name](environment)
    return environment


def tasks_of(environment, rate=1.0):
    """Tasks drawn from the space, those of a wrapper with feedback at this rate."""
    tasks = environment.task_space.sample(jax.random.key(1), N)
    return tasks.at[:, -1].set(rate) if environment.help_parameter else tasks


def innermost(environment, state):
    """The state of what is inside all wrappers."""
    while hasattr(environment, "environment"):
        state = environment.inner_state(state)
        environment = environment.environment
    return state


@pytest.mark.parametrize(
    "order", mostly_slow(ORDERS, family=len, count=0), ids=lambda order: "-".join(order)
)
def test_grid_worlds_offer_the_same_in_every_order_of_wrappers(order, monkeypatch):
    """Only traced: what each of them is given must be the state of the grid world itself."""
    world = make(LEVEL)
    outer = wrapped(world, order)
    seen: list = []

    def watched(function):
        def watching(*arguments):
            seen.extend(x for x in arguments if isinstance(x, tuple) and hasattr(x, "_fields"))
            return function(*arguments)

        return watching

    monkeypatch.setattr(planner, "act", watched(planner.act))
    monkeypatch.setattr(
        object_propositions, "proposition_values", watched(object_propositions.proposition_values)
    )
    monkeypatch.setattr(achieved_instructions, "_scene", watched(achieved_instructions._scene))

    def run(key, tasks):
        state, first = outer.reset(key, tasks)
        actions = outer.expert().act(state)
        describer = outer.achieved_instructions()
        after, last = outer.step(key, state, actions)
        told = describer.describe(describer.reveal(state), describer.reveal(after))
        more = describer.observations(told[0])
        offered = outer.optional_propositions()
        return (
            state,
            first,
            last,
            actions,
            told,
            more,
            None if offered is None else offered.holds(state),
        )

    tasks = jax.eval_shape(lambda: tasks_of(outer))
    key = jax.eval_shape(lambda: jax.random.key(0))
    state, first, last, actions, told, more, holds = jax.eval_shape(run, key, tasks)
    assert isinstance(innermost(outer, state), GridState)
    assert seen
    assert all(isinstance(x, GridState) for x in seen)
    assert (actions.shape, told[0].shape) == ((N,), (N, world.mission_length))
    assert set(more) == {"instruction", *(["instruction_vector"] * ("vectors" in order))}
    for name, array in more.items():
        assert array.shape[1:] == outer.observation_space[name].shape
    for seen_then in (first, last):
        assert set(seen_then.observation) == set(outer.observation_space)
        assert seen_then.labels.shape == (N, len(outer.propositions))
    # What is there already is offered no more.
    assert (holds is None) == ("facts" in order)
    assert (outer.feedback() is None) == ("feedback" in order)
    rate = [0] * ("feedback" in order)
    assert list(outer.evaluation_tasks) == [LEVEL]
    np.testing.assert_array_equal(
        outer.evaluation_tasks[LEVEL], [*world.evaluation_tasks[LEVEL], *rate]
    )
    assert outer.single_task(world.task_space).tolist() == outer.evaluation_tasks[LEVEL].tolist()
    assert outer.render_modes == world.render_modes
    assert outer.phrasing is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        ("facts", "vectors"),
        pytest.param(("facts", "feedback", "vectors"), marks=pytest.mark.slow),
        pytest.param(("vectors", "feedback"), marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def test_experts_and_descriptions_say_the_same_through_wrappers(order):
    world = make(LEVEL)
    outer = wrapped(world, order)
    reset, step = jax.jit(outer.reset), jax.jit(outer.step)
    state, _ = reset(jax.random.key(0), tasks_of(outer))

    @jax.jit
    def asked(state, after):
        told = []
        for environment, see in ((outer, lambda s: s), (world, lambda s: innermost(outer, s))):
            describer = environment.achieved_instructions()
            scenes = describer.reveal(see(state)), describer.reveal(see(after))
            told.append((environment.expert().act(see(state)), describer.describe(*scenes)))
        return told

    fulfilled, over = 0, np.zeros(N, bool)
    for t in range(8):
        choose = outer.expert().act(state)
        random = jax.random.randint(jax.random.key(t), (N,), 0, 3)
        after, seen = step(None, state, jnp.where(t % 3 == 0, random, choose))
        ours, theirs = asked(state, after)
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)
        fulfilled += int((ours[1][1] & ~over).sum())
        over |= np.asarray(seen.done)
        state = after
    assert fulfilled > 5
    ansi = world.render_ansi(jax.device_get(innermost(outer, state)), 3, False, (20, 9))
    assert ansi == outer.render_ansi(jax.device_get(state), 3, color=False, window=(20, 9))
    assert outer.text_status(state, 3) == world.text_status(innermost(outer, state), 3)


def test_wrappers_that_have_nothing_to_add_say_so():
    for wrap, environment, message in (
        (with_propositions, make("Office"), "offers propositions"),
        (with_propositions, with_propositions(make(LEVEL)), "offers propositions"),
        (with_feedback, make("ToyGrid"), "offers feedback"),
        (with_feedback, with_feedback(make(LEVEL)), "offers feedback"),
        (with_feedback, make("BabyAI-GoToLocal-v0", done_action=True), "done_action"),
    ):
        with pytest.raises(SettingError, match=message):
            wrap(environment)


def test_a_formula_as_the_task_withdraws_what_is_of_another_task():
    inner = with_propositions(make(LEVEL))
    assert inner.expert() is not None
    outer = with_formula(inner, "F red_ball")
    assert outer.expert() is None
    assert outer.feedback() is None
    assert outer.achieved_instructions() is None
    assert "progress" in with_vectors(outer).observation_space


# An environment that is no grid.


@pytest.fixture
def registered():
    before = dict(registry.ENVIRONMENTS._entries)
    registry.register("Rail", rail_world.Rail, "glide to what is asked for")
    yield
    registry.ENVIRONMENTS._entries.clear()
    registry.ENVIRONMENTS._entries.update(before)


def glide(outer, steps=6, rate=1.0):
    """States and what is seen of random steps."""
    step = jax.jit(outer.step)
    state, seen = outer.reset(jax.random.key(0), tasks_of(outer, rate))
    yield None, state, seen, None
    for t in range(steps):
        actions = jax.random.randint(jax.random.key(t), (N,), 0, 3)
        before = state
        state, seen = step(None, state, actions)
        yield before, state, seen, actions


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_any_environment_offers_what_grids_do(order):
    outer = wrapped(rail_world.Rail(), order)
    describer = outer.achieved_instructions()
    told = 0
    for before, state, seen, _ in glide(outer):
        bare = innermost(outer, state)
        assert isinstance(bare, rail_world.RailState)
        target = np.take_along_axis(np.asarray(bare.things), np.asarray(bare.wanted)[:, None], 1)
        np.testing.assert_array_equal(
            outer.expert().act(state), (target[:, 0] >= np.asarray(bare.x)).astype(int)
        )
        near = np.abs(np.asarray(bare.things) - np.asarray(bare.x)[:, None]) < rail_world.NEAR
        if "facts" in order:
            np.testing.assert_array_equal(seen.labels, near)
            np.testing.assert_array_equal(seen.observation["labels"], near)
        if "vectors" in order:
            expected = encoder([rail_world.TEXTS[i] for i in bare.wanted])
            np.testing.assert_allclose(seen.observation["instruction_vector"], expected)
        if before is None:
            continue
        was = innermost(outer, before)
        entered = near & ~(
            np.abs(np.asarray(was.things) - np.asarray(was.x)[:, None]) < rail_world.NEAR
        )
        rows, fulfilled = describer.describe(describer.reveal(before), describer.reveal(state))
        np.testing.assert_array_equal(fulfilled, entered.any(1))
        for i in np.flatnonzero(fulfilled):
            assert vocabulary.decode(np.asarray(rows[i])) == rail_world.TEXTS[entered[i].argmax()]
        told += int(fulfilled.sum())
        vector = describer.observations(rows[None]).get("instruction_vector")
        if vector is not None:
            texts = [vocabulary.decode(np.asarray(row)) for row in rows]
            np.testing.assert_allclose(vector[0], encoder(texts))
    assert told > 5
    assert list(outer.evaluation_tasks) == ["Rail-Slow"]


def said(order, **settings):
    """Messages in words, with the worlds before and after and the actions."""
    outer = with_feedback(rail_world.Rail(), **settings)
    outer = wrapped(outer, order)
    for before, state, seen, actions in glide(outer):
        texts = [
            outer.feedback_text({"feedback": row})
            for row in np.asarray(seen.observation["feedback"])
        ]
        worlds = None if before is None else innermost(outer, before)
        yield texts, worlds, innermost(outer, state), actions


@pytest.mark.parametrize("error_rate", [0, 1])
@pytest.mark.parametrize("phrasing", ["template", "test"])
def test_its_feedback_is_in_words_of_its_own(phrasing, error_rate):
    """All of it is compared with places: `big grey box` is a word longer than the other things."""
    split = "train" if phrasing == "template" else phrasing
    word = {name: rail_world.POOL[name][split][0] for name in rail_world.POOL}
    heard = set()
    for texts, before, state, _ in said(("facts",), phrasing=phrasing, error_rate=error_rate):
        for i, text in enumerate(texts):
            to_go = float(state.things[i, state.wanted[i]] - state.x[i])
            past, _, future = text.rpartition("; ")
            way = word["left" if (to_go < 0) != error_rate else "right"]
            if before is not None:
                gone = float(before.things[i, before.wanted[i]] - before.x[i])
                remark = "warmer" if abs(to_go) < abs(gone) else "colder"
                remark = "there" if abs(to_go) < rail_world.NEAR else remark
                if error_rate:
                    remark = "warmer" if remark == "colder" else "colder"
                assert past == word[remark]
            things = [
                x for k, x in enumerate(rail_world.THINGS) if (k == state.wanted[i]) != error_rate
            ]
            towards = [word["towards"].replace("{thing}", thing) for thing in things]
            if abs(to_go) > 0.1:
                assert future in {f"{way} {purpose}" for purpose in towards}
                heard.add(future)
            else:
                assert future == way
    assert {thing for thing in rail_world.THINGS for text in heard if thing in text} == set(
        rail_world.THINGS
    )


def test_feedback_is_a_setting_of_it(registered, tmp_path):
    pool = tmp_path / "pool.json"
    pool.write_text(json.dumps({"left": ["veer left", "bear left", "turn to port"]}))
    told = ["feedback=both", "facts=1", "feedback_budget=3", "feedback_where_needed=true"]
    told += [f"feedback_pool={pool}", "feedback_phrasing=train", "feedback_error_rate=0.5"]
    outer = make_with_text_settings("Rail", told)
    assert outer.task_space.names == ("stride", "feedback_rate")
    assert outer.propositions == ("ball", "key", "box")
    settings = outer.settings
    assert (settings.error_rate, settings.budget, settings.phrasing) == (0.5, 3, "train")
    assert outer.speech.wordings("left") == ("veer left",)
    assert outer.model is not None
    messages = np.zeros(N)
    for _, _, seen, _ in glide(outer, steps=8):
        messages += np.asarray(seen.observation["feedback"]).any((1, 2))
    assert 0 < messages.max() <= 3
    pool.write_text(json.dumps({"lukewarm": []}))
    with pytest.raises(SettingError, match="lukewarm"):
        make_with_text_settings("Rail", [*told[:2], f"feedback_pool={pool}"])


EASY = {"env": "Rail", "num_envs": 32, "rollout_length": 12, "warm_up": 0.0, "teacher": "uniform"}
EASY |= {"evaluation_episodes": 32, "evaluate_every": 1.0, "chunk": 2}
EASY |= {"pictures": False, "video": False}


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_students_learn_from_its_expert(registered, tmp_path):
    run = tmp_path / "run"
    result = train(
        **EASY,
        student="distill",
        experts=("solver",),
        distill=DistillConfig(network=SMALL, num_minibatches=2),
        steps=16_000,
        run=run,
    )
    agreement = [row["learning"]["distill_agreement"] for row in rows(run)]
    assert np.mean(agreement[-5:]) > agreement[0] + 0.15
    assert list(result["evaluation"]) == ["Rail-Slow"]
    assert rows(run)[0]["success"] > 0.5  # while the expert acts


@pytest.mark.slow
def test_students_learn_in_hindsight_and_with_feedback(registered, tmp_path):
    run = tmp_path / "run"
    result = train(
        **EASY,
        env_settings=("feedback=both", "facts=1"),
        hindsight=1.0,
        anneal_help=0.5,
        ppo=PPOConfig(network=SMALL, num_minibatches=2),
        steps=4_000,
        run=run,
    )
    assert result["finished"]
    assert rows(run)[0]["learning"]["hindsight_share"] > 0.1
    assert np.isfinite([row["learning"]["hindsight_loss"] for row in rows(run)]).all()


def test_its_expert_acts_and_people_play(registered):
    environment = make("Rail")
    state, _ = environment.reset(jax.random.key(0), tasks_of(environment))
    actor = solver_actor(environment)
    worlds = types.SimpleNamespace(state=state)
    actions, _, _ = actor.act(actor.params, worlds, jax.random.key(0))
    np.testing.assert_array_equal(actions, environment.expert().act(state))
    game = Game(playable(make_with_text_settings("Rail", ["feedback=both"])), color=False)
    for _ in range(20):
        x = float(game.state.worlds.x[0])
        game.press("left")
        assert float(game.state.worlds.x[0]) < x
        if not game.over:
            break
        game.press("r")
    game.press("s")
    assert "No action 'down'" in game.frame()
    game.press("1")  # staying has no key of its own
    frame = game.frame()
    for text in ("step 2 of 12", "1: stay", "@ you", f"at {float(game.state.worlds.x[0]):.2f}"):
        assert text in frame
    with pytest.raises(SettingError, match="renders as text"):
        playable(make("Office"))


def test_environments_offer_nothing_by_default():
    plain = Environment()
    for offer in ("expert", "achieved_instructions", "feedback", "optional_propositions"):
        assert getattr(plain, offer)() is None
    assert plain.official is None
    assert plain.render_ansi((), 0) is None
