"""Who may look at a program: loopback unless told otherwise, then by token; no other site's page.

The rules are tables in tests/c/test_address.c. Here the settings come in by each door, and clients
that nobody here wrote get in with a token.
"""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import cprof
from conftest import Build, Start
from harness import Running, cprof_command, eventually

TOKEN = "a-token:of/29=characters+here"
INDEX = "/debug/pprof/"
DENIED = -6
INVALID = -2

Headers = Mapping[str, str]


def ask(url: str, path: str = INDEX, headers: Headers | None = None, method: str = "GET") -> Answer:
    """As it is written: http.client adds nothing but Host, and that only where it is not given."""
    connection = http.client.HTTPConnection(url.split("//")[1], timeout=60)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        got = connection.getresponse()
        return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read().decode())
    finally:
        connection.close()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status, self.headers, self.text = status, headers, text


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def basic(token: str, user: str = "x") -> Headers:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


def assert_wants_token(url: str) -> None:
    for headers in ({}, bearer(TOKEN[:-1]), basic(TOKEN + "x"), {"Authorization": TOKEN}):
        answer = ask(url, headers=headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="cprof"'
        assert "token" in answer.text and "characters" not in answer.text
    for headers in (bearer(TOKEN), basic(TOKEN), basic(TOKEN, "")):
        assert ask(url, headers=headers).status == 200


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(TOKEN + "\n")
    return file


# --- the linked door, by calls ---


def told(target: Running, words: str) -> tuple[int, str]:
    """What cprof_serve_with returned, and its sentence."""
    assert target.process.stdin
    target.line("at ")
    before = target.stdout().count("\nat ")
    target.process.stdin.write(f"{words}\n".encode())
    target.process.stdin.flush()
    eventually(lambda: target.stdout().count("\nat ") > before, f"an answer to {words!r}")
    line = [x for x in target.stdout().splitlines() if x.startswith("with ")][-1]
    _, status, *sentence = line.split(" ", 2)
    return int(status), "".join(sentence)


def url_of(target: Running) -> str:
    at = [x for x in target.stdout().splitlines() if x.startswith("at ")][-1]
    return "http://" + at[3:].replace("0.0.0.0", "127.0.0.1")


def test_a_program_serves_beyond_loopback_only_in_so_many_words(
    build: Build, start: Start, token_file: Path
) -> None:
    target = start(build("serves.c"))
    status, sentence = told(target, "with addr=0.0.0.0:0")
    assert status == DENIED
    for setting in ("allow_remote", "CPROF_ALLOW_REMOTE=1", "--allow-remote"):
        assert setting in sentence
    status, sentence = told(target, "with addr=0.0.0.0:0 allow_remote=1")
    assert status == DENIED
    for setting in ("token_file", "CPROF_TOKEN_FILE", "--token-file", "without_token"):
        assert setting in sentence
    assert told(target, f"with addr=0.0.0.0:0 allow_remote=1 token_file={token_file}")[0] == 0
    assert url_of(target).startswith("http://127.0.0.1:"), "served on 0.0.0.0"
    assert_wants_token(url_of(target))
    told(target, "close")
    assert told(target, "with addr=0.0.0.0:0 allow_remote=1 without_token=1")[0] == 0
    assert ask(url_of(target)).status == 200
    told(target, "close")
    assert told(target, "with addr=:0 allow_remote=1")[0] == 0
    assert target.stdout().splitlines()[-1].startswith("at 127.0.0.1:"), "no host means loopback"


def test_a_token_counts_on_loopback_too(build: Build, start: Start, tmp_path: Path) -> None:
    target = start(build("serves.c"))
    assert told(target, f"with addr=:0 token={TOKEN}")[0] == 0
    assert_wants_token(url_of(target))
    told(target, "close")
    socket = tmp_path / "s"
    assert told(target, f"with addr=unix:{socket} token={TOKEN}")[0] == 0
    with pytest.raises(cprof.FetchError, match="401"):
        cprof.fetch(f"unix:{socket}", "cpu", seconds=1)
    told(target, "close")
    assert told(target, f"with addr=:0 token={TOKEN} token_file=/x")[0] == INVALID
    assert told(target, "with addr=:0 token=short")[0] == INVALID


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620])
def test_a_tokens_file_that_others_can_use_is_refused(
    build: Build, start: Start, token_file: Path, mode: int
) -> None:
    """It is the file of somebody who believes that nobody else knows it."""
    token_file.chmod(mode)
    target = start(build("serves.c"))
    status, sentence = told(target, f"with addr=:0 token_file={token_file}")
    assert status == DENIED
    assert "open to others" in sentence and "chmod 600" in sentence
    assert TOKEN not in sentence


