"""Compare teachers in a suite: `didact benchmark curriculum --suite NAME`.

Each teacher is one job, whose results are a file of its own; a finished job is never run again.
"""

import dataclasses
import functools
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from didact.benchmarks import hardware, resumed_results
from didact.benchmarks.curricula.settings import CurriculumConfig
from didact.benchmarks.suites import jobs, ray_jobs, stored_results, summaries, workers
from didact.benchmarks.suites.reporting import report
from didact.benchmarks.suites.suite_files import Suite, read_suite
from didact.benchmarks.suites.suite_names import shipped
from didact.common import display, foreign_files, strict_json
from didact.common.errors import SettingError
from didact.common.extensions import OPTION as IMPORT
from didact.common.extensions import import_all
from didact.common.files import writable
from didact.common.settings import checked as settings_checked
from didact.common.settings import fields_of
from didact.environments.task_spaces import Box

RESULT = "suite.json"
REPORT_LOCK = ".report.lock"
OTHERS = ("env", "num_envs", "warm_up", "train_config", "test_tasks")  # which the suite decides


def compare(config: CurriculumConfig) -> dict[str, Any]:
    """Run the jobs of a suite that are not finished, and write the report.

    The report has all teachers that are finished in the folder, also those of earlier calls.

    Returns:
        `suite`, `settings`, `tests` (the number of test tasks by group), `teachers` (the results of
        `jobs.run`), `summary` (see `summaries.summarise`), `verdict`, and `files`. With a dry run,
        `suite` and `commands`.

    Raises:
        SettingError: a setting is invalid, or the folder holds results for other settings.
    """
    config = settings_checked(config, "--")
    config = dataclasses.replace(config, imports=import_all(config.imports))
    for name in OTHERS:
        if getattr(config, name) is not None:
            allowed = "omitted with --suite, which decides it"
            raise SettingError(f"--{name.replace('_', '-')}", getattr(config, name), allowed)
    suite = read_suite(str(config.suite)).with_knowledge(config.knowledge)
    budget = suite.budget(config.budget)
    known = budget.teachers
    if suite.easy is None:
        known = tuple(label for label in known if not jobs.needs_easy_tasks(label))
    labels = config.teachers or known
    if len(set(labels)) != len(labels):
        raise SettingError("--teachers", " ".join(labels), "different teachers")
    seeds = budget.seeds if config.seeds is None else config.seeds
    planned = [
        jobs.Job(
            suite,
            label,
            config.steps or budget.steps,
            seeds,
            config.seed,
            config.num_evaluations,
            config.llm,
        )
        for label in labels
    ]
    for job in planned:  # validates all settings before the first long training
        jobs.loop_of(job)
    if config.dry_run:
        return {"suite": suite.name, "commands": [command_of(config, x.teacher) for x in planned]}
    part = config.budget if config.knowledge == "high" else f"{config.budget}-{config.knowledge}"
    folder = writable("--out", str(Path(config.out) / suite.name / part))
    if config.workers > 1 or config.ray:
        missing = {job.teacher: job for job in planned if not is_finished(job, folder)}
        if config.ray:
            whole = _with_whole_paths(config)
            commands = {name: command_of(whole, name) for name in missing}
            files = {name: folder / job.file for name, job in missing.items()}
            ray_jobs.run(commands, files, config.ray, config.workers)
        else:
            workers.run({name: command_of(config, name) for name in missing}, config.workers)
    for job in planned:
        finished(job, folder)
    return write(planned[0], folder)


