"""The table of experts, on a few levels."""

import io

import numpy as np
import pytest
from rich.console import Console

from didact.benchmarks.config import ExpertsConfig
from didact.benchmarks.students import expert_vs_bot
from didact.environments import SettingError

pytestmark = pytest.mark.slow

IDS = ("BabyAI-GoToObjS4-v0", "BabyAI-GoToRedBall-v0", "BabyAI-GoToLocalS8N7-v0")


@pytest.fixture(scope="module")
def result():
    return expert_vs_bot.compare(ExpertsConfig(levels=IDS, episodes=4))


def test_what_is_told(result):
    assert tuple(result["levels"]) == IDS
    for row in result["levels"].values():
        assert row["success"] == row["bot_success"] == 1
        own, bot = row["both"]
        assert row["length"] == own <= bot


def test_what_is_shown(result):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(expert_vs_bot.table(result))
    text = console.export_text()
    length = f"{result['levels'][IDS[1]]['length']:.1f}"
    for part in ("BabyAI-GoToRedBall", length, "no longer than the bot: 3 of 3"):
        assert part in text


def test_lengths_are_compared_where_both_succeed():
    success, steps = np.array([True, True, False]), np.array([4, 10, 50])
    row = expert_vs_bot._row(success, steps, np.array([6, 0, 8]))
    assert row == {"success": 2 / 3, "length": 7.0, "bot_success": 2 / 3, "both": [4.0, 6.0]}


def test_wrong_settings_are_told():
    with pytest.raises(SettingError, match="episodes"):
        expert_vs_bot.compare(ExpertsConfig(episodes=0))
    with pytest.raises(SettingError, match="GoToRedBall-v0"):
        expert_vs_bot.compare(ExpertsConfig(levels=("BabyAI-GoToRedBal-v0",)))
