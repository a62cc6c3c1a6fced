"""Teachers in plain NumPy and SciPy, one episode at a time, to compare figures on the toy grid.

They follow the papers, not the code that they are compared with: gradients are written by hand,
SPDL's update is solved by sequential quadratic programming, and GoalGAN draws every goal when it
needs one.
"""

import itertools

import numpy as np
from scipy import optimize


def toy_grid(teacher, rng, episodes=20_000, side=10, dimensions=2):
    """Return the percentage of mastered cells after some episodes of the toy grid."""
    competence = np.zeros((side,) * dimensions)
    steps = list(itertools.product((0, 1), repeat=dimensions))[1:]
    for _ in range(episodes):
        task = teacher.propose(rng)
        cell = tuple(np.clip((task[:dimensions] * side).astype(int), 0, side - 1))
        before = [tuple(np.subtract(cell, step)) for step in steps]
        open_ = not any(cell) or any(min(b) >= 0 and competence[b] >= 75 for b in before)
        if open_:
            competence[cell] = min(competence[cell] + 1, 100)
        reward = competence[cell] / 100 if open_ else 0.0
        teacher.observe(task, reward, float(reward > 0), rng)
    return 100 * np.mean(competence > 75)


class Network:
    """A perceptron with two hidden layers, and its gradients."""

    def __init__(self, sizes, rng, slope=0.0, zero_last=False, xavier=False, tanh=False):
        self.slope, self.tanh, self.parts = slope, tanh, []
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            last = i == len(sizes) - 2
            scale = np.sqrt(2 / (a + b)) if xavier else np.sqrt(1 / a)
            kernel = np.zeros((a, b)) if last and zero_last else rng.normal(size=(a, b)) * scale
            self.parts += [kernel, np.zeros(b)]

    def forward(self, x):
        self.inputs = [x]
        for i in range(0, len(self.parts), 2):
            x = x @ self.parts[i] + self.parts[i + 1]
            if i < len(self.parts) - 2:
                x = np.tanh(x) if self.tanh else np.where(x > 0, x, self.slope * x)
                self.inputs.append(x)
        return x

    def backward(self, delta):
        """Return the gradients of the parts, and of the input."""
        gradients = [None] * len(self.parts)
        for i in range(len(self.parts) - 2, -1, -2):
            x = self.inputs[i // 2]
            gradients[i], gradients[i + 1] = x.T @ delta, delta.sum(0)
            delta = delta @ self.parts[i].T
            if i:
                delta = delta * (1 - x**2 if self.tanh else np.where(x > 0, 1, self.slope))
        return gradients, delta


class Adam:
    def __init__(self, network, rate):
        self.network, self.rate, self.t = network, rate, 0
        self.m = [np.zeros_like(p) for p in network.parts]
        self.v = [np.zeros_like(p) for p in network.parts]

    def step(self, gradients):
        self.t += 1
        for p, g, m, v in zip(self.network.parts, gradients, self.m, self.v, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            mean, square = m / (1 - 0.9**self.t), v / (1 - 0.999**self.t)
            p -= self.rate * mean / (np.sqrt(square) + 1e-8)


class RmsProp:
    def __init__(self, network, rate):
        self.network, self.rate = network, rate
        self.v = [np.ones_like(p) for p in network.parts]

    def step(self, gradients):
        for p, g, v in zip(self.network.parts, gradients, self.v, strict=True):
            v += 0.1 * (g**2 - v)
            p -= self.rate * g / np.sqrt(v + 1e-10)


class Adr:
    """A box with a queue of successes for each of its bounds."""

    def __init__(self, d, rng, easy):
        assert easy
        self.bounds, self.queues = np.array([[0.0] * d, [0.05] * d]), {}
        self.start = self.bounds.copy()

    def propose(self, rng):
        low, high = self.bounds
        task, self.face = low + rng.random(len(low)) * (high - low), None
        if rng.random() < 0.5:
            side, i = self.face = rng.integers(2), rng.integers(len(low))
            task[i] = self.bounds[side, i]
        return task

    def observe(self, task, reward, success, rng):
        if self.face is None:
            return
        queue = self.queues.setdefault(self.face, [])
        queue.append(success)
        if len(queue) == 10:
            side, outwards = self.face[0], (-1, 1)[self.face[0]]
            move = outwards * 0.1 * (int(np.mean(queue) >= 0.8) - int(np.mean(queue) <= 0.2))
            ends = (0, self.start[0, 0]) if side == 0 else (self.start[1, 0], 1)
            self.bounds[self.face] = np.clip(self.bounds[self.face] + move, *ends)
            queue.clear()


class Learnability:
    """A success model, and candidates in proportion to p (1 - p)."""

    def __init__(self, d, rng):
        self.d, self.tasks, self.success, self.count = d, [], [], 0
        self.network = Network([7 * d, 32, 32, 1], rng, zero_last=True)
        self.adam = Adam(self.network, 1e-2)
        self.pool = None

    def features(self, x):
        angles = np.pi * x[..., None] * np.array([1.0, 2.0, 4.0])
        waves = np.concatenate([np.sin(angles), np.cos(angles)], -1).reshape(len(x), -1)
        return np.concatenate([2 * x - 1, waves], -1)

    def predict(self, x):
        return 1 / (1 + np.exp(-self.network.forward(self.features(x))[:, 0]))

    def propose(self, rng):
        if self.pool is None or rng.random() < 0.15:
            return rng.random(self.d)
        return self.pool[rng.choice(len(self.pool), p=self.chances)]

    def observe(self, task, reward, success, rng):
        self.tasks, self.success = [*self.tasks[-1023:], task], [*self.success[-1023:], success]
        self.count += 1
        if self.count % 64:
            return
        x, y = np.array(self.tasks), np.array(self.success)
        for _ in range(16):
            rows = rng.integers(len(x), size=256)
            p = self.predict(x[rows])
            self.adam.step(self.network.backward((p - y[rows])[:, None] / 256)[0])
        self.pool = rng.random((1024, self.d))
        p = self.predict(self.pool)
        worth = p * (1 - p)
        worth = np.ones(1024) if worth.max() < 0.05 else worth
        self.chances = worth / worth.sum()


class GoalGan:
    """A least-squares GAN of goals, each tried twice in succession."""

    def __init__(self, d, rng):
        self.d, self.queue, self.replays, self.labeled = d, [], [], []
        self.generator = Network([d, 64, 64, d], rng, 0.0, xavier=True)
        self.discriminator = Network([d, 64, 64, 1], rng, 0.2, xavier=True)
        self.optimizers = RmsProp(self.generator, 1e-3), RmsProp(self.discriminator, 1e-3)
        self.lost, self.goal = False, None
        start = np.clip(rng.random(d) + 0.1 * rng.normal(size=(1000, d)), 0, 1)
        self.train(start, np.ones(1000), 500, rng)

    def generate(self, noise):
        return np.tanh(self.generator.forward(noise))

    def train(self, x, y, steps, rng):
        generator_step, discriminator_step = self.optimizers
        for _ in range(steps):
            rows, noise = rng.integers(len(x), size=64), rng.normal(size=(64, self.d))
            both = np.concatenate([x[rows] - 0.5, self.generate(noise)])
            wanted = 2 * np.concatenate([y[rows], np.zeros(64)]) - 1
            scores = self.discriminator.forward(both)[:, 0]
            delta = 2 * (scores - wanted)[:, None] / 128
            discriminator_step.step(self.discriminator.backward(delta)[0])
            fake = self.generate(noise)
            scores = self.discriminator.forward(fake)
            _, delta = self.discriminator.backward(2 * (scores - 1) / 64)
            generator_step.step(self.generator.backward(delta * (1 - fake**2))[0])

    def propose(self, rng):
        self.replayed = bool(self.replays) and rng.random() < 0.1
        if self.replayed:
            task = self.replays[rng.integers(len(self.replays))]
            return np.clip(task + 0.1 * rng.normal(size=self.d), 0, 1)
        if self.goal is None:
            task = 0.5 + self.generate(rng.normal(size=(1, self.d)))[0]
            task = np.clip(np.clip(task, 0, 1) + 0.1 * rng.normal(size=self.d), 0, 1)
            self.goal, self.results = rng.random(self.d) if self.lost else task, []
        return self.goal

    def observe(self, task, reward, success, rng):
        if self.replayed:
            return
        self.results.append(success)
        if len(self.results) < 2:
            return
        rate = np.mean(self.results)
        self.labeled.append((task, 0.25 <= rate <= 0.75))
        self.goal = None
        limit = 0.01 * np.sqrt(self.d)
        if rate > 0.75 and all(np.linalg.norm(task - r) > limit for r in self.replays):
            self.replays = [*self.replays[-511:], task]
        if len(self.labeled) < 100:
            return
        x, y = map(np.array, zip(*self.labeled, strict=True))
        self.lost, self.labeled = not y.any(), []
        if y.any():
            self.train(x, y.astype(float), 250, rng)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Coupling:
    """One affine coupling, both ways, with its gradients."""

    def __init__(self, change, width, rng, rate):
        self.change, d = change, len(change)
        self.network = Network([d + 1, width, width, 2 * d], rng, zero_last=True, tanh=True)
        self.adam = Adam(self.network, rate)
        self.gradients = [np.zeros_like(p) for p in self.network.parts]

    def terms(self, x, f):
        d = len(self.change)
        out = self.network.forward(np.concatenate([np.where(self.change, 0, x), f[:, None]], 1))
        raw = out[:, :d] + np.log(np.expm1(0.99))
        return 0.01 + np.log1p(np.exp(raw)), out[:, d:], raw

    def forward(self, x, f):
        self.x, (self.scale, shift, self.raw) = x, self.terms(x, f)
        logs = np.where(self.change, np.log(self.scale), 0).sum(1)
        return np.where(self.change, x * self.scale + shift, x), logs

    def inverse(self, y, f):
        self.scale, shift, self.raw = self.terms(y, f)
        self.x = np.where(self.change, (y - shift) / self.scale, y)
        return self.x, np.where(self.change, np.log(self.scale), 0).sum(1)

    def learn(self, scale_delta, shift_delta):
        """Collect the gradient for those of scale and shift; return that of the fixed numbers."""
        deltas = np.where(self.change, scale_delta * sigmoid(self.raw), 0)
        deltas = np.concatenate([deltas, np.where(self.change, shift_delta, 0)], 1)
        gradients, delta = self.network.backward(deltas)
        for total, more in zip(self.gradients, gradients, strict=True):
            total += more
        return np.where(self.change, 0, delta[:, :-1])

    def backward(self, delta, log_delta):
        """Return the gradient of the input of `forward`; `log_delta` is that of the logs."""
        scale_delta = delta * self.x + log_delta[:, None] / self.scale
        return np.where(self.change, delta * self.scale, delta) + self.learn(scale_delta, delta)

    def backward_inverse(self, delta, log_delta):
        """Return the gradient of the input of `inverse`."""
        back = delta / self.scale
        scale_delta = -back * self.x + log_delta[:, None] / self.scale
        return np.where(self.change, back, delta) + self.learn(scale_delta, -back)

    def step(self):
        self.adam.step(self.gradients)
        self.gradients = [np.zeros_like(p) for p in self.network.parts]


class SetterSolver:
    """A conditional flow and a judge, trained every 50 episodes."""

    def __init__(self, d, rng):
        numbers = np.arange(d)
        block = [numbers >= d // 2, numbers < d // 2, numbers % 2 == 0]
        self.couplings = [Coupling(change, 64, rng, 1e-3) for change in block * 3]
        self.judge = Network([d, 64, 64, 64, 1], rng)
        self.adam = Adam(self.judge, 1e-3)
        self.d, self.rows, self.lost, self.count = d, [], False, 0

    def sample(self, z, f):
        x, logs = z, 0.0
        for coupling in self.couplings:
            x, more = coupling.forward(x, f)
            logs = logs + more
        return x, logs

    def propose(self, rng):
        self.f = (rng.integers(1024) + 0.5) / 1024
        if not self.lost:
            return sigmoid(self.sample(rng.normal(size=(1, self.d)), np.array([self.f]))[0])[0]
        task = rng.random(self.d)
        chance = sigmoid(self.judge.forward(2 * task[None] - 1)[0, 0])
        self.f = (np.floor(min(chance, 0.9999) * 1024) + 0.5) / 1024
        return task

    def observe(self, task, reward, success, rng):
        self.rows = [*self.rows[-511:], (task, self.f, success)]
        self.count += 1
        if self.count % 50:
            return
        self.lost = not any(success for *_, success in self.rows[-50:])
        x, f, y = map(np.array, zip(*self.rows, strict=True))
        for _ in range(8):
            rows = rng.integers(len(x), size=64)
            logits = self.judge.forward(2 * x[rows] - 1)[:, 0]
            delta = (sigmoid(logits) - y[rows])[:, None] / 64
            self.adam.step(self.judge.backward(delta)[0])
            self.generate_and_learn((rng.integers(1024, size=64) + 0.5) / 1024, rng)
            rows = rows[y[rows] > 0.5]
            if len(rows):
                noise = 0.1 * (rng.random((len(rows), self.d)) - 0.5)
                self.remember(np.clip(x[rows] + noise, 1e-4, 1 - 1e-4), f[rows])
            for coupling in self.couplings:
                coupling.step()

    def generate_and_learn(self, f, rng):
        """The gradients of the losses of feasibility and coverage."""
        x, _ = self.sample(rng.normal(size=(64, self.d)), f)
        points = sigmoid(x)
        logits = self.judge.forward(2 * points - 1)[:, 0]
        wanted = np.log(f) - np.log1p(-f)
        _, delta = self.judge.backward(2 * (logits - wanted)[:, None] / 64)
        delta = 2 * delta * points * (1 - points) - (1 - 2 * points) / 64
        for coupling in reversed(self.couplings):
            delta = coupling.backward(delta, np.full(64, -1 / 64))

    def remember(self, points, f):
        """The gradient of the loss of validity."""
        x, n = np.log(points) - np.log1p(-points), len(points)
        for coupling in reversed(self.couplings):
            x, _ = coupling.inverse(x, f)
        delta = x / n
        for coupling in self.couplings:
            delta = coupling.backward_inverse(delta, np.full(n, 1 / n))


class SelfPaced:
    """SPDL with SciPy's optimizer, in double precision."""

    def __init__(self, d, rng, easy=False):
        self.d, self.rows, self.updates, self.fallback = d, [], 0, 0.0
        self.mean, self.factor = rng.random(d), 0.1 * np.eye(d)
        if easy:
            self.mean, self.factor = np.full(d, 0.025), 0.0125 * np.eye(d)
        self.easy = easy

    def propose(self, rng):
        self.own = rng.random() >= self.fallback
        if not self.own:
            return rng.random(self.d) * (0.05 if self.easy else 1)
        return np.clip(self.mean + self.factor @ rng.normal(size=self.d), 0, 1)

    def observe(self, task, reward, success, rng):
        self.rows.append((task, reward, success, self.own))
        if len(self.rows) == 250:
            self.update(*map(np.array, zip(*self.rows, strict=True)))
            self.rows = []

    def update(self, x, values, success, own):
        d, old = self.d, (self.mean, self.factor)
        mean = values[own].mean() if own.any() else 0.0
        informed = own.any() and (success[own].any() or np.ptp(values[own]) > 1e-6)
        found = ~own & (success > 0)
        target = np.full(d, 0.5), 0.25 * np.eye(d)
        alpha = 0.25 * max(0, mean) / max(divergence(old, target), 1e-10)
        alpha = min(alpha, 1e5) if self.updates >= 10 else 0.0
        gains = np.where(own, values - mean, 0) / max(own.sum(), 1)
        if not informed:
            alpha, gains = float(found.any()), 0 * gains
            if found.any():
                target = x[found].mean(0), 0.1 * np.eye(d)
        self.fallback = 0.0 if informed else 0.5 if found.any() else 1.0
        self.updates += 1
        base, below = density(old, x), np.tril_indices(d, -1)

        def unpacked(theta):
            relative = np.diag(np.exp(theta[d : 2 * d]))
            relative[below] = theta[2 * d :]
            return old[0] + old[1] @ theta[:d], old[1] @ relative

        def loss(theta):
            p = unpacked(theta)
            ratio = np.exp(np.minimum(density(p, x) - base, 20))
            return alpha * divergence(p, target) - ratio @ gains

        size = 2 * d + len(below[0])
        limit = {"type": "ineq", "fun": lambda theta: 0.1 - divergence(old, unpacked(theta))}
        bounds = [(-0.6, 0.6)] * size
        scale = max(abs(loss(np.full(size, 0.05)) - loss(np.zeros(size))), 1e-9)
        found_ = optimize.minimize(
            lambda theta: loss(theta) / scale,
            np.zeros(size),
            method="SLSQP",
            bounds=bounds,
            constraints=[limit],
            options={"maxiter": 40},
        )
        if limit["fun"](found_.x) >= -1e-6 and loss(found_.x) < loss(np.zeros(size)):
            self.mean, self.factor = unpacked(found_.x)


def divergence(p, q):
    """KL(p || q) of Gaussians (mean, Cholesky factor)."""
    ratio = np.linalg.solve(q[1], p[1])
    away = np.linalg.solve(q[1], p[0] - q[0])
    size = (ratio**2).sum() + (away**2).sum() - len(away)
    return 0.5 * size - np.log(np.abs(np.diag(ratio))).sum()


def density(gaussian, x):
    """The log-density of rows, up to a constant."""
    white = np.linalg.solve(gaussian[1], (x - gaussian[0]).T)
    return -0.5 * (white**2).sum(0) - np.log(np.abs(np.diag(gaussian[1]))).sum()
