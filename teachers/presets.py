"""Settings of teachers as published, by name: `make("alp_gmm", space, preset="paper")`.

"paper" are the settings of the paper that introduced the teacher (of Portelas et al., CoRL 2019,
for Covar-GMM, RIAC and the oracle), and "tma" those tuned for TeachMyAgent (Romac et al., ICML
2021). "tma_class" are the defaults of TeachMyAgent's class, where they differ from both. Thresholds
of returns are those of the walkers there; `return_range` must be given. Settings that are given
explicitly take precedence.

The published code of ALP-GMM, RIAC and ADR measures distances, mutations and steps in the numbers
of tasks, so these presets have `task_units`. Differences that remain are in the docstrings of the
teachers; one that they share is that mixtures and Gaussians are fitted in fractions of the ranges.
"""

from typing import Any

ALL = 20_000  # the papers search the whole history; this is all of it in their toy experiments

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "alp_gmm": {
        "paper": {
            "fit_rate": 250,
            "window": 250,
            "k_min": 2,
            "k_max": 10,
            "random_fraction": 0.2,
            "history": ALL,
            "task_units": True,
            "iterations": 100,
        },
        "tma": {
            "fit_rate": 150,
            "window": 150,
            "k_min": 2,
            "k_max": 9,
            "random_fraction": 0.05,
            "history": ALL,
            "task_units": True,
            "iterations": 100,
        },
    },
    "covar_gmm": {
        "paper": {
            "fit_rate": 250,
            "window": 250,
            "k_min": 2,
            "k_max": 10,
            "random_fraction": 0.2,
            "iterations": 100,
        },
        "tma": {
            "fit_rate": 150,
            "window": 150,
            "k_min": 2,
            "k_max": 14,
            "random_fraction": 0.1,
            "iterations": 100,
        },
    },
    "riac": {
        "paper": {
            "max_region_size": 200,
            "attempts": 50,
            "min_width": 1 / 15,
            "task_units": True,
        },
        "tma": {"max_region_size": 150, "attempts": 75, "min_width": 0.1, "task_units": True},
        "tma_class": {
            "max_region_size": 200,
            "attempts": 50,
            "min_width": 1 / 6,
            "task_units": True,
        },
    },
    "adr": {
        "tma": {
            "boundary_fraction": 0.7,
            "queue": 10,
            "step": 0.1,
            "task_units": True,
            "high": 180.0,
            "low": 0.0,
            "outcome": "return",
        },
    },
    "oracle": {
        "paper": {
            "window": 1 / 6,
            "step": 1 / 30,
            "every": 50,
            "threshold": 230.0,
            "outcome": "return",
        },
    },
    # The authors' code counts updates from 1 and has alpha = 0 while the number is below 10.
    "self_paced": {
        # Two-dimensional point mass, PPO: rollouts of 2,048 steps, and no update after the first 5.
        "paper": {
            "counted": "steps",
            "update_every": 2048,
            "start": 6 * 2048,
            "alpha_offset": 9,
            "zeta": 1.6,
            "max_kl": 0.05,
            "min_std": 0.025,
            "kl_threshold": 8000.0,
            "memory": 1000,
        },
        "tma": {
            "counted": "steps",
            "update_every": 50_000,
            "start": 200_000,
            "alpha_offset": 9,
            "zeta": 0.25,
            "max_kl": 0.1,
            "memory": 1000,
        },
    },
    "goal_gan": {
        # Goals in a maze; the noise of the generator has 4 dimensions there, and d here.
        "paper": {
            "update_every": 200,
            "rollouts": 2,
            "lowest": 0.1,
            "highest": 0.9,
            "replay_fraction": 1 / 3,
            "noise": 0.5 / 14,
            "distance": 0.015,
            "steps": 300,
            "generator_width": 256,
            "discriminator_width": 128,
        },
        "tma": {
            "update_every": 100,
            "rollouts": 2,
            "replay_fraction": 1 / 19,  # a goal of 10, the others being tried twice
            "noise": 0.1,
            "generator_width": 256,
            "discriminator_width": 128,
        },
    },
    "setter_solver": {
        "tma": {
            "update_every": 50,
            "memory": 50,
            "batch": 50,
            "steps": 1,
            "noise": 0.1,
            "width": 64,
            "judge_width": 64,
            "learning_rate": 3e-4,
        },
    },
}
