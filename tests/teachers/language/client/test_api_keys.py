"""The key of a server is looked for in all that comes out of a call, whatever the server does."""

import gc
import logging
import subprocess
import sys
import traceback

import chat_server as servers
import pytest

from didact.environments import SettingError
from didact.teachers.language.client.api_keys import Key
from didact.teachers.language.client.chat_completions import chat
from didact.teachers.language.proposer import ProposerError

KEY = 'sk-Zq8/"w\\7-s3cret'
MESSAGES = ({"role": "user", "content": "Hello."},)


@pytest.fixture
def key(serve, monkeypatch):
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")  # as files and shells have them
    return KEY


def named(model):
    return servers.body(servers.completion("fine") | {"model": model})


BEHAVIOURS = {
    "good": servers.says("fine"),
    "in the text": servers.says(f"I was given {KEY}, and Bearer {KEY}"),
    "in the text, as JSON": servers.says('{"key": "sk-Zq8\\/\\"w\\\\7-s3cret"}'),
    "in the text, in escapes": servers.says("\\u0073\\u006B-Zq8/\\u0022w\\\\7-s3cret"),
    "in the name of the model": named(f"model {KEY}"),
    "in a refusal": servers.says(None, refusal=f"No. {'x' * 180} {KEY}"),
    "echoed with 400": servers.echoes(400),
    "echoed with 401": servers.echoes(401),
    "echoed with 429": servers.echoes(429),
    "echoed with 500": servers.echoes(500),
    "echoed with 200": servers.echoes(200),
    "where errors are cut": servers.error(500, "x" * 185 + KEY),
    "in an error that is no JSON": servers.body(f"{'x' * 185}{KEY}".encode(), 500),
    "silence": servers.silent(),
    "too long": servers.long(2_000_000),
    "dropped": servers.drops(50),
}
# What a reader could put together again.
PIECES = ("Zq8", "s3cret")


def variables_in(error):
    """What tracebacks with variables show, of the error and of all behind it."""
    shown = []
    while error is not None:
        shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
        error = error.__cause__ or error.__context__
    return shown


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_key_is_nowhere(serve, behaviour, caplog, capfd, monkeypatch):
    monkeypatch.setattr("didact.teachers.language.client.chat_completions.PAUSE", 0.05)
    server = serve(behaviour)
    limit = 0.5 if behaviour is BEHAVIOURS["silence"] else 10.0
    complete = chat("small", server.url, api_key_env="MY_KEY", timeout=limit, retries=1)
    seen = [repr(complete), repr([cell.cell_contents for cell in complete.__closure__])]
    with caplog.at_level(logging.DEBUG):
        for logger in list(logging.root.manager.loggerDict):
            logging.getLogger(logger).setLevel(logging.DEBUG)
        try:
            reply = complete(MESSAGES, {"type": "object"})
            seen.append(repr(reply))
        except ProposerError as error:
            seen += [str(error), repr(error), repr(error.reply)]
            seen += variables_in(error)
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    seen += [record.getMessage() for record in caplog.records]
    seen += [repr(record.__dict__) for record in caplog.records]
    seen += list(capfd.readouterr())
    assert server.requests[0][0]["Authorization"] == f"Bearer {KEY}"
    for piece in PIECES:
        assert [text for text in seen if piece in text] == []