def command_of(config: CurriculumConfig, teacher: str) -> list[str]:
    """Return the command that runs the job of one teacher."""
    plain = CurriculumConfig()
    words = ["didact", "benchmark", "curriculum", "--teachers", teacher]
    for name in (
        "suite",
        "budget",
        "steps",
        "seeds",
        "seed",
        "num_evaluations",
        "knowledge",
        "out",
    ):
        value = getattr(config, name)
        if value != getattr(plain, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    for text in config.imports:
        words += [IMPORT, text]
    for name, value in fields_of(config.llm).items():
        if value != getattr(plain.llm, name):
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--llm.{name.replace('_', '-')}", *map(str, values)]
    return words


def _with_whole_paths(config: CurriculumConfig) -> CurriculumConfig:
    """Return settings that mean the same in any folder."""
    suite = str(config.suite)
    if suite not in shipped():
        suite = str(Path(suite).resolve())
    return dataclasses.replace(config, suite=suite, out=str(Path(config.out).resolve()))


def is_finished(job: jobs.Job, folder: Path) -> bool:
    """Whether the results of a job are in its file."""
    return job.teacher in results_of(job, folder).rows


def finished(job: jobs.Job, folder: Path) -> dict[str, Any]:
    """Return the results of a job, from its file if there is one."""
    return results_of(job, folder).row(job.teacher, lambda: jobs.run(job, folder))


def results_of(job: jobs.Job, folder: Path) -> resumed_results.Results:
    """Return the file of the results of a job."""
    complete = functools.partial(is_row, suite=job.suite)
    return resumed_results.Results(folder / job.file, "rows", fingerprint(job), complete)


def fingerprint(job: jobs.Job) -> dict[str, Any]:
    """Return what the results of a job depend on."""
    settings = dataclasses.asdict(job.settings)
    del settings["run"], settings["llm"]["base_url"], settings["llm"]["api_key_env"]
    return {
        "suite": job.suite.name,
        "tests": job.suite.digest,
        "teacher": job.teacher,
        "evaluations": job.evaluations,
        "train": settings,
        **job.suite.profile.fingerprint,
        **job.parts,
    }


def digest_of_training(job: jobs.Job) -> str:
    """Return a digest of all that the jobs of a comparison share, for merging their results.

    It includes what only some of the teachers are given, so that controls fit to the teachers.
    """
    suite = job.suite
    settings = fingerprint(dataclasses.replace(job, teacher=summaries.BASELINE))
    settings["easy"] = None if suite.easy is None else jobs.bounds_of(suite.easy)
    settings["stages"] = [jobs.bounds_of(stage) for stage in suite.stages]
    settings["return_range"] = list(suite.return_range)
    for name in ("steps", "seed", "num_seeds", "llm"):  # stated in full, or of a teacher
        del settings["train"][name]
    if suite.knowledge != "high":
        settings["knowledge"] = suite.knowledge
    return hashlib.sha256(strict_json.dumps(settings).encode()).hexdigest()


def is_row(row: Any, suite: Suite) -> bool:
    """Whether a value read from a file is a result of `jobs.run`; a ValueError states why not."""
    stored_results.check_row(row, suite.tests, parameters_of(suite))
    return True


def parameters_of(suite: Suite) -> list[str]:
    """Return the names of the task parameters; none if tasks have no names."""
    return list(suite.space.names) if isinstance(suite.space, Box) else []


def finished_rows(job: jobs.Job, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results of all teachers in a folder whose trainings have the settings of a job.

    Files that are damaged or have other settings are left out, with a message.
    """
    complete = functools.partial(is_row, suite=job.suite)
    rows = {}
    for path in sorted(folder.glob("*.json")):
        if path.name == RESULT:
            continue
        try:
            known = strict_json.loads(foreign_files.read_bytes(path, resumed_results.MOST))
            name = known["settings"]["teacher"]
            settings = fingerprint(dataclasses.replace(job, teacher=name))
            settings["train"]["llm"] = known["settings"]["train"]["llm"]  # of that teacher alone
            rows[name] = resumed_results.rows_of(path, "rows", settings, complete)[name]
        except (OSError, *resumed_results.DAMAGED):  # a SettingError is a ValueError
            why = "it is damaged, or of other settings"
            display.terminal().print(f"{path.name} is not part of the report: {why}", markup=False)
    return rows


def write(job: jobs.Job, folder: Path) -> dict[str, Any]:
    """Write the results and the report of all teachers in a folder; see `finished_rows`.

    Commands that finish at the same time write one after another, so that the last has them all.
    """
    with resumed_results.held(folder / REPORT_LOCK):
        return _write(job, finished_rows(job, folder), folder)


def _write(job: jobs.Job, rows: Mapping[str, dict[str, Any]], folder: Path) -> dict[str, Any]:
    suite = job.suite
    sizes = {name: len(tasks) for name, tasks in suite.tests.items()}
    rows = {name: summaries.with_students(row, job.seeds) for name, row in rows.items()}
    summary = summaries.summarise(rows, sizes)
    result = {
        "suite": suite.name,
        "description": suite.description,
        "machine": hardware.describe(),
        "settings": {
            "steps": job.steps, "seeds": job.seeds, "seed": job.seed, "tests": suite.digest,
            "training": digest_of_training(job),
        },
        "tests": sizes,
        "profile": suite.profile.name or suite.name,
        "parameters": parameters_of(suite),
        "teachers": rows,
        "summary": summary,
        "verdict": summaries.verdict(summary),
    }  # fmt: skip
    resumed_results.write(folder / RESULT, result)
    result["files"] = {name: str(path) for name, path in report.write([result], folder).items()}
    return result


def read(path: Path) -> dict[str, Any]:
    """Read the results of a suite from its file or folder.

    Raises:
        SettingError: there are no results, or they are damaged.
    """
    path = path / RESULT if path.is_dir() else path
    try:
        result = strict_json.loads(foreign_files.read_bytes(path))
        stored_results.check(result)
        result["teachers"] = {
            name: summaries.with_students(row, result["settings"]["seeds"])
            for name, row in result["teachers"].items()
        }
        summary = summaries.summarise(result["teachers"], result["tests"])
    except (OSError, *resumed_results.DAMAGED) as error:
        stated = isinstance(error, OSError | ValueError)
        why = foreign_files.reason(error).rstrip(".") if stated else "a part is missing"
        allowed = (
            f"a folder with {RESULT}, as `didact benchmark curriculum --suite` writes it ({why})"
        )
        raise SettingError("RESULTS", str(path), allowed) from None
    return result | {"summary": summary, "verdict": summaries.verdict(summary)}


def table(result: dict[str, Any]) -> Table | Text:
    """Return the summary as a table, in the order of the area under the curve.

    Of a dry run, return the commands as text.
    """
    if "commands" in result:
        return Text("\n".join(map(shlex.join, result["commands"])))
    settings = result["settings"]
    made = Table(
        title=f"{result['suite']}: success on {sum(result['tests'].values())} test tasks after "
        f"{settings['steps']:,} steps, {settings['seeds']} seeds",
        caption="\n".join([*result["verdict"], result.get("files", {}).get("report", "")]).strip(),
        caption_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    made.add_column("teacher")
    for name in ("final % (95 %)", "p", "area % (95 %)", "p", "to 50 %", "dead"):
        made.add_column(name, justify="right")
    for name in summaries.ordered(result["summary"]):
        made.add_row(name, *cells(result["summary"][name]))
    return made


def cells(row: Mapping[str, Any]) -> list[str]:
    """Return the cells of a row of the table."""
    made = []
    for score in ("final", "area"):
        low, high = 100 * np.clip(row[f"{score}_interval"], 0, 1)
        p = row[f"{score}_p"]
        made += [f"{100 * row[f'{score}_mean']:.1f} [{low:.0f}, {high:.0f}]"]
        made += ["-" if p is None else f"{p:.1g}"]
    time = row["half_time"]
    return [*made, "-" if time is None else f"{time / 1000:,.0f} k", str(row["dead"])]


def merged(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge results of the same suite and settings; their teachers are compared with each other.

    Raises:
        SettingError: two results of a suite have different settings, or the same teacher.
    """
    made: dict[str, dict[str, Any]] = {}
    for result in results:
        name = result["suite"]
        if name not in made:
            made[name] = dict(result)
            continue
        first = made[name]
        settings = dict(result["settings"])
        if "training" not in first["settings"]:  # as in older results
            settings.pop("training", None)
        parts = {"settings": first["settings"] | settings}
        for part in ("settings", "tests", "parameters"):
            if first[part] != parts.get(part, result[part]):
                allowed = f"results with the {part} of the others of {name}, {first[part]}"
                raise SettingError("RESULTS", result[part], allowed)
        points, others = (next(iter(x["teachers"].values()))["steps"] for x in (first, result))
        if points != others:
            allowed = f"results with evaluations after the steps of the others of {name}, {points}"
            raise SettingError("RESULTS", others, allowed)
        twice = set(first["teachers"]) & set(result["teachers"])
        if twice:
            raise SettingError("RESULTS", sorted(twice), f"each teacher of {name} once")
        teachers = first["teachers"] | result["teachers"]
        summary = summaries.summarise(teachers, first["tests"])
        first |= {
            "teachers": teachers,
            "summary": summary,
            "verdict": summaries.verdict(summary),
        }
    return list(made.values())
