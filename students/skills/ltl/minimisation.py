"""Operations on finite automata as arrays: products, reachability, and canonical minimisation.

All tables are int32[states, letters]: the state after each letter.

References:
    Moore, Gedanken-experiments on Sequential Machines, 1956 (refinement of partitions).
"""

import numpy as np
from jaxtyping import Bool, Int

Table = Int[np.ndarray, "states letters"]


def minimal(
    transitions: Table, accepting: Bool[np.ndarray, " states"], initial: int
) -> tuple[Table, Bool[np.ndarray, " states"]]:
    """Return the minimal complete automaton of the same language, with initial state 0.

    States are numbered by a breadth-first search over letters in ascending order, so that automata
    of the same language over the same letters have equal arrays.
    """
    # Letters with the same transitions in all states are processed once.
    columns, letters = np.unique(transitions, axis=1, return_inverse=True)
    letters = letters.reshape(-1)
    classes = np.asarray(accepting, np.int64)
    count = len(np.unique(classes))
    while True:
        signature = np.column_stack([classes, classes[columns]])
        refined = np.unique(signature, axis=0, return_inverse=True)[1].reshape(-1)
        refined_count = int(refined.max()) + 1
        if refined_count == count:
            break
        classes, count = refined, refined_count
    one_of_each = np.zeros(count, np.int64)
    one_of_each[refined] = np.arange(len(refined))
    small = refined[columns[one_of_each]][:, letters]
    order = breadth_first(small, int(refined[initial]))
    place = np.zeros(count, np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return place[small[order]], np.asarray(accepting)[one_of_each[order]]


def breadth_first(transitions: Table, initial: int) -> Int[np.ndarray, " reachable"]:
    """Return the reachable states in breadth-first order, with letters in ascending order."""
    found, seen = [initial], np.zeros(len(transitions), bool)
    seen[initial] = True
    for state in found:  # the list grows during the iteration
        targets, first = np.unique(transitions[state], return_index=True)
        for target in targets[np.argsort(first)]:
            if not seen[target]:
                seen[target] = True
                found.append(int(target))
    return np.asarray(found)


def product(
    one: tuple[Table, Bool[np.ndarray, " s"]],
    other: tuple[Table, Bool[np.ndarray, " t"]],
    conjunction: bool,
    most: int,
) -> tuple[Table, Bool[np.ndarray, " u"]] | None:
    """Return the automaton of the intersection or union of two languages; all start in state 0.

    Returns:
        The transitions and accepting states, or None if there are more than `most` states.
    """
    (left, left_accepts), (right, right_accepts) = one, other
    width = len(right)
    numbers = np.full(len(left) * width, -1, np.int32)
    numbers[0] = 0
    pairs, rows, count = [np.zeros(1, np.int64)], [], 1
    for new in pairs:  # the list grows during the iteration
        targets = left[new // width].astype(np.int64) * width + right[new % width]
        rows.append(targets)
        unseen = np.unique(targets[numbers[targets] < 0])
        if count + len(unseen) > most:
            return None
        if len(unseen):
            numbers[unseen] = count + np.arange(len(unseen), dtype=np.int32)
            count += len(unseen)
            pairs.append(unseen)
    every = np.concatenate(pairs)
    both = left_accepts[every // width], right_accepts[every % width]
    accepting = both[0] & both[1] if conjunction else both[0] | both[1]
    return numbers[np.concatenate(rows)], accepting


def leading_to(
    transitions: Table, wanted: Bool[np.ndarray, " states"]
) -> Bool[np.ndarray, " states"]:
    """Return whether a wanted state is reachable from each state, including from itself."""
    leads = np.array(wanted, bool)
    while True:
        more = leads | leads[transitions].any(axis=1)
        if (more == leads).all():
            return leads
        leads = more
