"""What is said of the last action and of the next one, against searches in plain Python."""

import functools
import re

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from solver_references import Room

from didact.environments import SettingError, make, with_feedback
from didact.environments.capabilities import SILENT, Remark
from didact.environments.feedback import wordings
from didact.environments.feedback.messages import Message, Speech
from didact.environments.feedback.student_model import StepContext, mistake_model, worth_sending
from didact.environments.feedback.wordings import ACTIONS, HINDSIGHT, POOL, SPLITS, THING
from didact.environments.grid import rules
from didact.environments.grid.feedback.solver_feedback import PARTS, THINGS
from didact.environments.grid.solver import planner
from didact.environments.language import sentence_embeddings
from didact.environments.text_settings import make_with_text_settings

LOCAL = "BabyAI-GoToLocalS6N4-v0"
BOSS = "BabyAI-MiniBossLevel-v0"
N = 24
MISTAKES = mistake_model()
MOVES = (rules.LEFT, rules.RIGHT, rules.FORWARD)
ACTION_OF = {
    **{"left": rules.LEFT, "right": rules.RIGHT, "forward": rules.FORWARD, "drop": rules.DROP},
    **{"pick up": rules.PICKUP, "open": rules.TOGGLE, "close": rules.TOGGLE, "done": rules.DONE},
}


@functools.cache
def patterns(names):
    """What each wording of some remarks looks like, the longest first."""
    texts = {text: name for name in names for split in SPLITS for text in POOL[name][split]}
    found = []
    for text in sorted(texts, key=len, reverse=True):
        plain = " ".join(wordings.words_of(text)).replace(" ,", ",")
        found.append((re.escape(plain).replace(re.escape(THING), r"(\w+ \w+)"), texts[text]))
    return found


def read(text):
    """The hindsight and the action that a message tells, by matching all wordings; or None."""
    past, _, future = text.partition("; ") if "; " in text else ("", "", text)
    hindsight = [name for pattern, name in patterns(HINDSIGHT) if re.fullmatch(pattern, past)]
    actions = [n for pattern, n in patterns(ACTIONS) if re.match(pattern + r"\b", future)]
    return (hindsight or [None])[0], (actions or [None])[0]


def texts_of(world, timestep):
    observations = np.asarray(timestep.observation["feedback"])
    return [world.feedback_text({"feedback": row}) for row in observations]


@functools.cache
def compiled(name, **settings):
    world = with_feedback(make(name), **settings)
    return world, jax.jit(world.reset), jax.jit(world.step)


def start(world, reset, rate=1.0, n=N, seed=0):
    tasks = world.task_space.sample(jax.random.key(seed + 9), n)
    return reset(jax.random.key(seed), tasks.at[:, -1].set(rate))


def grid_of(state):
    return jax.device_get(state.worlds)


def followed(name):
    """A world, its first states, and success and steps of who does what is read from words."""
    world, reset, step = compiled(name, hindsight=False, phrasing="train")
    state, timestep = start(world, reset)
    first = state.worlds
    over, success, steps = np.zeros(N, bool), np.zeros(N, bool), np.zeros(N)
    for _ in range(world.max_steps):
        said = [read("; " + text)[1] for text in texts_of(world, timestep)]
        assert all(name for name, ended in zip(said, over, strict=True) if not ended)
        actions = jnp.array([ACTION_OF.get(name, rules.DONE) for name in said])
        state, timestep = step(None, state, actions)
        steps += ~over
        success |= np.asarray(timestep.success) & ~over
        over |= np.asarray(timestep.done)
        if over.all():
            break
    return world.environment, first, success, steps


@pytest.mark.slow
def test_who_does_what_is_said_fulfils_the_instruction():
    *_, success, _ = followed(BOSS)
    assert success.all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "excess"), [("BabyAI-PutNextLocalS5N3-v0", 1.05), (BOSS, 1.2)])
def test_and_takes_no_longer_than_the_solver(name, excess):
    world, first, success, steps = followed(name)
    _, least = jax.jit(functools.partial(planner.solve, world))(first)
    assert success.all()
    assert steps.sum() <= excess * np.sum(least)


@pytest.fixture(scope="module")
def walk():
    """Random steps and turns in one room: what was said, and how far it really was."""
    return walked(compiled(LOCAL, phrasing="train"))


