"""One training on several hosts: the same program in every process, by `jax.distributed`.

Every process runs the whole training with its own devices, and takes part in the compiled updates
over all of them. Only the first process writes the run folder; the others work in a temporary one.
"""

import contextlib
import dataclasses
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from didact.common import display
from didact.common.errors import SettingError
from didact.experiments.config import TrainConfig

OPTION = "--distributed"
# The variables of each kind of launcher: address of the first process, number of processes, and
# number of this one. Those of SLURM, Open MPI, Kubernetes and TPU pods are known to JAX.
LAUNCHERS = (
    ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"),
    ("MASTER_ADDR", "WORLD_SIZE", "RANK"),  # torchrun and many others, with MASTER_PORT
)
PATIENCE = 3600  # seconds that processes wait at the end for the first, which draws and tests


def connect() -> None:
    """Connect this process to the others of the training; before anything is computed with JAX.

    Raises:
        SettingError: the variables are missing or wrong, or the first process cannot be reached.
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    settings = _from_variables()
    try:
        with _printing_to_stderr():
            jax.distributed.initialize(**settings, shutdown_timeout_seconds=PATIENCE)
            agreed(True)
    except (ValueError, TypeError, RuntimeError) as error:
        names = ", ".join(LAUNCHERS[0])
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        allowed = f"used by SLURM, Open MPI, Kubernetes or torchrun, or with {names} set ({why})"
        raise SettingError(OPTION, True, allowed) from None


@contextlib.contextmanager
def _printing_to_stderr() -> Iterator[None]:
    """Send what libraries print in the block to standard error: gloo reports connections."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # standard output is closed
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _from_variables() -> dict[str, Any]:
    """Return the settings in environment variables; empty if JAX should find them."""
    for address, count, number in LAUNCHERS:
        if any(name not in os.environ for name in (address, count, number)):
            continue
        for name in (count, number):
            if not os.environ[name].isdecimal():
                raise SettingError(name, os.environ[name], f"a whole number with {OPTION}")
        host = _with_port(address, os.environ[address])
        processes, process = int(os.environ[count]), int(os.environ[number])
        if process >= processes:
            raise SettingError(number, process, f"below {count}, which is {processes}")
        return {
            "coordinator_address": host, "num_processes": processes, "process_id": process,
        }  # fmt: skip
    return {}


def _with_port(variable: str, host: str) -> str:
    """Return HOST:PORT, for which MASTER_ADDR may leave the port to MASTER_PORT."""
    if re.fullmatch(r"([^:]+|\[.+\]):[0-9]+", host):
        return host
    if variable != "MASTER_ADDR" or host.count(":") == 1:
        raise SettingError(variable, host, f"HOST:PORT, or [IPv6]:PORT, with {OPTION}")
    port = os.environ.get("MASTER_PORT")
    if port is None or not port.isdecimal():
        raise SettingError("MASTER_PORT", port, f"a whole number with {variable} and {OPTION}")
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def several() -> bool:
    """Whether there are several processes."""
    return jax.process_count() > 1


def first() -> bool:
    """Whether this process writes the results."""
    return jax.process_index() == 0


def check(config: TrainConfig) -> None:
    """Refuse settings that need a single process.

    Raises:
        SettingError: there are several processes, and a setting does not work with them.
    """
    if not several():
        return
    if config.proposer != "none":
        allowed = f"none with {OPTION}, where every process would get answers of its own"
        raise SettingError("--proposer", config.proposer, allowed)
    if config.exploit_every:
        raise SettingError("--exploit-every", config.exploit_every, f"0 with {OPTION}")


def agreed(own: bool, *, every: bool = False) -> bool:
    """Return whether something holds in any process, or in every one. All must call this."""
    if not several():
        return own
    answers = multihost_utils.process_allgather(np.array([own]))
    return bool(np.all(answers) if every else np.any(answers))


@contextlib.contextmanager
def together() -> Iterator[None]:
    """If the block fails in one process, it fails in all of them. All must use this.

    Raises:
        SettingError: the block raised an exception in another process.
    """
    try:
        yield
    except BaseException:
        agreed(False, every=True)
        raise
    if not agreed(True, every=True):
        allowed = "used where no process fails; another one has refused its settings, or has failed"
        raise SettingError(OPTION, True, allowed)


def require_same(value: int, setting: str, given: Any, allowed: str) -> None:
    """Check that a number is the same in all processes, all of which must call this.

    Raises:
        SettingError: it differs. The error has these texts.
    """
    if several() and np.ptp(multihost_utils.process_allgather(np.array([value]))):
        raise SettingError(setting, str(given), allowed)


@contextlib.contextmanager
def scratch(resume: Path | str | None) -> Iterator[Path]:
    """Make a temporary run folder, for processes that are not the first.

    Args:
        resume: the run that is resumed, whose checkpoints are read.
    """
    with tempfile.TemporaryDirectory(prefix="didact-") as folder:
        if resume is not None:
            (Path(folder) / "checkpoints").symlink_to(Path(resume).resolve() / "checkpoints")
        yield Path(folder)


def silent() -> display.PlainConsole:
    """Return a console that shows nothing, for processes that are not the first."""
    return display.PlainConsole(quiet=True)


def plain(config: TrainConfig) -> TrainConfig:
    """Return the settings without pictures and videos, for processes that are not the first."""
    return dataclasses.replace(config, pictures=False, video=False)


def placed(tree: Any, sharding: NamedSharding) -> Any:
    """Place the arrays of a pytree on the devices of a mesh, also of other processes.

    Args:
        tree: the same values in all processes, or arrays that are on these devices already.
        sharding: where each array belongs.
    """
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def one(x: Any) -> Any:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            kind = jax.random.key_impl(x)
            return jax.random.wrap_key_data(one(jax.random.key_data(x)), impl=kind)
        if isinstance(x, jax.Array) and not x.is_fully_addressable:
            if x.sharding.is_equivalent_to(sharding, x.ndim):
                return x
            return jax.jit(lambda y: y, out_shardings=sharding)(x)
        values = np.asarray(x)
        return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])

    return jax.tree.map(one, tree)


def whole(tree: Any, mesh: Mesh) -> Any:
    """Return arrays that every process holds completely; all processes must call this."""
    if not several():
        return tree
    everywhere = NamedSharding(mesh, PartitionSpec())
    return jax.jit(lambda x: x, out_shardings=everywhere)(tree)


def own(tree: Any) -> Any:
    """Return arrays that every process holds completely as arrays of this process alone."""
    if not several():
        return tree

    def one(x: Any) -> Any:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(
                one(jax.random.key_data(x)), impl=jax.random.key_impl(x)
            )
        return jnp.asarray(np.asarray(x))

    return jax.tree.map(one, tree)
