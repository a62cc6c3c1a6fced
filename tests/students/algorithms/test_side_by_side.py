"""Several students of one design."""

import jax
import numpy as np

from didact.students import Student
from didact.students.algorithms.side_by_side import side_by_side


def test_students_start_independently_also_if_they_split_their_key():
    def init(key):
        keys = [key, *jax.random.split(key, 4)]
        return {tuple(np.asarray(jax.random.key_data(k)).tolist()) for k in keys}

    student = side_by_side(Student(init, *[lambda *_: None] * 5), 3)
    states = student.init(jax.random.key(0))
    assert len(set.union(*states)) == sum(map(len, states))