FIRST = """
import logging
import sys
from didact.teachers.language import ProposerError, chat

logging.basicConfig(level=logging.DEBUG)
try:
    chat("small", sys.argv[1], api_key_env="MY_KEY", retries=0)(({"role": "user"},), {})
except ProposerError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("key")
def test_a_key_is_nowhere_in_the_first_call_of_a_process(serve):
    server = serve(servers.echoes(401))
    words = [sys.executable, "-c", FIRST, server.url]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
    assert server.requests[0][0]["Authorization"] == f"Bearer {KEY}"
    assert "X-Echo" in ended.stderr  # what the server sent is logged
    for piece in PIECES:
        assert piece not in ended.stderr + ended.stdout


def test_nothing_holds_a_key_between_calls(serve, key):
    server = serve(servers.says("fine"))
    complete = chat("small", server.url, api_key_env="MY_KEY")
    complete(MESSAGES, {})
    holders = [cell.cell_contents for cell in complete.__closure__]
    reached, edge = set(), [complete, *holders]
    for _ in range(4):  # objects, their attributes, what these hold, ...
        edge = [o for o in gc.get_referents(*edge) if id(o) not in reached]
        edge = [o for o in edge if isinstance(o, (str, bytes, dict, list, tuple))]
        reached |= set(map(id, edge))
        assert not [o for o in edge if isinstance(o, str) and "Zq8" in o]


def test_filters_of_loggers_go_away(serve, key):
    def filters():
        loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
        return [f for logger in loggers for f in logger.filters if "Scrubbing" in repr(f)]

    chat("small", serve(servers.says("x")).url, api_key_env="MY_KEY")(MESSAGES, {})
    assert filters() == []


def test_a_server_without_keys_gets_none(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = serve(servers.says("fine"))
    chat("small", server.url, api_key_env=None)(MESSAGES, {})
    assert server.requests[0][0]["Authorization"] == "Bearer none"


def test_a_key_that_is_not_set_or_wrong_is_named(serve):
    server = serve(servers.error(401, "who are you?"))
    with pytest.raises(ProposerError, match=r"refuses requests without a key"):
        chat("small", server.url, api_key_env="MY_KEY")(MESSAGES, {})


def test_a_wrong_key_is_told_by_its_name(serve, key):
    server = serve(servers.error(401, "Incorrect API key: sk-Z*****cret"))
    with pytest.raises(ProposerError, match=r"refuses the key in \$MY_KEY \(401\)\.$"):
        chat("small", server.url, api_key_env="MY_KEY")(MESSAGES, {})


@pytest.mark.parametrize("bad", ["sk-Zq8\nnew-line-s3cret", "sk-Zq8…s3cret", "sk-Zq8 s3cret"])
def test_a_key_that_cannot_be_sent_is_not_shown(monkeypatch, serve, bad):
    monkeypatch.setenv("MY_KEY", bad)
    with pytest.raises(SettingError, match=r"^\$MY_KEY is '\[key\]', but must be") as caught:
        chat("small", "http://127.0.0.1:9/v1", api_key_env="MY_KEY")
    frames = variables_in(caught.value)
    assert not [line for line in frames if "Zq8" in line and "bad = " not in line]
    monkeypatch.setenv("MY_KEY", KEY)
    complete = chat("small", "http://127.0.0.1:9/v1", api_key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", bad)
    with pytest.raises(ProposerError, match=r"^\$MY_KEY is '\[key\]'"):
        complete(MESSAGES, {})


@pytest.mark.parametrize(
    "given",
    [
        "sk-Zq8s3cret",
        "sk_Zq8s3cret",
        "Zq8s3cretAbCdEf",
        "zq8s3cretabcdef",
        "8f14e45fceea167a5a36dedd4bea2543",
        "gsk_" + "zq8s3cret" * 5,
        "ZQ8S3CRET" * 5,
        "ZQ8 S3CRET",
        "ZQ8_S3CRET\n",
    ],
)
@pytest.mark.parametrize("address", [None, "http://127.0.0.1:9/v1"])
def test_a_key_in_the_place_of_its_name_is_refused_unshown(serve, given, address):
    with pytest.raises(SettingError, match=r"^api_key_env is '\[key\]', but must be the") as caught:
        chat("small", address, api_key_env=given)
    assert given not in repr(caught.value)


@pytest.mark.parametrize("name", ["MY_KEY", "KEY2", "_KEY", "my_key", "X" * 40, "", None])
def test_names_of_variables_are_taken(serve, name):
    chat("small", "http://127.0.0.1:9/v1", api_key_env=name)


@pytest.mark.parametrize(
    "address", [f"https://me:{KEY[:5]}@host/v1", "https://me@host/v1", "https://host/v1?key=sk-Zq8"]
)
def test_an_address_with_a_key_in_it_is_refused_unshown(address):
    with pytest.raises(SettingError, match=r"^base_url is 'https://host and more'") as caught:
        chat("small", address)
    assert "Zq8" not in repr(caught.value)
    assert "sk-" not in repr(caught.value)


def test_words_that_stand_for_no_key_stay_in_texts():
    assert Key("none").scrub("none is EMPTY") == "none is EMPTY"
    assert Key("EMPTY").scrub("EMPTY") == "EMPTY"
    assert Key("").scrub("a") == "a"
    assert Key("12345678").scrub("a 12345678 b %31%32345678") == "a [key] b [key]"
