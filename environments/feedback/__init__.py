"""Language feedback: messages on the last action (hindsight) and the next one (foresight)."""

from didact.environments.feedback.student_model import Model, mistake_model
from didact.environments.feedback.wordings import checked_pool, read_pool
from didact.environments.feedback.wrapper import WithFeedback, with_feedback

__all__ = ["Model", "WithFeedback", "checked_pool", "mistake_model", "read_pool", "with_feedback"]
