"""Language model clients: chat completions, API keys, budgets and timeouts."""

from didact.teachers.language.client.budget import Budget, with_budget
from didact.teachers.language.client.chat_completions import chat

__all__ = ["Budget", "chat", "with_budget"]
