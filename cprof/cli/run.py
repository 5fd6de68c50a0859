"""`cprof run -- PROG ARGS`: runs a program as it is, with cprof in it.

The program takes this process over, so that pid, parent, terminal, descriptors and exit status are
its own. Exit codes of ours: 125 cprof itself could not run it, 126 found but not to be executed,
127 not found, as env(1) has them.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence

from cprof import _launch, _profilable
from cprof._errors import UnsupportedError
from cprof.cli import _filename, _options, complain

CANNOT_RUN, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
CPU_HZ_MAX = 10_000  # CPU_HZ_MAX of sampler/cpu.h
_VALUED = {
    *("-o", "--output", "--profile", "--http", "--cpu-hz"),
    *("--token-file", "--allow-host"),
}
_DESCRIPTION = """\
Runs a program, not rebuilt, and profiles it: with a server in it, whose address is printed on
stderr, or with -o into a file when it ends.

PROG is looked up in PATH. A file that ends in .py runs under this Python, and so does -m MOD.
A program that cannot be profiled (statically linked, setuid, 32-bit, musl, sanitizers) is run
all the same; one line on stderr says so."""
_EPILOG = """\
Exit codes: the program's own; 2 usage, 3 FILE cannot be written, 125 cprof could not run the
program, 126 it is not executable, 127 it was not found.
Environment: without -o and --http, CPROF_HTTP says where to serve; CPROF_ALLOW_REMOTE (1 or
without-token), CPROF_TOKEN_FILE and CPROF_ALLOW_HOST are what the options of these names leave
open; CPROF_LOG=off or a file takes the lines on stderr, CPROF_DISABLE=1 just runs the program."""


def run(arguments: list[str]) -> int:
    _launch.let_interrupts_kill()
    parser = _parser()
    ours, words = split(arguments)
    options = parser.parse_args(ours)
    if not words:
        parser.error("a program is needed, as in: cprof run -- ./a.out")
    _check_kinds(options.profile, parser)
    _check_output(options, parser)
    command = _command(words, parser)

    env = _launch.given_environment()
    disabled = _launch.is_disabled(env)
    if not disabled:
        _check_http(options, env, parser)
        _check_remote(options, env, parser)
    if options.output and not disabled:
        _options.check_writable(_filename.expand(options.output, os.getpid()))
    return _start(words, command, env, None if disabled else _wishes(options, env))


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our options, and the program with its arguments: after `--`, or from the first word on that
    is none of ours."""
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word == "--":
            return list(arguments[:at]), list(arguments[at + 1 :])
        if word.startswith("-m") or word == "-" or not word.startswith("-"):
            break
        at += 2 if word in _VALUED else 1
    return list(arguments[:at]), list(arguments[at:])


def _parser() -> _options.Parser:
    made = _options.parser("run", _DESCRIPTION)
    made.usage = "cprof run [options] [--] PROG [ARGS]\n       cprof run [options] -m MOD [ARGS]"
    made.epilog = _EPILOG
    made.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the profile here when the program ends; %%p in the name is the process id, "
        "%%%% a percent sign. No server runs, unless --http asks for one",
    )
    made.add_argument(
        "--profile",
        action="append",
        metavar="KIND",
        help="what -o writes: cpu, the default and the only kind so far",
    )
    made.add_argument(
        "--http",
        type=address,
        metavar="ADDR",
        help="where to serve: a port, host:port or unix:/path; without this and -o it is where "
        "CPROF_HTTP says, or a free port of 127.0.0.1; with --follow a unix:/path needs %%p",
    )
    made.add_argument(
        "--allow-remote",
        action="store_true",
        help="ADDR may be beyond loopback; clients then need a token",
    )
    made.add_argument(
        "--token-file",
        metavar="FILE",
        help="its one line is the token that clients need: http://x:TOKEN@host:port; the file is "
        "not readable by others",
    )
    made.add_argument(
        "--without-token",
        action="store_true",
        help="with --allow-remote: whoever can connect may look",
    )
    made.add_argument(
        "--allow-host",
        metavar="NAMES",
        help="a.example,b.example: names that clients may call the server by, beside localhost "
        "and IP addresses",
    )
    made.add_argument(
        "--follow",
        action="store_true",
        help="go on into the processes that the program starts; each writes its own FILE, and "
        "serves on the next free port",
    )
    made.add_argument(
        "--cpu-hz",
        type=_hz,
        metavar="N",
        help="samples per second of CPU time; 100 by default, 10000 at most",
    )
    return made


def address(text: str) -> str:
    """What http/address.c can read. It decides the rest: names are not resolved here."""
    host, _, port = text.rpartition(":")
    if text.startswith("unix:"):
        readable = text != "unix:"
    elif host.startswith("["):
        readable = host.endswith("]") and _is_port(port)
    else:
        readable = ":" not in host and _is_port(port)
    if not readable:
        raise argparse.ArgumentTypeError(
            f"cannot read {text!r}: a port, host:port, [host]:port or unix:/path is wanted"
        )
    return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535


def _hz(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= CPU_HZ_MAX):
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate, 1 to {CPU_HZ_MAX}")
    return int(text)


