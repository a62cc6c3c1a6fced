"""The report of one or several suites: one HTML page that needs no other file, figures and CSV.

All figures are also written as PNG and PDF, and films as GIF.
"""

import base64
import csv
import html
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from didact.benchmarks.suites import summaries
from didact.benchmarks.suites.reporting import figures, films, overview
from didact.benchmarks.suites.reporting.ranks import ranks_of
from didact.common.errors import SettingError
from didact.common.files import write_whole
from didact.common.plain_text import shown

PAGE = "report.html"
TABLE = "summary.csv"
SEEDS = "seeds.csv"
COLUMNS = (  # of the summary as CSV
    *("seeds", "trainings", "final_mean", "final_low", "final_high", "final_p"),
    *("area_mean", "area_low", "area_high", "area_p", "iqm", "improvement", "half_time", "dead"),
)
STYLE = """
:root { color-scheme: light dark; --text: #1d2126; --back: #fff; --line: #d9dce1; --soft: #5b616b; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e8eb; --back: #16191d; --line: #363b42; --soft: #a2a8b1; }
}
p, ul { max-width: 62rem; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
.soft { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: min(100%, 62rem); height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 6px; }
code { font-size: .85em; overflow-wrap: anywhere; }
"""
NOTES = """Success is measured on fixed test tasks that teachers do not see. The area is the mean of
the curve over the training, from 0 at its beginning. The levels of an evaluation are the same for
all seeds and teachers, so the curves share a part of its chance. Intervals are Student's
t-intervals (95 %) of the mean over seeds. p-values are Welch's tests against uniform sampling,
corrected by Holm's method. IQM is the interquartile mean of the final success, and P(better) the
probability that a seed is better than one of uniform sampling (Agarwal et al., 2021). A seed is
dead if its final success is below a tenth of the best teacher's mean. Success in the worst tasks
(CVaR) is that of a second pass in the tasks that were worst in a first one. Ranks are those of the
area, over bootstrap samples of the seeds. The radar shows the area as a part of the best teacher's
in the same profile. Steps count all seeds; seconds are training time without compilation and
tests."""


def write(results: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Path]:
    """Write the report, its figures as PNG and PDF, and the summary and all seeds as CSV.

    Args:
        results: results of `comparison.compare`, one for each suite.
        folder: existing output folder.

    Returns:
        The paths of the page, of the summary and of the success of all seeds, as `report`,
        `summary` and `seeds`.

    Raises:
        SettingError: the folder cannot be written.
    """
    try:
        return _write(results, folder)
    except OSError as error:
        allowed = f"a writable place ({error.strerror or error})"
        raise SettingError("--out", str(folder), allowed) from None


def _write(results: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Path]:
    page = folder / PAGE
    drawn = figures.styles_of(results)
    parts = _overview(results, folder, drawn)
    parts += [_section(result, folder, drawn) for result in results]
    names = ", ".join(str(result["suite"]) for result in results)
    title = _text(f"Curriculum benchmark: {names}")
    body = (
        f"<h1>{title}</h1>\n"
        + "\n".join(parts)
        + f"\n<p class=soft>{_text(' '.join(NOTES.split()))}</p>"
    )
    head = (
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        "<meta name=viewport content='width=device-width, initial-scale=1'>\n"
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n"
    )
    write_whole(page, f"{head}<body>\n{body}\n</body>\n</html>\n")
    write_whole(folder / TABLE, _summary_csv(results))
    write_whole(folder / SEEDS, _seeds_csv(results))
    return {"report": page, "summary": folder / TABLE, "seeds": folder / SEEDS}


def _overview(
    results: Sequence[Mapping[str, Any]], folder: Path, drawn: figures.Styles
) -> list[str]:
    """Return the parts about all suites together, if there are several."""
    if len(results) < 2 or not overview.common(results):
        return []
    parts = ["<h2>All profiles</h2>"]
    said = overview.verdict(results)
    if said:
        items = "".join(f"<li>{_text(line)}</li>" for line in said)
        parts.append(f"<p>Significant differences, in words:</p><ul>{items}</ul>")
    for title, stem, draw in (
        ("Radar of profiles", "radar", lambda path: overview.radar(path, results, drawn)),
        (
            *("Ranks over all profiles", "ranks"),
            lambda path: overview.ranks(path, ranks_of(results), drawn),
        ),
    ):
        parts += _picture(folder / f"all-{stem}.png", title, draw)
    return parts


def _section(result: Mapping[str, Any], folder: Path, drawn: figures.Styles) -> str:
    names = summaries.ordered(result["summary"])
    pictures = {
        "Learning curves": ("curves", figures.curves),
        "All seeds": ("seeds", figures.bars),
        "Success in the worst tasks": ("worst", figures.worst),
        "What teachers proposed": ("curricula", figures.curricula),
    }
    parts = [f"<h2>{_text(result['suite'])}</h2>", f"<p>{_text(result['description'])}</p>"]
    settings = result["settings"]
    tests = ", ".join(f"{count} {name}" for name, count in result["tests"].items())
    parts.append(
        f"<p class=soft>{settings['steps']:,} steps per seed, {settings['seeds']} seeds from "
        f"{settings['seed']}; test tasks: {_text(tests)} (<code>{_text(settings['tests'][:12])}"
        f"</code>). {_text(_machine(_machine_of(result)))}</p>"
    )
    if result["verdict"]:
        first, *rest = result["verdict"]
        items = "".join(f"<li>{_text(line)}</li>" for line in rest)
        parts.append(f"<p>{_text(first)}</p><ul>{items}</ul>")
    parts.append(_table(result, names))
    for title, (stem, draw) in pictures.items():
        path = folder / f"{result['suite']}-{stem}.png"
        parts += _picture(path, title, lambda path, draw=draw: draw(path, result, names, drawn))
    if len(names) > 1:
        path = folder / f"{result['suite']}-ranks.png"
        parts += _picture(
            path, "Ranks", lambda path: overview.ranks(path, ranks_of([result]), drawn)
        )
    film = films.film(folder / f"{result['suite']}-film.gif", result, names, drawn)
    if film is not None:
        parts.append(_embedded(film, "Film of the curricula", "gif"))
    return "\n".join(parts)


