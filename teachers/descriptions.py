"""The sources, requirements, strengths and weaknesses of the built-in teachers.

`register` adds these fields to the entry of the same name, and `didact list teachers` shows them.
`docs/which_teacher.md` has the measurements behind the statements about results.
"""

ABOUT: dict[str, dict[str, str]] = {
    "uniform": {
        "paper": "Tobin et al., Domain randomization, IROS 2017 (arXiv:1703.06907)",
        "needs": "nothing",
        "good": "the baseline; spaces in which most tasks teach something, such as GoTo",
        "bad": "spaces in which most tasks are out of reach of a beginner",
    },
    "alp_gmm": {
        "paper": "Portelas et al., Teacher algorithms for curriculum learning of deep RL in "
        "continuously parameterized environments, CoRL 2019 (arXiv:1910.07224)",
        "needs": "a Box",
        "good": "dimensions without effect: it masters as many cells of the toy grid with five "
        "of them as without",
        "bad": "a student that never succeeds, where all progress is 0 (then it is uniform); many "
        "episodes between two updates",
    },
    "covar_gmm": {
        "paper": "Moulin-Frier et al., Self-organization of early vocal development in infants and "
        "machines, Frontiers in Psychology 2014; Portelas et al., CoRL 2019 (arXiv:1910.07224)",
        "needs": "a Box",
        "good": "outcomes that improve steadily: on the toy grid it masters more than ALP-GMM",
        "bad": "many episodes between two updates, which show little change with time",
    },
    "riac": {
        "paper": "Baranes and Oudeyer, R-IAC, IEEE TAMD 2009; Portelas et al., CoRL 2019 "
        "(arXiv:1910.07224)",
        "needs": "a Box",
        "good": "few dimensions; of the progress teachers, it lost least in batches of 1,024",
        "bad": "dimensions without effect: its splits are along one dimension at a time",
    },
    "adr": {
        "paper": "Akkaya et al., Solving Rubik's cube with a robot hand, 2019 (arXiv:1910.07113)",
        "needs": "a Box; easy tasks to start from; thresholds on the outcome",
        "good": "difficulty that grows from the easy tasks towards the ends of the ranges",
        "bad": "infeasible ends; tasks inside the box that were forgotten",
    },
    "oracle": {
        "paper": "Portelas et al., CoRL 2019 (arXiv:1910.07224), the hand-made curriculum",
        "needs": "a Box; easy tasks to start from; a threshold on the outcome",
        "good": "a reference where difficulty is known to increase along every dimension",
        "bad": "it never returns to earlier tasks, and moves all dimensions at once",
    },
    "paced": {
        "needs": "a Box; easy tasks that touch an end of its ranges",
        "good": "spaces that are mostly out of reach of a beginner, with one easy corner",
        "bad": "beginners that fail in the corner itself; several separate easy regions",
    },
    "growing_box": {
        "paper": "after Akkaya et al., 2019 (arXiv:1910.07113)",
        "needs": "a Box; easy tasks to start from",
        "good": "as paced, where some dimensions are harder than others: its faces move separately",
        "bad": "many dimensions, because every face needs episodes of its own",
    },
    "learning_progress": {
        "paper": "Kanitscheider et al., 2021 (arXiv:2106.14876); Zhang et al., OMNI, ICLR 2024 "
        "(arXiv:2306.01711)",
        "needs": "a Box with at most 4,096 cells",
        "good": "finite sets of tasks, such as a few whole numbers",
        "bad": "many dimensions; tasks that never succeed by chance; more than about 100 episodes "
        "of a cell in one update, which make both averages equal",
    },
    "pool": {
        "paper": "score: Rutherford et al., No regrets, NeurIPS 2024 (arXiv:2408.15099)",
        "needs": "a proposer (--proposer), or a list of first tasks",
        "good": "few, discrete tasks that something else writes, such as a language model",
        "bad": "large continuous spaces, of which the pool holds only `capacity` tasks",
    },
    "transformer": {
        "paper": "reward: Xia et al., Agent0, 2025 (arXiv:2511.16043); regret: Dennis et al., "
        "PAIRED, NeurIPS 2020 (arXiv:2012.02096)",
        "needs": "a Box; the score positive_value_loss of the student for reward=regret",
        "good": "spaces with several separate regions of useful tasks; it mastered most cells "
        "of the toy grid",
        "bad": "it trains two networks while the student learns; on grid worlds it was not "
        "better than uniform",
    },
    "paired": {
        "paper": "Dennis et al., Emergent complexity and zero-shot transfer via unsupervised "
        "environment design, NeurIPS 2020 (arXiv:2012.02096)",
        "needs": "a Box; a second student, which is trained with half of the environments",
        "good": "spaces with unsolvable tasks, which it avoids",
        "bad": "two students that fail alike leave no regret to follow; each of them sees half of "
        "the steps",
    },
    "minimax": {
        "paper": "Dennis et al., NeurIPS 2020 (arXiv:2012.02096): the minimax adversary",
        "needs": "a Box",
        "good": "the baseline of paired; robustness where every task can be solved",
        "bad": "spaces with unsolvable tasks, which it prefers",
    },
    "plr": {
        "paper": "Jiang et al., Prioritized level replay, ICML 2021 (arXiv:2010.03934)",
        "needs": "scores of the student, such as value, except for score=learnability",
        "good": "tasks that are whole levels, of which most are too easy or unsolvable",
        "bad": "a Box whose tasks stand for many levels: a score is that of few episodes; short "
        "trainings: nothing is replayed before capacity * minimum_fill levels were played",
    },
    "plr_robust": {
        "paper": "Jiang et al., Replay-guided adversarial environment design, NeurIPS 2021 "
        "(arXiv:2110.02439)",
        "needs": "scores of the student, such as value, except for score=learnability",
        "good": "as plr; the student never learns from levels that were not chosen",
        "bad": "as plr; a fifth of the steps teach the student nothing",
    },
    "accel": {
        "paper": "Parker-Holder et al., Evolving curricula with regret-based environment design, "
        "ICML 2022 (arXiv:2203.01302)",
        "needs": "scores of the student, such as value, except for score=learnability",
        "good": "levels that random sampling does not find, reached by small edits",
        "bad": "more than half of the steps teach the student nothing",
    },
    "sfl": {
        "paper": "Rutherford et al., No regrets, NeurIPS 2024 (arXiv:2408.15099)",
        "needs": "outcomes that are successes or failures",
        "good": "random levels of which few are neither too easy nor unsolvable",
        "bad": "looking at levels takes a quarter of the steps, unless learn_from_looks=true; "
        "nothing is kept before 2 * candidates * tries looked-at episodes",
    },
    "ncc": {
        "paper": "Monette et al., An optimisation framework for unsupervised environment design, "
        "RLC 2025 (arXiv:2505.20659)",
        "needs": "outcomes that are successes or failures",
        "good": "as sfl, with a distribution that changes smoothly",
        "bad": "looking at levels takes a quarter of the steps",
    },
    "mixture": {
        "needs": "other teachers by name, as in teachers=alp_gmm,uniform",
        "good": "a fixed share of one teacher's tasks among those of another",
        "bad": "proposing costs as much as all parts together",
    },
    "bandit": {
        "paper": "after Graves et al., Automated curriculum learning for neural networks, ICML "
        "2017 (arXiv:1704.03003)",
        "needs": "other teachers by name, as in teachers=alp_gmm,uniform",
        "good": "when it is unknown which teacher suits a space, or this changes in training",
        "bad": "proposing costs as much as all parts together; changes are noticed after about"
        " `horizon` episodes",
    },
    "shuffled": {
        "paper": "Romac et al., TeachMyAgent, ICML 2021 (arXiv:2103.09815): rugged difficulty",
        "needs": "a Box; another teacher by name, as in teacher=alp_gmm",
        "good": "measuring how much a teacher relies on neighboring tasks being alike",
        "bad": "not meant to help a student",
    },
    "solvable_first": {
        "paper": "the control of ATLAS, AAAI 2026 (arXiv:2511.12706)",
        "needs": "a task space that knows which tasks are solvable, such as mazes",
        "good": "separating what a curriculum contributes from avoiding unsolvable tasks",
        "bad": "spaces in which almost no task is solvable: it asks a limited number of times",
    },
    "self_paced": {
        "paper": "Klink et al., Self-paced deep reinforcement learning, NeurIPS 2020 "
        "(arXiv:2004.11812)",
        "needs": "a Box; boxes of initial tasks and of target tasks (recommended)",
        "good": "moving from easy tasks to a given target distribution, at a bounded rate",
        "bad": "spaces with several separate easy regions: its distribution is one Gaussian",
    },
    "goal_gan": {
        "paper": "Florensa et al., Automatic goal generation for reinforcement learning agents, "
        "ICML 2018 (arXiv:1705.06366)",
        "needs": "a Box; samples of easy tasks for its start (recommended)",
        "good": "useful tasks on a thin set, such as a line through a space of many dimensions",
        "bad": "it trains two networks; each task is tried more than once for a label",
    },
    "setter_solver": {
        "paper": "Racaniere et al., Automated curricula through setter-solver interactions, ICLR"
        " 2020 (arXiv:1909.12892)",
        "needs": "a Box",
        "good": "tasks of a wanted difficulty that still cover the feasible part of the space",
        "bad": "it trains two networks, and three losses must balance",
    },
    "learnability": {
        "paper": "score: Rutherford et al., No regrets, NeurIPS 2024 (arXiv:2408.15099); a "
        "learned model of it: this package",
        "needs": "a Box; an easy part to fall back to, or none (then uniform)",
        "good": "outcomes that are success or failure, of which it learns the probability over "
        "the whole space",
        "bad": "sharp or rugged borders of difficulty, which a small network smooths",
    },
    "magellan": {
        "paper": "Gaven et al., MAGELLAN: metacognitive predictions of learning progress guide "
        "autotelic LLM agents in large goal spaces, ICML 2025 (arXiv:2502.07709)",
        "needs": "instructions as tokens or sentence vectors",
        "good": "thousands of instructions, most of which are never tried: progress generalizes"
        " between them",
        "bad": "few instructions, for which a table (learning_progress) is exact",
    },
    "rarity": {
        "paper": "Ammanabrolu et al., Situated dialogue learning through procedural environment "
        "generation, ACL 2022 (arXiv:2110.03262)",
        "needs": "a set of tasks or instructions, whose density is estimated",
        "good": "covering the tail of a given set, which uniform sampling of the set rarely visits",
        "bad": "outcomes do not tell it which tasks are hopeless, only how fast to reach the tail",
    },
}
