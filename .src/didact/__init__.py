"""didact: teaching embodied reinforcement-learning agents.

Worlds that compile (`didact.environments`), teachers that choose the next task
(`didact.teachers`), students that follow instructions (`didact.students`), and the compiled
loop that joins them (`didact.experiments`).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from didact.environments import make as make
    from didact.students import load_policy as load_policy
    from didact.teachers.gymnasium import make_vec as make_vec
    from didact.teachers.gymnasium import with_teacher as with_teacher

from didact.common.gymnasium_ids import register_when_imported

__version__ = "0.1.0"
__all__ = ["load_policy", "make", "make_vec", "with_teacher"]


def __getattr__(name: str):
    # Lazy, so that `import didact` and the command line's help pages do not wait for jax.
    if name == "make":
        from didact.environments import make

        return make
    if name == "load_policy":
        from didact.students import load_policy

        return load_policy
    if name in ("make_vec", "with_teacher"):
        from didact.teachers import gymnasium

        return getattr(gymnasium, name)
    raise AttributeError(f"module 'didact' has no attribute {name!r}")


register_when_imported()