def walked(parts, steps=10):
    world, reset, step = parts
    state, timestep = start(world, reset)
    over, rows = np.zeros(N, bool), []
    for t in range(steps):
        before = grid_of(state)
        actions = np.random.default_rng(t).choice(MOVES, N)
        state, timestep = step(None, state, jnp.asarray(actions))
        after, said = grid_of(state), texts_of(world, timestep)
        success = np.asarray(timestep.success)
        for i in np.flatnonzero(~over & ~np.asarray(timestep.truncated)):
            was, now = (Room(s, i, world.environment.width) for s in (before, after))
            steps_now = 0 if success[i] else now.least_steps()
            same = was.start == now.start
            rows.append((said[i], actions[i], was.least_steps(), steps_now, same, success[i], now))
        over |= np.asarray(timestep.done)
    assert len(rows) > 100
    return rows


@pytest.mark.slow
def test_hindsight_says_whether_it_is_nearer_now(walk):
    told = {}
    for text, action, was, now, same, success, _ in walk:
        remark = read(text if "; " in text else text + "; ")[0]
        told[remark] = told.get(remark, 0) + 1
        if success:
            assert remark == "fulfilled", text
        elif now < was:
            assert remark == "good", text
        elif same:
            assert remark == "blocked", text
        elif now > was:
            assert remark == ("away" if action == rules.FORWARD else "turned"), text
        else:
            assert remark == "useless", text
    assert {"good", "blocked", "away", "turned"} <= set(told)


def gets_nearer(room, action):
    """Whether an action leads to fewer steps in a room."""
    least = room.least_steps()
    position, direction, hand, things = room.start
    if action in (rules.LEFT, rules.RIGHT):
        turned = (direction + (1 if action == rules.RIGHT else 3)) % 4
        room.start = position, turned, hand, things
    else:
        front = room.ahead(room.start)
        if front in room.walls or front in things:
            return False
        room.start = front, direction, hand, things
    nearer = room.judged(room.start)[1] or room.least_steps() < least
    room.start = position, direction, hand, things
    return nearer


@pytest.mark.slow
def test_foresight_leads_nearer(walk):
    asked = 0
    for text, *_, success, room in walk:
        if not success:
            assert gets_nearer(room, ACTION_OF[read(text)[1]]), text
            asked += 1
    assert asked > 80


@functools.cache
def spare():
    """A world that says few things, and all of them wrong."""
    return compiled(LOCAL, phrasing="train", error_rate=True, budget=6, model=MISTAKES)


@pytest.mark.slow
def test_wrong_feedback_is_never_right():
    heard = 0
    for text, _, was, now, same, success, room in walked(spare(), 8):
        hindsight, action = read(text if "; " in text else text + "; ")
        if hindsight is not None:
            heard += 1
            good = success or now < was
            assert (hindsight in ("good", "fulfilled")) == (not good), text
            assert not (hindsight == "blocked" and same)
        if action is not None and ACTION_OF[action] in MOVES and not success:
            heard += 1
            assert not gets_nearer(room, ACTION_OF[action]), text
    assert heard > 60


@pytest.mark.slow
def test_without_messages_nothing_is_changed():
    world, reset, step = compiled(LOCAL, phrasing="train")
    plain = make(LOCAL)
    tasks = world.task_space.sample(jax.random.key(1), N).at[:, -1].set(0)
    state, timestep = reset(jax.random.key(2), tasks)
    own, seen = jax.jit(plain.reset)(jax.random.key(2), tasks[:, :-1])
    plain_step = jax.jit(plain.step)
    for t in range(6):
        for a, b in zip(jax.tree.leaves(state.worlds), jax.tree.leaves(own), strict=True):
            np.testing.assert_array_equal(a, b)
        assert not np.any(timestep.observation["feedback"])
        rest = {k: v for k, v in timestep.observation.items() if k != "feedback"}
        compared = timestep._replace(observation=rest), seen
        for a, b in zip(*map(jax.tree.leaves, compared), strict=True):
            np.testing.assert_array_equal(a, b)
        actions = jax.random.randint(jax.random.key(t), (N,), 0, 7)
        state, timestep = step(None, state, actions)
        own, seen = plain_step(None, own, actions)