def _picture(path: Path, title: str, draw: Callable[[Path], Path | None]) -> list[str]:
    """Draw a figure as PNG and PDF; return it as HTML, or nothing if there is nothing to draw."""
    if draw(path) is None:
        return []
    draw(path.with_suffix(".pdf"))
    return [_embedded(path, title, "png")]


def _embedded(path: Path, title: str, kind: str) -> str:
    """Return a picture as HTML that needs no file."""
    data = base64.b64encode(path.read_bytes()).decode()
    alt = _text(f"{title}: {path.stem}")
    return f"<h3>{title}</h3>\n<img alt='{alt}' src='data:image/{kind};base64,{data}'>"


def _table(result: Mapping[str, Any], names: Sequence[str]) -> str:
    groups = list(result["tests"])
    spoken = any("language" in result["teachers"][name] for name in names)
    header = [
        *("teacher", "final", "95 %", "p", "area", "95 %", "p", "IQM", "P(better)"),
        *("steps to 50 %", "dead", *groups, "steps", "seconds"),
        *(("calls", "tokens", "cost") if spoken else ()),
    ]
    rows = []
    for name in names:
        row = result["summary"][name]
        cells = [name]
        for score in ("final", "area"):
            low, high = np.clip(row[f"{score}_interval"], 0, 1)
            p = row[f"{score}_p"]
            cells += [f"{row[f'{score}_mean']:.1%}", f"{low:.1%} to {high:.1%}"]
            cells += ["-" if p is None else f"{p:.2g}"]
        better, time = row["improvement"], row["half_time"]
        cells += [f"{row['iqm']:.1%}", "-" if better is None else f"{better:.2f}"]
        cells += ["-" if time is None else f"{time:,.0f}", str(row["dead"])]
        cells += [f"{row['groups'][group]:.0%}" for group in groups]
        cells += _costs(result["teachers"][name], row["trainings"], spoken)
        rows.append("".join(f"<td>{_text(cell)}</td>" for cell in cells))
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{row}</tr>\n" for row in rows)
    return f"<div class=scroll><table>\n<tr>{head}</tr>\n{body}</table></div>"


def _costs(row: Mapping[str, Any], trainings: int, spoken: bool) -> list[str]:
    """Return the steps of all trainings, the seconds, and what a language model took."""
    cells = [f"{row['steps'][-1] * trainings:,}", f"{row['seconds']:.0f}"]
    if spoken:
        used = row.get("language", {})
        cost = used.get("cost")
        cells += [f"{used[name]:,}" if used else "-" for name in ("calls", "tokens")]
        if used.get("lost_calls"):
            cells[2] += f" (and {used['lost_calls']:,} lost)"
        cells += ["-" if cost is None else f"{cost:.2f}"]
    return cells


def _summary_csv(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the statistics of every teacher; see `summaries.summarise`."""
    rows: list[Sequence[Any]] = [("suite", "teacher", *COLUMNS)]
    for result in results:
        for name in summaries.ordered(result["summary"]):
            row = result["summary"][name]
            flat = dict(row)
            for score in ("final", "area"):
                flat[f"{score}_low"], flat[f"{score}_high"] = row[f"{score}_interval"]
            rows.append((result["suite"], name, *(_cell(flat[column]) for column in COLUMNS)))
    return _csv(rows)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _seeds_csv(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the success of every training at every evaluation, over all test tasks."""
    rows: list[Sequence[Any]] = [("suite", "teacher", "student", "seed", "steps", "success")]
    for result in results:
        for name, row in result["teachers"].items():
            curves = summaries.overall(row, result["tests"])
            seeds = len(curves) // row.get("students", 1)
            for i, curve in enumerate(curves):
                student, seed = divmod(i, seeds)
                for steps, value in zip(row["steps"], curve, strict=True):
                    number = result["settings"]["seed"] + seed
                    rows.append((result["suite"], name, student, number, steps, f"{value:.4f}"))
    return _csv(rows)


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def _machine_of(result: Mapping[str, Any]) -> Any:
    """Return the machine of all rows, or that there are several."""
    rows = [row.get("machine") for row in result["teachers"].values()]
    known = [machine for machine in rows if isinstance(machine, Mapping) and machine]
    if any(machine != known[0] for machine in known):
        return {"Several": "machines or versions, whose seconds cannot be compared"}
    return known[0] if known else result["machine"]


def _machine(machine: Any) -> str:
    """Return the machine in one line."""
    if not isinstance(machine, Mapping):
        return ""
    parts = []
    for name, value in machine.items():
        named = value if isinstance(value, Mapping) else {name.replace("_", " "): value}
        parts += [f"{key} {each}" for key, each in named.items() if each is not None]
    return ", ".join(parts)


def _text(text: Any) -> str:
    """Escape text for HTML; control characters are shown."""
    return html.escape(shown(str(text)), quote=True)
