"""Rare work under `vmap`: done only where it is due, with the results of a loop over instances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.teachers import rare_work

DUE = np.array([True, False, True, False])
KEYS = jax.random.split(jax.random.key(0), 4)


def drawn(done):
    """Return work on keys and numbers which appends each number it is done for."""

    def work(key, number):
        jax.debug.callback(lambda x: done.append(float(x)), number)
        return jax.random.key_data(key), number + jax.random.uniform(key)

    return work


@pytest.mark.parametrize("axes", [(0, 0, 0), (0, None, 0), (None, 0, 0)])
def test_is_done_where_it_is_due(axes):
    done = []
    kept = jnp.zeros(2, jnp.uint32), jnp.float32(-1)
    arguments = [DUE, KEYS, jnp.arange(4.0)]
    arguments = [x if axis == 0 else x[0] for x, axis in zip(arguments, axes, strict=True)]

    def one(due, key, number):
        return rare_work.when(due, drawn(done), kept, key, number)

    together = jax.jit(jax.vmap(one, in_axes=axes))(*arguments)
    jax.effects_barrier()
    due = DUE if axes[0] == 0 else np.full(4, DUE[0])
    assert sorted(done) == list(np.arange(4.0)[due])
    for i in range(4):
        each = one(*[x[i] if axis == 0 else x for x, axis in zip(arguments, axes, strict=True)])
        for a, b in zip(together, each, strict=True):
            np.testing.assert_array_equal(a[i], b)
    assert np.array_equal(together[1] == -1, ~due)


def test_maps_within_maps():
    found = jax.vmap(jax.vmap(lambda due, x: rare_work.when(due, jnp.sin, jnp.float32(7), x)))(
        DUE.reshape(2, 2), jnp.arange(4.0).reshape(2, 2)
    )
    np.testing.assert_allclose(np.ravel(found), np.where(DUE, np.sin(np.arange(4)), 7), rtol=1e-6)


def test_accelerators_do_it_for_all_at_once(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    done = []
    kept = jnp.zeros(2, jnp.uint32), jnp.float32(-1)

    def one(due, key, number):
        return rare_work.when(due, drawn(done), kept, key, number)

    result = jax.vmap(one)(DUE, KEYS, jnp.arange(4.0))
    jax.effects_barrier()
    assert sorted(done) == [0, 1, 2, 3]
    assert np.array_equal(result[1] == -1, ~DUE)
    done.clear()
    jax.vmap(one)(~DUE & False, KEYS, jnp.arange(4.0))
    jax.effects_barrier()
    assert done == []
