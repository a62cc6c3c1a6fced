"""Settings of teachers as published, by name: `make("alp_gmm", space, preset="paper")`.

"paper" are the settings of the paper that introduced the teacher (of Portelas et al., CoRL 2019,
for Covar-GMM, RIAC and the oracle), and "tma" those tuned for TeachMyAgent (Romac et al., ICML
2021). "tma_class" are the defaults of TeachMyAgent's class, where they differ from both. Thresholds
of returns are those of the walkers there; `return_range` must be given. Settings that are given
explicitly take precedence.
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
            "iterations": 100,
        },
        "tma": {
            "fit_rate": 150,
            "window": 150,
            "k_min": 2,
            "k_max": 9,
            "random_fraction": 0.05,
            "history": ALL,
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
        "paper": {"max_region_size": 200, "attempts": 50, "min_width": 1 / 15},
        "tma": {"max_region_size": 150, "attempts": 75, "min_width": 0.1},
        "tma_class": {"max_region_size": 200, "attempts": 50, "min_width": 1 / 6},
    },
    "adr": {
        "tma": {
            "boundary_fraction": 0.7,
            "queue": 10,
            "step": 0.1,
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
}
