"""What is said in words: instructions, and texts of what players see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.crafting import layout, sentences, text
from didact.environments.crafting.layout import ACHIEVEMENT, ACHIEVEMENTS
from didact.environments.crafting.phrases import JOINERS, OPENINGS, PHRASES
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import SPLITS


def steps(*names):
    row = [ACHIEVEMENT[name] for name in names]
    return row + [sentences.NOTHING] * (sentences.STEPS - len(row))


def test_instructions_are_written_as_on_the_host():
    rows = [("collect_wood",), ("collect_wood", "place_table"), ACHIEVEMENTS[:3]]
    written = sentences.write(jnp.array([steps(*names) for names in rows]))
    for names, ids in zip(rows, written, strict=True):
        assert vocabulary.decode(ids) == sentences.text(*names)
    assert sentences.text(*rows[1]) == "collect wood, then place a table"


@pytest.mark.parametrize("split", SPLITS)
def test_paraphrases_are_from_their_split(split):
    n = 200
    names = "wake_up", "make_stone_sword"
    row = jnp.array([steps(*names)] * n)
    written = sentences.write(row, jax.random.split(jax.random.key(0), n), split)
    possible = {
        f"{opening} {first}{joiner} {second}".strip()
        for opening in OPENINGS[split]
        for first in PHRASES[names[0]][split]
        for joiner in JOINERS[split]
        for second in PHRASES[names[1]][split]
    }
    found = {vocabulary.decode(ids) for ids in written}
    assert found <= possible
    assert len(found) >= min(len(possible), 20)


def test_no_wording_occurs_twice():
    said = [w for phrase in PHRASES.values() for split in phrase.values() for w in split]
    assert len(said) == len(set(said))
    assert set(PHRASES) == set(ACHIEVEMENTS)
    for wording in said:
        vocabulary.tokens(wording)


def test_unknown_splits():
    with pytest.raises(SettingError, match="phrasing"):
        sentences.check("dev")


def plain_text(view, inventory, facing, sleeping, light):
    """The sentences of one world, written in another way."""
    found = ["You sleep"] if sleeping else []
    found += ["The sky is dark"] if light < 0.5 else []
    names = {"path": "a path", "tree": "a tree", "diamond": "a diamond", "table": "a table"}
    names |= {"furnace": "a furnace"}

    def things(y, x):
        material, sight = (
            table[i] for table, i in zip((layout.MATERIALS, layout.SIGHTS), view[y, x], strict=True)
        )
        seen = [] if material == "none" else [names.get(material, material)]
        if sight != "none":
            sight = "arrow" if sight.startswith("arrow") else sight
            seen.append(("an " if sight == "arrow" else "a ") + sight)
        return seen

    dx, dy = layout.DX[facing], layout.DY[facing]
    faced = things(3 + dy, 4 + dx)
    found += [f"In front of you is {faced[-1]}"] if faced else []
    nearest = {}
    for y in range(7):
        for x in range(9):
            for thing in things(y, x):
                if (y, x) != (3, 4):
                    key = abs(y - 3) + abs(x - 4), y, x
                    nearest[thing] = min(nearest.get(thing, key), key)
    sees = set()
    for thing, (_, y, x) in nearest.items():
        parts = [f"{abs(y - 3)} {'north' if y < 3 else 'south'}"] if y != 3 else []
        parts += [f"{abs(x - 4)} {'west' if x < 4 else 'east'}"] if x != 4 else []
        sees.add(f"You see {thing} {' and '.join(parts)}")
    own = dict(zip(layout.ITEMS, inventory.astype(int), strict=True))
    needs = {"health": "hurt", "food": "hungry", "drink": "thirsty", "energy": "tired"}
    rest = [f"You feel {word}" for need, word in needs.items() if own[need] <= 3]
    items = (*layout.RESOURCES, *layout.TOOLS)
    rest += [f"You have {own[i]} {i.replace('_', ' ')}" for i in items if own[i]]
    return found, sees, rest


def test_texts_are_those_of_the_host():
    n, rng = 40, np.random.default_rng(0)
    view = np.zeros((n, *layout.VIEW, 2), np.uint8)
    view[..., 0] = rng.choice([0, 1, 2, 2, 2, 3, 4, 5, 6, 9, 11, 12], view.shape[:-1])
    busy = rng.random(view.shape[:-1]) < 0.1
    view[..., 1] = np.where(busy, rng.integers(1, len(layout.SIGHTS), busy.shape), 0)
    view[:, 3, 4, 1] = 0
    rows = {
        "view": view,
        "inventory": rng.integers(0, 10, (n, len(layout.ITEMS))).astype(np.float32),
        "facing": rng.integers(0, 4, n).astype(np.int32),
        "sleeping": rng.integers(0, 2, n).astype(np.int32),
        "light": rng.random(n).astype(np.float32),
    }
    ids = np.asarray(jax.jit(text.tokens)(rows))
    assert ids.shape == (n, text.LENGTH)
    for world in range(n):
        own = {name: x[world] for name, x in rows.items()}
        first, sees, rest = plain_text(**own)
        said = text.decode(ids[world])
        middle = said[len(first) : len(said) - len(rest)]
        assert said[: len(first)] == first
        assert said[len(said) - len(rest) :] == rest
        assert set(middle) == sees
