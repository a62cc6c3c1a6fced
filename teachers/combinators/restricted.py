"""Teachers whose proposals are moved into a smaller space."""

from didact.environments.task_spaces import TaskSpace
from didact.teachers.base import Teacher, propose


def restricted(teacher: Teacher, space: TaskSpace) -> Teacher:
    """Move every proposal of a teacher to the nearest task of a smaller space.

    The teacher itself still works on its own space. To restrict that, create the teacher with
    `space.restricted(...)` instead. Teachers that recognize their own tasks (`plr`, `accel`, `sfl`,
    `ncc`, `goal_gan`, `pool`, `adr`) learn nothing from tasks that were moved.

    Args:
        teacher: the teacher.
        space: the smaller task space.
    """

    def proposed(state, key, n):
        proposals, state = propose(teacher, state, key, n)
        return proposals._replace(tasks=space.clip(proposals.tasks)), state

    return teacher._replace(propose=proposed)
