"""Students by name, and their settings from words."""

import dataclasses

import pytest

from didact import students
from didact.environments import ArraySpace, Discrete, SettingError
from didact.students import DistillConfig, NetworkConfig, PPOConfig
from didact.students.registry import STUDENTS, Entry

SPACES = {"numbers": ArraySpace((3,), "float32", 0, 1)}, Discrete(2)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(STUDENTS, "_entries", dict(STUDENTS._entries))


@dataclasses.dataclass(frozen=True)
class Config:
    rate: float = 0.5
    network: NetworkConfig = dataclasses.field(default_factory=lambda: NetworkConfig(memory=0))


def made(**arguments):
    """Instead of a student, what it is made of."""
    return arguments


def with_config(observation_space, action_space, config, *, num_updates, axes=()):
    return made(config=config, num_updates=num_updates, axes=axes)


def with_arguments(
    observation_space,
    action_space,
    *,
    num_updates,
    rate: float,
    size: int = 3,
    way: str | None = "null",
):
    return made(rate=rate, size=size, num_updates=num_updates)


def taking_all(observation_space, action_space, **offered):
    return made(**offered)


def of_experts(observation_space, action_space, experts, *, rate: float = 1.0):
    return made(experts=experts, rate=rate)


OFFERED = {
    "num_updates": 7,
    "experts": ["e"],
    "auxiliary_losses": ["l"],
    "axes": ("d",),
    "seeds_axis": None,
}


def test_the_students_that_there_are():
    assert {"ppo", "distill"} <= set(STUDENTS)
    ppo, distill = STUDENTS["ppo"], STUDENTS["distill"]
    assert (ppo.config, distill.config) == (PPOConfig, DistillConfig)
    assert (ppo.needs_experts, distill.needs_experts) == (False, True)
    assert (ppo.accepts("auxiliary_losses"), distill.accepts("auxiliary_losses")) == (True, False)
    assert ppo.minibatches(PPOConfig(num_minibatches=5)) == 5
    assert ppo.network(PPOConfig(network=NetworkConfig(hidden=3))).hidden == 3
    assert all(entry.description for entry in students.registered())


def test_settings_of_a_dataclass():
    students.register("mine", with_config, "with a dataclass", config=Config)
    entry = STUDENTS["mine"]
    settings = entry.read(["rate=2", "network.hidden=9"])
    assert settings == Config(2.0, NetworkConfig(hidden=9, memory=0))
    found = entry.student(*SPACES, settings, **OFFERED)
    assert found == {"config": settings, "num_updates": 7, "axes": ("d",)}
    texts = entry.texts(settings)
    assert {"rate=2.0", "network.hidden=9", "network.memory=0"} <= set(texts)
    assert entry.read(texts) == settings
    for text, sentence in {
        "network.hiden=9": "--student-settings is 'network.hiden', .* network.hidden",
        "network.hidden=0": "--student-settings network.hidden is '0', .* from 1 to",
        "network=9": "--student-settings is 'network'",
        "rate=fast": "--student-settings rate is 'fast', but must be a number",
    }.items():
        with pytest.raises(SettingError, match=sentence):
            entry.read([text])


def test_settings_of_a_function():
    students.register("mine", with_arguments, "with arguments")
    entry = STUDENTS["mine"]
    assert set(entry.kinds) == {"rate", "size", "way"}
    found = entry.student(*SPACES, entry.read(["rate=2"]), **OFFERED)
    assert found == {"rate": 2.0, "size": 3, "num_updates": 7}
    texts = entry.texts(entry.read(["rate=2"]))
    assert texts == ["rate=2.0", "size=3", 'way="null"']
    assert entry.read(texts) == {"rate": 2.0, "size": 3, "way": "null"}
    with pytest.raises(SettingError, match="--student-settings rate is None, but must be given"):
        entry.read([])
    with pytest.raises(SettingError, match="'num_updates', but must be one of rate, size, way"):
        entry.read(["num_updates=3"])


def test_what_is_offered():
    students.register("all", taking_all, "takes all")
    students.register("experts", of_experts, "needs experts")
    assert STUDENTS["all"].student(*SPACES, {}, **OFFERED).keys() == OFFERED.keys() - {"experts"}
    assert not STUDENTS["all"].needs_experts
    assert STUDENTS["experts"].needs_experts
    found = STUDENTS["experts"].student(*SPACES, {"rate": 2.0}, **OFFERED)
    assert found == {"experts": ["e"], "rate": 2.0}


def test_a_student_by_name():
    students.register("mine", with_arguments, "with arguments")
    students.register("other", with_config, "with a dataclass", config=Config)
    found = students.make("mine", *SPACES, rate="2", num_updates=3)
    assert found == {"rate": 2.0, "size": 3, "num_updates": 3}
    found = students.make("other", *SPACES, config=Config(rate=1), num_updates=3, rate=2)
    assert found["config"] == Config(rate=2.0)
    with pytest.raises(SettingError, match=r"setting is 'rat', but must be one of rate, size, way"):
        students.make("mine", *SPACES, rat=2)
    with pytest.raises(SettingError, match=r"setting is 'rat', but must be a known name, .* rate"):
        students.make("other", *SPACES, rat=2)
    with pytest.raises(SettingError, match="student is 'pp0', but must be a known name"):
        students.make("pp0", *SPACES)
    made = students.make("ppo", *SPACES, network=NetworkConfig(hidden=4, memory=0), num_updates=1)
    assert isinstance(made, students.Student)
    with pytest.raises(SettingError, match=r"ppo.clip is 0, but must be a number above 0"):
        students.make("ppo", *SPACES, clip=0, num_updates=1)


@dataclasses.dataclass
class Needy:
    rate: float


@pytest.mark.parametrize("config", [Needy, dict, 3])
def test_configs_that_are_none(config):
    with pytest.raises(SettingError, match="config of the student mine is"):
        students.register("mine", with_config, "needy", config=config)
    assert "mine" not in STUDENTS


def test_a_name_is_registered_once():
    with pytest.raises(SettingError, match=r"student is 'ppo', .* not registered yet"):
        students.register("ppo", with_config, "again")
    assert isinstance(STUDENTS["ppo"], Entry)