# --- each door, by its words ---


def by_environment(token_file: Path) -> dict[str, str]:
    return {
        "CPROF_HTTP": "127.0.0.1:0",
        "CPROF_TOKEN_FILE": str(token_file),
        "CPROF_ALLOW_HOST": "db7.example,other.example",
    }


PYTHON = "import cprof, sys; sys.stdin.read()"


def started_by(door: str, build: Build, start: Start, env: dict[str, str]) -> Running:
    program = str(build("untouched.c", link=door == "linked"))
    command = {
        "linked": [program],
        "run": [cprof_command(), "run", "--", program],
        "python": [sys.executable, "-c", PYTHON],
    }[door]
    return start(*command, env=env)


@pytest.mark.parametrize("door", ["linked", "run", "python"])
def test_the_environment_has_the_same_settings(
    build: Build, start: Start, token_file: Path, door: str
) -> None:
    target = started_by(door, build, start, by_environment(token_file))
    url = target.url()
    assert_wants_token(url)
    named = {**bearer(TOKEN), "Host": "db7.example:6060"}
    assert ask(url, headers=named).status == 200
    refused = ask(url, headers={**bearer(TOKEN), "Host": "evil.example"})
    assert refused.status == 403
    for setting in ("allow_host", "CPROF_ALLOW_HOST", "--allow-host"):
        assert setting in refused.text
    profile = cprof.fetch(url.replace("//", f"//x:{quoted(TOKEN)}@"), "cpu", seconds=1)
    assert profile.sample_types


@pytest.mark.parametrize("door", ["linked", "run", "python"])
@pytest.mark.parametrize(
    ("env", "word"),
    [
        ({}, "CPROF_ALLOW_REMOTE=1"),
        ({"CPROF_ALLOW_REMOTE": "0"}, "CPROF_ALLOW_REMOTE=1"),
        ({"CPROF_ALLOW_REMOTE": "1"}, "CPROF_TOKEN_FILE"),
        ({"CPROF_ALLOW_REMOTE": "yes"}, "want 1 or without-token"),
        ({"CPROF_ALLOW_REMOTE": "1", "CPROF_TOKEN_FILE": "/no/such"}, "/no/such"),
    ],
    ids=["unset", "0", "without token", "misspelt", "no file"],
)
def test_what_is_not_allowed_is_one_line_and_the_program_runs_on(
    build: Build, start: Start, door: str, env: dict[str, str], word: str
) -> None:
    target = started_by(door, build, start, {"CPROF_HTTP": "0.0.0.0:0", **env})
    eventually(lambda: target.log.exists() and target.log.read_text().endswith("\n"), "its line")
    [line] = target.log.read_text().splitlines()
    assert line.startswith("cprof: not serving") and word in line
    assert target.stop() in (0, 7)


