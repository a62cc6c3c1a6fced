"""Published results of Crafter, in percent of episodes.

References:
    Hafner, Benchmarking the spectrum of agent capabilities, ICLR 2022, and the result files of its
    repository (github.com/danijar/crafter). The rates of the uniform policy are recomputed from
    these files: 5 seeds, 5,957 episodes, whose mean length is 168 steps and mean return 1.38.
"""

RANDOM_EPISODES = 5957
RANDOM_LENGTH = 168.0
RANDOM = {
    "collect_drink": 9.32,
    "collect_sapling": 50.19,
    "collect_stone": 0.01,
    "collect_wood": 24.38,
    "defeat_skeleton": 0.02,
    "defeat_zombie": 0.14,
    "eat_cow": 0.38,
    "eat_plant": 0.01,
    "make_wood_pickaxe": 0.32,
    "make_wood_sword": 0.32,
    "place_plant": 44.61,
    "place_stone": 0.01,
    "place_table": 4.36,
    "wake_up": 93.6,
}  # the others are 0
# Score and return, mean and deviation over seeds; of trained methods, after 1 M steps.
SCORES = {
    "Human experts": ("50.5 ± 6.8", "14.3 ± 2.3"),
    "Achievement Distillation": ("21.8 ± 1.4", "12.6 ± 0.3"),
    "PPO-ResNet": ("15.6 ± 1.6", "10.3 ± 0.5"),
    "DreamerV3": ("14.5 ± 1.6", "11.7 ± 1.9"),
    "DreamerV2": ("10.0 ± 1.2", "9.0 ± 1.7"),
    "PPO": ("4.6 ± 0.3", "4.2 ± 1.2"),
    "Rainbow": ("4.3 ± 0.2", "6.0 ± 1.3"),
    "Random": ("1.6 ± 0.0", "2.1 ± 1.3"),
}
