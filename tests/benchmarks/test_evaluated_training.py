"""Trainings with evaluations: what is tested when the student is replaced."""

import jax
import numpy as np

from didact.benchmarks.evaluated_training import train_with_evaluations
from didact.experiments import setup
from didact.experiments.config import TrainConfig, checked
from didact.students.config import NetworkConfig, PPOConfig


def test_a_student_is_tested_before_it_is_replaced():
    network = NetworkConfig(memory=0, hidden=4)
    settings = checked(
        TrainConfig(
            env="ToyGrid", teacher="uniform", num_envs=4, rollout_length=2, steps=24, chunk=1,
            warm_up=0.0, ppo=PPOConfig(num_minibatches=1, num_epochs=1, network=network),
        )
    )  # fmt: skip
    loop = setup.loop_of(settings, setup.environment_of(settings), jax.devices()[:1])
    new = jax.device_get(loop.new_students(7))
    tested = {}

    def weights(student):
        return np.concatenate([np.ravel(x) for x in jax.tree.leaves(student.params)])

    def test(state, number):
        tested[number] = weights(state.student)
        return np.zeros(1)

    def replaced(state, metrics, number, tell):
        return loop.place(state._replace(student=new)) if number == 2 else state

    train_with_evaluations(loop, settings, {2, 3}, test, "x", between=replaced)
    start = weights(new)
    assert not np.array_equal(tested[2], start)
    # One update later, the new student is still near its start, unlike the one before it.
    distances = {number: np.abs(x - start).max() for number, x in tested.items()}
    assert distances[3] < 0.1 < distances[2]