@pytest.mark.parametrize("door", ["linked", "run", "python"])
def test_without_token_says_otherwise_again(build: Build, start: Start, door: str) -> None:
    env = {"CPROF_HTTP": "0.0.0.0:0", "CPROF_ALLOW_REMOTE": "without-token"}
    target = started_by(door, build, start, env)
    assert ask(target.url().replace("0.0.0.0", "127.0.0.1")).status == 200


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_setuid_program_does_not_listen_to_its_environment(build: Build, start: Start) -> None:
    """It is the environment of whoever starts it, who would look into the owner's program."""
    where = Path("/tmp") / f"cprof-secure-{os.getpid()}"  # pytest's own is closed to others
    where.mkdir()
    try:
        where.chmod(0o755)
        program = Path(shutil.copy(build("untouched.c"), where / "p"))
        os.chown(program, NOBODY, NOBODY)
        program.chmod(0o4755)
        if os.statvfs(where).f_flag & os.ST_NOSUID:
            pytest.skip("/tmp is mounted nosuid")
        env = {"CPROF_HTTP": "127.0.0.1:0", "CPROF_ALLOW_REMOTE": "without-token"}
        target = start(program, env=env)
        target.line("ready")
        assert "libcprof.so" in target.stdout(), "it did not even find the library"
        assert "libcprof_core" not in target.stdout()
        assert "threads 1\n" in target.stdout()
        assert target.stop() == 7
    finally:
        shutil.rmtree(where)


# --- cprof run, by its options ---


def run_with(start: Start, program: Path, *options: str, env: dict[str, str]) -> Running:
    return start(Path(cprof_command()), "run", *options, "--", str(program), env=env)


def test_the_options_of_run(build: Build, start: Start, token_file: Path) -> None:
    options = ["--http", "0.0.0.0:0", "--allow-remote", "--token-file", str(token_file)]
    options += ["--allow-host", "db7.example"]
    target = run_with(start, build("untouched.c", link=False), *options, env={})
    url = target.url().replace("0.0.0.0", "127.0.0.1")
    assert_wants_token(url)
    assert ask(url, headers={**bearer(TOKEN), "Host": "db7.example"}).status == 200
    assert "CPROF_" not in Path(f"/proc/{target.pid}/environ").read_text().split("CPROF_LOG")[0]


def test_options_go_before_the_environment(build: Build, start: Start, token_file: Path) -> None:
    env = {"CPROF_ALLOW_REMOTE": "without-token", "CPROF_TOKEN_FILE": "/no/such"}
    options = ["--http", "0.0.0.0:0", "--allow-remote", "--token-file", str(token_file)]
    target = run_with(start, build("untouched.c", link=False), *options, env=env)
    assert_wants_token(target.url().replace("0.0.0.0", "127.0.0.1"))
    env = {"CPROF_ALLOW_REMOTE": "1", "CPROF_TOKEN_FILE": str(token_file)}
    options = ["--http", "0.0.0.0:0", "--without-token"]
    target = run_with(start, build("untouched.c", link=False), *options, env=env)
    assert ask(target.url().replace("0.0.0.0", "127.0.0.1")).status == 200


