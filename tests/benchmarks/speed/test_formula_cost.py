"""The cost of formulas: what is told of it."""

import io

import pytest
from rich.console import Console

from didact.benchmarks.speed import formula_cost


@pytest.mark.slow
def test_all_are_timed_and_told():
    config = formula_cost.FormulasConfig(
        envs=("BabyAI-GoToLocal-v0",), num_envs=8, formulas=5, steps=2, repeats=3, seconds=0.01
    )
    result = formula_cost.measure(config)
    (rows,) = result["environments"].values()
    assert list(rows) == [formula_cost.ALONE, formula_cost.WITH_PROPOSITIONS, formula_cost.FORMULAS]
    assert rows[formula_cost.ALONE]["adds"] == 0
    for row in rows.values():
        assert 0 < row["milliseconds"]["min"] <= row["milliseconds"]["median"]
        assert row["compile_seconds"] > 0
    console = Console(file=io.StringIO(), width=120)
    console.print(formula_cost.table(result))
    assert "with facts and formulas" in console.file.getvalue()
