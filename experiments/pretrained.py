"""Train the pretrained policies: `python -m didact.experiments.pretrained [NAME ...]`.

Each policy is trained by one command, which its card records, and copied to the folder of shipped
policies. Finished runs under runs/ are not repeated. The policy `generalist` is distilled from
experts that `didact benchmark kickstarting` must train first.
"""

import contextlib
import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from didact.environments import SettingError
from didact.environments.registry import suggest
from didact.experiments.cli import main
from didact.students import load_policy, save_policy
from didact.students.policies.lookup import SHIPPED

RUNS = Path("runs") / "pretrained"

# Name: (description, command).
POLICIES = {
    "goto-local": (
        "Goes to one of eight objects in a room.",
        "train --env BabyAI-GoToLocal-v0 --steps 3000000",
    ),
    "put-next-local": (
        "Puts one of eight objects in a room next to another.",
        "distill solver --env BabyAI-PutNextLocal-v0 --steps 4000000",
    ),
    "pickup-loc": (
        "Picks up an object in a room; instructions may describe its location.",
        "distill solver --env BabyAI-PickupLoc-v0 --steps 4000000",
    ),
    "open": (
        "Opens a door in a maze of nine rooms.",
        "distill solver --env BabyAI-Open-v0 --steps 4000000",
    ),
    "goto-seq": (
        "Goes to up to four objects in a maze of four small rooms, in the given order.",
        "distill solver --env BabyAI-GoToSeqS5R2-v0 --steps 6000000",
    ),
    "mini-boss": (
        "Follows any Baby Language instruction in four small rooms.",
        "distill solver --env BabyAI-MiniBossLevel-v0 --steps 5000000",
    ),
    "walker": (
        "Walks over the uneven ground of BipedalWalker-v3.",
        "train --env BipedalWalker --teacher uniform --warm-up 0 --num-envs 512 "
        "--rollout-length 64 --steps 8000000 --seed 0 --ppo.num-minibatches 16 "
        "--ppo.num-epochs 5 --ppo.learning-rate 5e-4 --ppo.final-learning-rate 2e-5 "
        "--ppo.entropy-coefficient 0.0005 --ppo.final-entropy-coefficient 0.0005 "
        "--ppo.network.memory 0 --ppo.network.hidden 64 --ppo.network.initial-std 1.0",
    ),
    "stump-walker": (
        "Walks over stumps of up to half a meter.",
        "train --env StumpTracks --teacher paced --warm-up 0 --num-envs 128 "
        "--rollout-length 256 --steps 12000000 --seed 0 --ppo.num-minibatches 16 "
        "--ppo.num-epochs 5 --ppo.learning-rate 5e-4 --ppo.final-learning-rate 1e-4 "
        "--ppo.entropy-coefficient 0.0005 --ppo.final-entropy-coefficient 0.0005 "
        "--ppo.network.memory 0 --ppo.network.hidden 64 --ppo.network.initial-std 1.0",
    ),
    "swimmer": (
        "Swims as a fish through the parkour, over slopes and beneath a ceiling.",
        "train --env Parkour --env-settings body=fish --tasks water_level=0.9..1 "
        "--evaluate-on gentle hills steep --teacher paced --warm-up 0 --num-envs 128 "
        "--rollout-length 256 --steps 12000000 --seed 0 --ppo.num-minibatches 16 "
        "--ppo.num-epochs 5 --ppo.learning-rate 5e-4 --ppo.final-learning-rate 1e-4 "
        "--ppo.entropy-coefficient 0.0005 --ppo.final-entropy-coefficient 0.0005 "
        "--ppo.network.memory 0 --ppo.network.hidden 64 --ppo.network.initial-std 1.0",
    ),
    "climber": (
        "Hangs from the ceiling or from creepers as a chimpanzee, and swings forward.",
        "train --env Parkour --env-settings body=climbing_chimpanzee --teacher paced --warm-up 0 "
        "--num-envs 128 --rollout-length 256 --steps 8000000 --seed 0 --ppo.num-minibatches 16 "
        "--ppo.num-epochs 5 --ppo.learning-rate 5e-4 --ppo.final-learning-rate 1e-4 "
        "--ppo.entropy-coefficient 0.0005 --ppo.final-entropy-coefficient 0.0005 "
        "--ppo.network.memory 0 --ppo.network.hidden 64 --ppo.network.initial-std 1.0",
    ),
    "generalist": (
        "Follows six kinds of instructions in two rooms with four objects.",
        "distill --env MiniSynth --steps 6000000 "
        + " ".join(
            f"runs/kickstarting/experts/{name}"  # trained by `didact benchmark kickstarting`
            for name in ("go-to", "open", "pick-up", "put-next", "both", "sequence")
        ),
    ),
}


def make_policy(name: str) -> Path:
    """Train a policy, unless its run is finished, and copy it to the shipped policies.

    Raises:
        SettingError: the name is unknown.
    """
    if name not in POLICIES:
        raise suggest("policy", name, list(POLICIES))
    description, command = POLICIES[name]
    run = RUNS / name
    if not (run / "policy").is_dir():
        main([*shlex.split(command), "--run", str(run)])
    policy = load_policy(run)
    scores = policy.card["scores"] or _scores(run, policy.card["training"]["settings"]["experts"])
    card = policy.card | {
        "name": name,
        "description": description,
        "made_by": f"didact {command}",
        "scores": {
            place: score | {"command": score["command"].replace(str(run / "policy"), name)}
            for place, score in scores.items()
        },
    }
    return save_policy(SHIPPED / name, card, policy.params)


def _scores(run: Path, experts: list[str]) -> dict[str, dict[str, Any]]:
    """Evaluate a distilled policy on the tasks of each of its experts."""
    scores = {}
    for expert in experts:
        tasks = load_policy(expert).card["training"]["settings"]["tasks"]
        command = ["evaluate", str(run / "policy"), "--episodes", "1000", "--tasks", *tasks]
        rates = {}
        for name, how in {"sampled": [], "greedy": ["--greedy"]}.items():
            with contextlib.redirect_stdout(io.StringIO()) as output:
                main([*command, *how, "--json"])
            rates[name] = json.loads(output.getvalue())["success"]
        scores[Path(expert).name] = rates | {"command": shlex.join(["didact", *command])}
    return scores


if __name__ == "__main__":
    try:
        for name in sys.argv[1:] or POLICIES:
            print(make_policy(name))
    except SettingError as error:
        sys.exit(f"didact: {error}")
