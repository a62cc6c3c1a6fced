"""A run that is resumed with other versions or devices says so."""

import jax
import pytest

from didact.experiments.runs import origin


def test_nothing_differs(tmp_path):
    assert origin.difference(tmp_path) == ""
    origin.write(tmp_path)
    assert set(origin.read(tmp_path)) == {"versions", "devices"}
    assert origin.difference(tmp_path) == ""


def test_other_versions_and_devices(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "versions", lambda: {"didact": "1.0", "jax": "0.7"})
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    origin.write(tmp_path)
    monkeypatch.setattr(origin, "versions", lambda: {"didact": "1.1", "jax": "0.7"})
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    assert origin.difference(tmp_path) == "didact 1.0 (now 1.1), 2 devices (now 1)"


@pytest.mark.parametrize("text", ["", "[]", '{"versions": 3}', '{"versions": {', "9" * 99_999])
def test_files_that_were_edited(tmp_path, text):
    (tmp_path / origin.FILE).write_text(text)
    assert origin.difference(tmp_path) == ""
