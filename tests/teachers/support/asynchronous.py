"""Parallel environments with simulated episodes, as the training loop plays them.

At step t of a rollout, an environment that has finished its episode begins proposal [t, i] of those
that the teacher made before the rollout. Episodes may end many rollouts later.
"""

import jax
import numpy as np

from didact.teachers import Outcomes, Proposals, propose


class Worlds:
    """n environments; `play(tasks, rng)` returns the success and length of new episodes.

    Attributes:
        played: (task, learn, tag, success, length) of every episode that ended.
        steps: by kind of episode, the steps that were taken, if `kind_of(tag)` is given.
    """

    def __init__(self, teacher, n, steps, play, *, seed=0, rows=None, kind_of=None, scores=()):
        self.teacher, self.n, self.length, self.play = teacher, n, steps, play
        self.rng = np.random.default_rng(seed)
        self.key = jax.random.key(seed)
        self.state = teacher.init(jax.random.key(seed + 1))
        self.rows, self.kind_of, self.scores = rows or n, kind_of, scores
        self.propose = jax.jit(lambda state, key: propose(teacher, state, key, n * steps))
        self.observe = jax.jit(teacher.observe)
        self.left = np.zeros(n, int)
        self.running = [None] * n
        self.played, self.steps = [], {}

    def rollout(self):
        self.key, key = jax.random.split(self.key)
        proposals, self.state = self.propose(self.state, key)
        tasks, learn, tag = (np.asarray(x) for x in proposals)
        ended = []
        for t in range(self.length):
            free = np.flatnonzero(self.left == 0)
            if free.size:
                row = t * self.n + free
                success, length = self.play(tasks[row], self.rng)
                self.left[free] = length
                for j, i in enumerate(free):
                    self.running[i] = (
                        tasks[row[j]],
                        learn[row[j]],
                        tag[row[j]],
                        success[j],
                        length[j],
                    )
            if self.kind_of is not None:
                for _, _, number, *_ in self.running:
                    kind = self.kind_of(number)
                    self.steps[kind] = self.steps.get(kind, 0) + 1
            self.left -= 1
            ended += [self.running[i] for i in np.flatnonzero(self.left == 0)]
        self.played += ended
        self.state = self.observe(self.state, *self.report(ended))
        return ended

    def report(self, ended):
        """Rows for `observe`; evenly thinned if there are too many, as in the loop."""
        count = len(ended)
        if count > self.rows:
            ended = [ended[int(i * count / self.rows)] for i in range(self.rows)]
        pad = self.rows - len(ended)
        blank = (np.zeros(self.state_size(), np.float32), 0.0, 0, 0.0, 0)
        rows = [*ended, *[blank] * pad]
        tasks, learn, tag, success, length = (np.array(x) for x in zip(*rows, strict=True))
        weights = np.arange(self.rows) < len(ended)
        success = success.astype(np.float32)
        scores = {name: self.rng.random(self.rows).astype(np.float32) for name in self.scores}
        outcomes = Outcomes(
            success, success, length.astype(np.float32), weights.astype(np.float32), scores
        )
        return Proposals(tasks, learn.astype(np.float32), tag.astype(np.int32)), outcomes

    def state_size(self):
        return jax.eval_shape(self.propose, self.state, self.key)[0].tasks.shape[1]
