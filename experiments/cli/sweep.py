"""Train with many combinations of settings, given by a YAML file.

The file has base settings, lists of values in `grid` (all combinations) or `random` (samples), and
a number of seeds; see docs/sweeps.md. Each combination has a run folder. The same command continues
an interrupted sweep: finished runs are skipped, and an unfinished one is resumed.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Literal

import tyro

from didact.experiments.cli._options import Importing


@dataclasses.dataclass(frozen=True)
class Server:
    """The server of a language model, if the sweep file names one."""

    base_url: str | None = None
    """base URL of the server"""
    api_key_env: str = "OPENAI_API_KEY"
    """name of the environment variable that holds the API key"""


@dataclasses.dataclass(frozen=True)
class Options(Importing):
    file: tyro.conf.Positional[Path]
    """sweep file, in YAML or JSON"""
    out: Path | None = None
    """folder for the run folders; defaults to `out` in the file, or to runs/NAME for NAME.yaml"""
    proposer: Literal["none", "language-model"] = "none"
    """language-model: allow the file to ask OpenAI's server, or that of $OPENAI_BASE_URL"""
    llm: Server = dataclasses.field(default_factory=Server)
    """the server that the file wants to ask: files alone never ask a language model"""
    json: bool = False
    """print the results as JSON"""


def run(options: Options) -> None:
    """Run the sweep and print a table of the results; exit with code 1 if a training failed.

    Raises:
        SettingError: the file or a setting is invalid.
    """
    from didact.common import display, strict_json
    from didact.experiments.config import LLMConfig
    from didact.experiments.sweeps.sweep import sweep, table

    llm = LLMConfig(base_url=options.llm.base_url, api_key_env=options.llm.api_key_env)
    result = sweep(options.file, options.out, proposer=options.proposer, llm=llm)
    failed = [run for run in result["runs"] if run["error"]]
    if options.json:
        print(strict_json.dumps(result, indent=1))
    else:
        console = display.console()
        console.print(table(result))
        for each in failed:
            console.print(f"{each['name']}: {each['error']}")
        console.print(f"Plot the learning curves with: didact plot {result['out']}/*/")
    if failed:
        sys.exit(1)
