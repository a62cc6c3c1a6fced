"""ALP-GMM and Covar-GMM, one episode at a time, with NumPy and scikit-learn: peers for timing.

They follow the papers and have their settings; the teachers of didact are compared with them in
`teacher_cost`.

References:
    Portelas, Colas, Hofmann and Oudeyer, Teacher algorithms for curriculum learning of deep RL in
    continuously parameterized environments, CoRL 2019, algorithm 1 and section 4.
"""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

FIT_RATE = 250
COMPONENTS = range(2, 11)
RANDOM_FRACTION = 0.2


class SequentialMixture:
    """A teacher that samples tasks of the unit cube from the mixture with the lowest AIC."""

    def __init__(self, dimensions: int, seed: int):
        self.rng = np.random.default_rng(seed)
        self.dimensions = dimensions
        self.count = 0
        self.tasks = np.empty((FIT_RATE, dimensions))  # with more rows than episodes
        self.rewards = np.empty(FIT_RATE)
        self.mixture: Any = None  # fitted

    def propose(self) -> Float[np.ndarray, " d"]:
        """Return the next task."""
        if self.mixture is None or self.rng.random() < RANDOM_FRACTION:
            return self.rng.random(self.dimensions)
        progress = self.progress(self.mixture)
        total = progress.sum()
        chances = progress / total if total > 0 else np.full(len(progress), 1 / len(progress))
        k = self.rng.choice(len(progress), p=chances)
        row = self.rng.multivariate_normal(self.mixture.means_[k], self.mixture.covariances_[k])
        return np.clip(row[: self.dimensions], 0, 1)

    def observe(self, task: Float[np.ndarray, " d"], reward: float) -> None:
        """Add the reward of a task, and fit after every `FIT_RATE` episodes."""
        if self.count == len(self.tasks):
            self.tasks = np.concatenate([self.tasks, np.empty_like(self.tasks)])
            self.rewards = np.concatenate([self.rewards, np.empty_like(self.rewards)])
        self.tasks[self.count], self.rewards[self.count] = task, reward
        self.count += 1
        if self.count % FIT_RATE:
            return
        rows = self.rows()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            seeds = self.rng.integers(2**31, size=len(COMPONENTS))
            fits = [
                GaussianMixture(k, random_state=int(seed)).fit(rows)
                for k, seed in zip(COMPONENTS, seeds, strict=True)
            ]
        self.mixture = min(fits, key=lambda mixture: mixture.aic(rows))

    @property
    def latest(self) -> slice:
        """The latest `FIT_RATE` episodes."""
        return slice(self.count - FIT_RATE, self.count)

    def rows(self) -> Float[np.ndarray, "n c"]:
        """Return the rows to fit."""
        raise NotImplementedError

    def progress(self, mixture: Any) -> Float[np.ndarray, " k"]:
        """Return the learning progress of each component."""
        raise NotImplementedError


class SequentialAlpGmm(SequentialMixture):
    """ALP-GMM: rows of a task and the difference to the reward of its nearest neighbor."""

    def __init__(self, dimensions: int, seed: int):
        super().__init__(dimensions, seed)
        self.alps: list[float] = []

    def observe(self, task: Float[np.ndarray, " d"], reward: float) -> None:
        """Also compute the absolute learning progress, over the whole history."""
        alp = 0.0
        if self.count:
            away = self.tasks[: self.count] - task
            alp = abs(reward - self.rewards[np.argmin(np.einsum("nd,nd->n", away, away))])
        self.alps.append(alp)
        super().observe(task, reward)

    def rows(self) -> Float[np.ndarray, "n c"]:
        """Return tasks and their progress."""
        return np.column_stack([self.tasks[self.latest], self.alps[-FIT_RATE:]])

    def progress(self, mixture: Any) -> Float[np.ndarray, " k"]:
        """Return the mean progress of each component."""
        return np.maximum(mixture.means_[:, -1], 0)


class SequentialCovarGmm(SequentialMixture):
    """Covar-GMM: rows of a task, its time and its reward."""

    def rows(self) -> Float[np.ndarray, "n c"]:
        """Return tasks, times from 0 to 1, and rewards."""
        times = np.arange(FIT_RATE) / FIT_RATE
        return np.column_stack([self.tasks[self.latest], times, self.rewards[self.latest]])

    def progress(self, mixture: Any) -> Float[np.ndarray, " k"]:
        """Return the covariance of time and reward in each component, if positive."""
        return np.maximum(mixture.covariances_[:, -1, -2], 0)
