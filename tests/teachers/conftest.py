"""What tests of teachers share: a server of language models."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))


@pytest.fixture
def serve(monkeypatch):
    """`serve(behaviour, ...)` starts a server that answers by them in turn; see support/server.py.

    No key and no proxy of the machine is in the way.
    """
    from chat_server import Server

    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    servers = []

    def start(*behaviours):
        servers.append(Server(behaviours))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