def _check_kinds(kinds: list[str] | None, parser: _options.Parser) -> None:
    for kind in kinds or ():
        if kind in ("cpu", "profile"):
            continue
        from cprof._target import KINDS, did_you_mean

        if kind in KINDS:
            raise UnsupportedError(f"{kind} profiles of `cprof run` are not supported yet")
        parser.error(f"unknown kind of profile {kind!r}" + did_you_mean(kind, KINDS))


def _check_output(options: argparse.Namespace, parser: _options.Parser) -> None:
    if options.output is None:
        if options.profile:
            parser.error("--profile says what -o FILE writes, and there is no -o")
        return
    if not options.output:
        parser.error("-o wants the name of a file, and this one is empty")
    if options.output == "-":
        parser.error("-o wants the name of a file: stdout is the program's own")
    stray = _filename.stray(options.output)
    if stray:
        parser.error(f"{stray!r} in {options.output}: %p is the process id, %% a percent sign")
    if options.follow and not _filename.has_pid(options.output):
        parser.error(f"with --follow each process writes a file: put %p into {options.output}")


def _check_http(
    options: argparse.Namespace, env: _launch.Environment, parser: _options.Parser
) -> None:
    """The address in effect, which may be the environment's."""
    source, wanted = "--http", options.http
    if wanted is None and options.output is None:
        source, wanted = "CPROF_HTTP", os.fsdecode(_launch.get(env, b"CPROF_HTTP") or b"")
        try:
            wanted = wanted and address(wanted)
        except argparse.ArgumentTypeError as why:
            parser.error(f"CPROF_HTTP: {why}")
    if options.follow and (wanted or "").startswith("unix:") and not _filename.has_pid(wanted):
        parser.error(f"with --follow each process serves: put %p into {wanted} of {source}")


def _check_remote(
    options: argparse.Namespace, env: _launch.Environment, parser: _options.Parser
) -> None:
    """What the core would refuse once the program runs."""
    if options.without_token and not (options.allow_remote or _remote_word(env)):
        parser.error("--without-token says how --allow-remote is meant, and there is none")
    if options.without_token and options.token_file:
        parser.error("--without-token and --token-file exclude each other")


def _remote_word(env: _launch.Environment) -> str:
    word = os.fsdecode(_launch.get(env, b"CPROF_ALLOW_REMOTE") or b"")
    return "" if word == "0" else word


def _command(words: list[str], parser: _options.Parser) -> list[str]:
    """The command line that words stand for."""
    if words == ["-m"]:
        parser.error("-m wants the name of a module")
    if words[0].startswith("-m") or (words[0].endswith(".py") and os.path.isfile(words[0])):  # noqa: PTH113
        return [sys.executable, *words]
    return words


def _wishes(options: argparse.Namespace, env: _launch.Environment) -> _launch.Wishes:
    allow_remote = "1" if options.allow_remote else _remote_word(env)
    token_file = options.token_file or os.fsdecode(_launch.get(env, b"CPROF_TOKEN_FILE") or b"")
    if options.without_token:
        allow_remote, token_file = "without-token", ""
    return _launch.Wishes(
        stub=stub_path(),
        output=options.output and _filename.absolute(options.output, os.getcwd()),  # noqa: PTH109
        http=options.http,
        allow_remote=allow_remote,
        token_file=token_file and os.path.join(os.getcwd(), token_file),  # noqa: PTH109, PTH118
        allow_host=options.allow_host or os.fsdecode(_launch.get(env, b"CPROF_ALLOW_HOST") or b""),
        follow=options.follow,
        cpu_hz=options.cpu_hz,
    )


def stub_path() -> str:
    import cprof

    package = os.path.dirname(os.path.abspath(cprof.__file__))  # noqa: PTH100, PTH120
    return os.path.join(package, "lib", "libcprof_preload.so")  # noqa: PTH118


def _start(
    words: list[str],
    command: list[str],
    env: _launch.Environment,
    wishes: _launch.Wishes | None,
) -> int:
    """Comes back only with the exit code for what could not be started."""
    if not command[0] and command is not words:
        return complain("this Python does not know its own path", CANNOT_RUN)
    arguments = [os.fsencode(word) for word in command]
    try:
        path = _profilable.find(arguments[0], _launch.get(env, b"PATH"))
    except OSError as why:
        return _refused(command[0], why)
    if wishes:
        env = _prepare(words[0], path, env, wishes)
    try:
        _launch.execute(path, arguments, env)
    except FileNotFoundError:
        return complain(f"{command[0]}: the interpreter that it names is not there", NOT_FOUND)
    except OSError as why:
        return _refused(command[0], why)


def _refused(name: str, why: OSError) -> int:
    if os.path.isdir(name) and ("/" in name or name.endswith(".py")):  # noqa: PTH112
        return complain(f"{name}: {os.strerror(errno.EISDIR)}", NOT_EXECUTABLE)
    code = NOT_FOUND if why.errno == errno.ENOENT else NOT_EXECUTABLE
    return complain(f"{name}: {why.strerror}", code)


def _prepare(
    name: str, path: bytes, env: _launch.Environment, wishes: _launch.Wishes
) -> _launch.Environment:
    """The environment to run in: the given one where the program cannot be profiled."""
    if reason := _launch.why_unprofiled(path, env, wishes.stub):
        _launch.say(f"{name} runs unprofiled: {reason}", env)
        return env
    return _launch.compose(env, wishes, os.getpid())
