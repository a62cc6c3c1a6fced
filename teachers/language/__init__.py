"""Proposers that write tasks as text: language models, and substitutes for them."""

from didact.teachers.language.client.budget import Budget, with_budget
from didact.teachers.language.client.chat_completions import chat
from didact.teachers.language.language_model import LanguageModel, language_model
from didact.teachers.language.proposer import (
    BudgetSpent,
    Complete,
    Proposer,
    ProposerError,
    Reply,
    Report,
    TaskReport,
)
from didact.teachers.language.scripted import scripted
from didact.teachers.language.transcript import replayed

__all__ = [
    "Budget",
    "BudgetSpent",
    "Complete",
    "LanguageModel",
    "Proposer",
    "ProposerError",
    "Reply",
    "Report",
    "TaskReport",
    "chat",
    "language_model",
    "replayed",
    "scripted",
    "with_budget",
]