@pytest.mark.slow
def test_the_rate_says_how_often():
    world, reset, step = compiled(LOCAL, phrasing="train")
    rates = jnp.array([0, 0.3, 1]).repeat(N // 3)
    said, lived = np.zeros(N), np.zeros(N)
    for seed in range(4):
        tasks = world.task_space.sample(jax.random.key(seed), N).at[:, -1].set(rates)
        state, timestep = reset(jax.random.key(seed), tasks)
        for t in range(8):
            state, timestep = step(None, state, jnp.full(N, t % 2))  # to and fro
            on = ~np.asarray(timestep.done)
            said += np.any(timestep.observation["feedback"], (1, 2)) & on
            lived += on
    share = said.reshape(3, -1).sum(1) / lived.reshape(3, -1).sum(1)
    assert share[0] == 0
    assert 0.22 < share[1] < 0.38  # 256 steps
    assert share[2] == 1


@pytest.mark.slow
def test_advice_kept_up_is_that_of_a_solver_asked_anew():
    """But for steps too many in front of doors that the agent has opened and left."""
    world, reset, step = compiled(BOSS, hindsight=False, phrasing="train")
    state, _ = start(world, reset)
    inner = world.environment
    plan = jax.jit(lambda s: planner.chart(s, inner.width, inner.kinds, 4).plan)
    over, more = np.zeros(N, bool), []
    for t in range(25):
        fresh, advice = plan(state.worlds), state.guide.advice
        known = ~over & (np.asarray(fresh.lengths) < planner.NEVER)
        np.testing.assert_array_equal(np.asarray(advice.aim)[known], np.asarray(fresh.aims)[known])
        more += np.asarray(advice.length - fresh.lengths)[known].tolist()
        follows = jax.random.bernoulli(jax.random.key(t), 0.6, (N,))
        random = jax.random.randint(jax.random.key(99 + t), (N,), 0, 7)
        state, timestep = step(None, state, jnp.where(follows, fresh.actions, random))
        over |= np.asarray(timestep.done)
    assert len(more) > 300
    assert min(more) == 0
    assert np.mean(more) < 0.05


@pytest.mark.slow
def test_a_budget_is_kept():
    world, reset, step = spare()
    state, timestep = start(world, reset)
    said = np.any(timestep.observation["feedback"], (1, 2)).astype(int)
    for t in range(12):
        state, timestep = step(None, state, jax.random.randint(jax.random.key(t), (N,), 0, 3))
        said += np.any(timestep.observation["feedback"], (1, 2))
    assert said.max() == 6
    assert (said == 6 - np.asarray(state.left)).all()


def test_messages_are_kept_for_what_helps_most():
    left, steps = jnp.array([1, 1, 0]), jnp.array([4, 4, 4])
    history = jnp.zeros((3, 16)).at[:, 2].set(5).at[1, 12].set(6)
    half, low = jnp.full(3, 0.5), jnp.full(3, 0.01)
    sends, after = worth_sending(history, half, low, left, steps)
    # Nothing was better so far; half of all was better; no message is left.
    assert sends.tolist() == [True, False, False]
    assert after[0, 8] == 1


def test_equal_gains_share_the_messages():
    history, gain = jnp.zeros((400, 16)), jnp.full(400, 0.5)
    left, sent = jnp.full(400, 5), np.zeros(20)
    for step in range(20):
        draw = jax.random.uniform(jax.random.key(step), (400,))
        send, history = worth_sending(history, gain, draw, left, jnp.full(400, 20 - step))
        left, sent[step] = left - send, send.mean()
    # A quarter of the steps, from the first to the last; four standard errors are 0.09.
    np.testing.assert_allclose(sent, 0.25, atol=0.09)


def test_the_model_learns_where_mistakes_are_made():
    model = mistake_model()
    memory = model.initial(1, len(rules.ACTIONS))
    yes, no = jnp.ones(1, bool), jnp.zeros(1, bool)
    pickup, left = jnp.array([rules.PICKUP]), jnp.array([rules.LEFT])
    for before, right in [(pickup, no)] * 3 + [(left, yes)] * 3:
        gain, memory = model.gain(memory, StepContext({}, pickup, before, right, yes))
    _, told = model.gain(
        memory, StepContext({}, pickup, left, no, no)
    )  # it had been told: no evidence
    np.testing.assert_allclose(gain, 4 / 5)
    np.testing.assert_allclose(model.gain(told, StepContext({}, left, left, no, no))[0], 1 / 5)


def test_the_same_key_says_the_same_words():
    world, reset, _ = compiled(LOCAL, phrasing="train")
    one, two, other = (
        np.asarray(start(world, reset, seed=seed)[1].observation["feedback"]) for seed in (0, 0, 1)
    )
    assert (one == two).all()
    assert not (one == other).all()


def test_vectors_are_those_of_the_words():
    def encoder(texts):
        return np.array([[len(text), sum(map(ord, text)) % 997, 1.0] for text in texts])

    feedback = make(LOCAL).feedback()
    assert feedback is not None
    speech = Speech(feedback, phrasing="train")
    rng, n = np.random.default_rng(0), 300
    numbers = [rng.integers(SILENT, len(names), n) for names in PARTS.values()]
    thing = jnp.asarray(rng.integers(len(THINGS), size=n))
    message = Message(*(Remark(jnp.asarray(number), thing) for number in numbers))
    draws = jnp.asarray(rng.random((n, 3)))
    tokens = np.asarray(speech.tokens(message, draws))
    told = np.asarray(speech.looked_up(speech.vectors(encoder), message, draws))
    for row, vector in zip(tokens, told, strict=True):
        for k, part in enumerate(row):
            text = speech.words(part)
            expected = encoder([text])[0] if text else np.zeros(3)
            np.testing.assert_allclose(vector[3 * k : 3 * k + 3], expected)
    world = with_feedback(make(LOCAL), encoder=encoder)
    tasks = jax.ShapeDtypeStruct((2, world.task_space.size), jnp.float32)
    _, first = jax.eval_shape(lambda tasks: world.reset(jax.random.key(0), tasks), tasks)
    space = world.observation_space["feedback_vector"]
    assert first.observation["feedback_vector"].shape == (2, *space.shape) == (2, 9)


def test_sentence_vectors_of_missions_go_around_it():
    inner = with_feedback(make(LOCAL))
    table = sentence_embeddings.embed_sentences(
        ["go to the red ball"], lambda texts: np.ones((1, 2))
    )
    world = sentence_embeddings.with_sentence_embeddings(inner, table)
    assert {"feedback", "instruction_vector"} <= set(world.observation_space)
    row = np.zeros((3, inner.speech.length), np.int32)
    row[0, 0] = inner.speech.ids["good"]
    assert world.feedback_text({"feedback": row}) == "good"


@pytest.mark.slow
def test_it_is_made_by_words_and_shown_in_gymnasium():
    world = make_with_text_settings(
        LOCAL, ["feedback=both", "feedback_phrasing=test", "feedback_error_rate=0.5"]
    )
    assert world.name == LOCAL
    assert world.settings.error_rate == 0.5
    assert world.task_space.names[-1] == "feedback_rate"
    plain = make(LOCAL)
    tested = [world.single_task(plain.task_space), world.evaluation_tasks[LOCAL]]
    np.testing.assert_array_equal(tested, [[*plain.task_space.low, 0]] * 2)
    single = gymnasium.make(f"didact/{LOCAL}", feedback="foresight", disable_env_checker=True)
    observation, info = single.reset(seed=1, options={"task": [6, 1, 1, 3, 0, 0, 0, 1]})
    assert single.observation_space["feedback"].contains(observation["feedback"])
    assert info["feedback"] == single.unwrapped.environment.feedback_text(observation) != ""


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (LOCAL, ["feedback=loud"], "feedback is .*loud"),
        (LOCAL, ["feedback=both", "feedback_phrasing=rude"], "feedback_phrasing is .*rude"),
        (LOCAL, ["feedback=both", "feedback_error_rate=2"], "feedback_error_rate is 2"),
        (
            LOCAL,
            ["feedback_error_rate=0.5"],
            "feedback_error_rate is 0.5, .* if feedback is none",
        ),
        (LOCAL, ["feedback=none", "feedback_budget=0"], "feedback_budget is 0, .* is none"),
        (LOCAL, ["feedback_phrasing=train"], "feedback_phrasing is 'train', .* feedback is none"),
        (LOCAL, ["feedback_pool=a.json"], "feedback_pool is 'a.json', .* feedback is none"),
        (LOCAL, ["feedback_where_needed=true"], "feedback_where_needed is True, .* is none"),
        (LOCAL, ["feedback=both", "feedback_budget=-1"], "feedback_budget is -1"),
        (LOCAL, ["feedback=both", "feedback_pool=/nowhere.json"], "feedback_pool is .*nowhere"),
        (LOCAL, ["feedback=both", "feedback_where_needed=true"], "feedback_where_needed"),
        (LOCAL, ["feedback=both", "feedback_error_rate=much"], "feedback_error_rate is 'much'"),
        (LOCAL, ["feedback=both", "done_action=true"], "done_action would have to be False"),
        ("MiniGrid-Empty-5x5-v0", ["feedback=both"], "feedback is 'both', but must be none"),
    ],
)
def test_settings_without_meaning_are_refused(name, settings, message):
    with pytest.raises(SettingError, match=message):
        make_with_text_settings(name, settings)
