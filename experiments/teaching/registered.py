"""Register `Teaching`: `didact train --import didact.experiments.teaching.registered ...`.

Environments know nothing of `experiments`, so it is not registered with the built-in ones.
"""

from didact.environments import register
from didact.experiments.teaching.env import Teaching

register("Teaching", Teaching, "choose the tasks of a pupil; the reward is its gain on a test")
