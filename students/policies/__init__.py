"""Policies on disk: cards, parameters, archives, the model hub, and lookup by name."""

from didact.students.policies.archives import export_policy, import_policy
from didact.students.policies.hub import pull_policy, push_policy
from didact.students.policies.policy import Policy, load_policy
from didact.students.policies.storage import save_policy

__all__ = [
    "Policy",
    "export_policy",
    "import_policy",
    "load_policy",
    "pull_policy",
    "push_policy",
    "save_policy",
]
