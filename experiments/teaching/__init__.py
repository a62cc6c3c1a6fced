"""Teaching as an environment: an agent chooses the tasks of a pupil and is rewarded for its gain.

Importing the module `didact.experiments.teaching.registered` registers the environment.
"""

from didact.experiments.teaching.env import Teaching, TeachingState
from didact.experiments.teaching.players import teacher_as_student
from didact.experiments.teaching.pupils import Lesson, Pupil, toy_pupil, trained_pupil

__all__ = [
    "Lesson",
    "Pupil",
    "Teaching",
    "TeachingState",
    "teacher_as_student",
    "toy_pupil",
    "trained_pupil",
]