def test_a_relative_tokens_file_is_found_by_children_elsewhere(
    start: Start, token_file: Path
) -> None:
    """Each followed process reads it again, wherever it is by then."""
    command = f"cd {token_file.parent} && exec {cprof_command()} run --http 127.0.0.1:0 --follow "
    command += f"--token-file {token_file.name} -- sh -c 'cd / && sleep 30'"
    target = start(Path("/bin/sh"), "-c", command)

    def served() -> list[str]:
        words = target.log.read_text().split() if target.log.exists() else []
        return [word for word in words if word.startswith("http://")]

    eventually(lambda: len(served()) == 2, "two servers")
    for url in served():
        assert_wants_token(url.split("/debug")[0])


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--without-token"], "--allow-remote"),
        (["--allow-remote", "--without-token", "--token-file", "/x"], "exclude each other"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(options: list[str], word: str) -> None:
    command = [cprof_command(), "run", *options, "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and word in done.stderr


# --- Python ---


def test_pythons_keywords(token_file: Path) -> None:
    with pytest.raises(cprof.ServeError, match="allow_remote"):
        cprof.serve("0.0.0.0:0")
    with pytest.raises(cprof.ServeError, match="without_token"):
        cprof.serve("0.0.0.0:0", allow_remote=True)
    with pytest.raises(ValueError, match="16 to 255"):
        cprof.serve(0, token="short")
    with cprof.serve("0.0.0.0:0", allow_remote=True, token=TOKEN) as server:
        assert_wants_token(server.url.replace("0.0.0.0", "127.0.0.1"))
    hosts = ["db7.example", "b.example"]
    with cprof.serve(0, token_file=token_file, allow_host=hosts) as server:
        assert_wants_token(server.url)
        for host in hosts:
            assert ask(server.url, headers={**bearer(TOKEN), "Host": host}).status == 200
    with cprof.serve("0.0.0.0:0", allow_remote=True, without_token=True) as server:
        assert ask(server.url.replace("0.0.0.0", "127.0.0.1")).status == 200


# --- clients ---


def quoted(token: str) -> str:
    return token.replace("/", "%2F").replace(":", "%3A").replace("=", "%3D").replace("+", "%2B")


@pytest.mark.parametrize("tool", ["go", "curl"])
def test_clients_get_in_with_the_token(tool: str, tmp_path: Path) -> None:
    """As the documentation says it."""
    if not shutil.which(tool):
        pytest.skip(f"no {tool}")
    with cprof.serve(0, token=TOKEN) as server:
        url = server.url.replace("//", f"//x:{quoted(TOKEN)}@")
        commands = {
            "go": ["go", "tool", "pprof", "-top", f"{url}/debug/pprof/profile?seconds=1"],
            "curl": ["curl", "-fsS", "-H", f"Authorization: Bearer {TOKEN}", server.url + INDEX],
        }
        env = {**os.environ, "PPROF_TMPDIR": str(tmp_path)}
        done = subprocess.run(
            commands[tool], capture_output=True, text=True, check=False, env=env, timeout=120
        )
    assert done.returncode == 0, done.stderr
    assert {"go": "flat%", "curl": "/debug/pprof/"}[tool] in done.stdout


# --- browsers ---


OTHER_SITE = [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "made-up"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]
FOLLOWED = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


def test_what_another_sites_page_asks_for_is_refused() -> None:
    """A page that somebody has open could otherwise start profiles as often as it likes, and tell
    from timing what runs here. A link to our page may be followed; one to a profile may not."""
    with cprof.serve(0) as server:
        for headers in OTHER_SITE:
            for path in (INDEX, INDEX + "cmdline", INDEX + "profile?seconds=1"):
                answer = ask(server.url, path, headers)
                assert answer.status == 403, (headers, path)
                assert "another site" in answer.text
        assert ask(server.url, INDEX, FOLLOWED).status == 200
        assert ask(server.url, "/debug/pprof", FOLLOWED).status == 301
        page = ask(server.url, INDEX + "ui/?p=profile&seconds=1", FOLLOWED)
        assert page.status == 200 and "cross-site" in page.text  # it waits for Record then
        assert ask(server.url, INDEX + "cmdline", FOLLOWED).status == 403
        assert ask(server.url, INDEX + "profile?seconds=1", FOLLOWED).status == 403
        assert ask(server.url, INDEX, FOLLOWED, "POST").status == 403
        own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Origin": server.url}
        assert ask(server.url, INDEX + "cmdline", own).status == 200
        assert ask(server.url, INDEX + "cmdline", {"Sec-Fetch-Site": "none"}).status == 200


def test_no_answer_is_for_another_site_to_read() -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    with cprof.serve(0) as server:
        for path in (INDEX, INDEX + "cmdline", INDEX + "profile", INDEX + "symbol"):
            assert ask(server.url, path, method="OPTIONS").status == 405
            for method in ("GET", "OPTIONS"):
                answer = ask(server.url, path, asked, method)
                assert answer.status == 403
                assert not [h for h in answer.headers if h.startswith("access-control")]


def test_a_page_loads_nothing_from_elsewhere_and_is_in_no_frame() -> None:
    with cprof.serve(0) as server:
        page, plain = ask(server.url), ask(server.url, INDEX + "cmdline")
    policy = dict(
        rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";")
    )
    own = {"script-src", "style-src", "connect-src"}
    assert {k for k, v in policy.items() if v == "'self'"} == own
    assert {k for k, v in policy.items() if v == "'none'"} == set(policy) - own - {"img-src"}
    assert {"default-src", "frame-ancestors", "base-uri", "form-action"} <= set(policy)
    assert page.headers["referrer-policy"] == "no-referrer"
    for answer in (page, plain):
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in plain.headers
