"""The Python side of variables and of the collector: cprof.Int, Float, String, Map, publish;
memstats and gc=1."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import textwrap
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cprof
from conftest import Start
from harness import ROOT, Running, eventually, http
from require import require_flask
from test_python_door import Python, announced, free_address, listens, passes, python

pytestmark = pytest.mark.alone

__all__ = ["python"]

# Programs that serve, say where, and stay until their input ends.
SERVED = """
    import gc, json, urllib.request, cprof
    server = cprof.serve(0)
    def vars():
        return json.loads(urllib.request.urlopen(server.url + "/debug/vars", timeout=50).read())
    def stay():
        print(server.url + "/debug/pprof/", flush=True)
        sys.stdin.read()
"""


def served(code: str) -> str:
    return textwrap.dedent(SERVED) + textwrap.dedent(code)


def document(url: str) -> dict[str, Any]:
    reply = http(url + "/debug/vars")
    assert reply.status == 200
    found = json.loads(reply.body)
    assert isinstance(found, dict)
    return found


# ---- the kinds ----


def test_all_kinds_are_served_as_go_writes_them(python: Python) -> None:
    passes(python(served("""
        requests = cprof.Int("requests")
        requests.add()
        requests.add(41)
        assert requests.value == 42 and repr(requests) == "<cprof.Int: 42>"
        load = cprof.Float(name="load")
        load.set(0.25)
        load.add(1)
        assert load.value == 1.25 and repr(load) == "<cprof.Float: 1.25>"
        huge = cprof.Float("huge")
        huge.set(float("inf"))
        state = cprof.String("state")
        assert state.value == ""
        state.set("<up> \\u2028 \\u00fc")
        assert state.value == "<up> \\u2028 \\u00fc" and "up" in repr(state)
        paths = cprof.Map("paths")
        paths.add("/b", 2)
        paths.add("/a")
        paths.add_float("/c", 0.5)
        paths.set("all", requests)
        paths.set("nothing", None)
        anonymous = cprof.Int()
        anonymous.set(-7)
        cprof.publish("later", anonymous)
        cprof.publish("later", anonymous)  # the same one again is fine
        body = urllib.request.urlopen(server.url + "/debug/vars").read().decode()
        mine = [line for line in body.splitlines() if line[1:6] not in ("cprof", "memst", "cmdli")]
        assert mine == [
            '{',
            '"huge": null,',
            '"later": -7,',
            '"load": 1.25,',
            '"paths": {"/a": 1, "/b": 2, "/c": 0.5, "all": 42, "nothing": null},',
            '"requests": 42,',
            '"state": "\\\\u003cup\\\\u003e \\\\u2028 \\u00fc"',
            '}',
        ], mine
    """)))  # fmt: skip


def test_a_map_is_looked_at_from_python() -> None:
    m = cprof.Map()
    n = cprof.Int()
    assert len(m) == 0 and m.keys() == [] and m.items() == []
    m.set("n", n)
    m.add("n", 5)
    m.add_float("f", 1.5)
    m.set("nil", None)
    assert m.get("n") == n and hash(m.get("n")) == hash(n) and m.get("n") != cprof.Int()
    assert n.value == 5 and m.get("nil") is None and m.get("absent") is None
    assert m.keys() == ["f", "n", "nil"] and "nil" in m and "absent" not in m and 3 not in m
    assert dict(m.items())["n"] == n and len(m) == 3 and repr(m) == "<cprof.Map: 3 keys>"
    m.add("f", 1)  # an Int's way of adding, to what is a Float
    inner = m.get("f")
    assert isinstance(inner, cprof.Float) and inner.value == 1.5
    m.delete("n")
    m.delete("n")
    assert m.keys() == ["f", "nil"] and n.value == 5
    m.clear()
    assert len(m) == 0 and inner.value == 1.5


def test_a_name_is_taken_once(python: Python) -> None:
    passes(python("""
        import cprof
        first = cprof.Int("requests")
        for again in (
            lambda: cprof.Int("requests"),
            lambda: cprof.Map("requests"),
            lambda: cprof.publish("requests", cprof.Int()),
            lambda: cprof.publish("requests", len),
            lambda: cprof.String("memstats"),
        ):
            try:
                again()
            except cprof.VarError as why:
                assert isinstance(why, cprof.Error) and isinstance(why, ValueError)
                assert str(why).startswith("Reuse of exported var name: "), why
            else:
                raise AssertionError("published twice")
        cprof.publish("requests", first)
        long = "n" * 5000
        cprof.Int(long)
        try:
            cprof.Int(long)
        except cprof.VarError as why:
            assert str(why) == "Reuse of exported var name: " + long
    """))  # fmt: skip


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "an Int's name": (lambda: cprof.Int(3), "name must be str, not int"),  # type: ignore[arg-type]
    "two names": (lambda: cprof.Int("a", "b"), "at most 1"),  # type: ignore[call-arg]
    "a float for an Int": (lambda: cprof.Int().add(1.5), "float"),  # type: ignore[arg-type]
    "a text for an Int": (lambda: cprof.Int().set("1"), "str"),  # type: ignore[arg-type]
    "two deltas": (lambda: cprof.Int().add(1, 2), "at most 1"),  # type: ignore[call-arg]
    "a text for a Float": (lambda: cprof.Float().add("1"), "real number"),  # type: ignore[arg-type]
    "bytes for a String": (lambda: cprof.String().set(b"x"), "must be str"),  # type: ignore[arg-type]
    "a key": (lambda: cprof.Map().add(1), "key must be str"),  # type: ignore[arg-type]
    "no key": (lambda: cprof.Map().add(), "1 or 2"),  # type: ignore[call-arg]
    "a number in a Map": (lambda: cprof.Map().set("a", 1), "a Map holds"),  # type: ignore[arg-type]
    "a number published": (lambda: cprof.publish("a", 1), "callable can be"),  # type: ignore[arg-type]
    "published without a name": (lambda: cprof.publish(None, len), "name must be"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_kind_is_a_type_error(what: str) -> None:
    wrong, text = WRONG[what]
    with pytest.raises(TypeError, match=text):
        wrong()


def test_beyond_64_bits() -> None:
    """A sum wraps as in Go; what is no 64-bit number is an error and adds nothing."""
    n = cprof.Int()
    n.set(2**63 - 1)
    n.add()
    assert n.value == -(2**63)
    for wrong in (2**63, -(2**63) - 1):
        with pytest.raises(OverflowError):
            n.add(wrong)
        with pytest.raises(OverflowError):
            n.set(wrong)
    assert n.value == -(2**63)
    n.set(True)
    assert n.value == 1


def test_any_text_is_a_name_a_key_and_a_value(python: Python) -> None:
    """Names of files come with surrogates, which are no UTF-8: one document was lost for all."""
    passes(python(served("""
        name = os.fsdecode(b"n\\xff\\x00<")
        text = cprof.String(name)
        text.set("v\\udcfe")
        assert text.value == "v\\udcfe"
        text.set("v\\ud800")
        m = cprof.Map("m")
        m.add("\\udcff")
        assert "\\udcff" in m and m.keys() == ["\\udcff"]
        cprof.publish("f", lambda: {"\\udcff": "\\ud800x"})
        found = vars()
        assert found["n\\ufffd\\0<"] == "v?", found
        assert found["m"] == {"\\ufffd": 1}
        assert found["f"] == {"\\ufffd": "\\ufffdx"}
    """)))  # fmt: skip


def test_adding_is_cheaper_than_a_lock() -> None:
    """Beside what a program would write itself."""
    counter, lock = cprof.Int(), threading.Lock()
    names = {"add": counter.add, "lock": lock, "n": [0]}
    ours = min(timeit.repeat("add()", globals=names, number=50000, repeat=9))
    theirs = min(timeit.repeat("with lock: n[0] += 1", globals=names, number=50000, repeat=9))
    assert ours < theirs, f"{ours / 5e-5:.0f} ns against {theirs / 5e-5:.0f} ns"


def test_threads_add_while_others_look(python: Python) -> None:
    passes(python(served("""
        total, by_key, state = cprof.Int("total"), cprof.Map("by_key"), cprof.String("state")
        load = cprof.Float("load")
        inner = cprof.Map()
        by_key.set("inner", inner)
        def add(me):
            for i in range(20000):
                total.add()
                load.add(0.5)
                by_key.add(str(i % 50))
                if i % 100 == 0:
                    state.set("x" * (i % 977))
                    inner.add(f"{me}.{i % 700}")
                    inner.delete(f"{me}.{(i + 300) % 700}")
        threads = [threading.Thread(target=add, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        looks, last = 0, 0
        while any(t.is_alive() for t in threads) or not looks:
            found = vars()
            assert last <= found["total"] and set(found["state"]) <= {"x"}
            last, looks = found["total"], looks + 1
            by_key.items(), by_key.keys(), inner.items()
        for t in threads:
            t.join()
        time.sleep(0)
        assert total.value == 80000 and load.value == 40000.0
        assert [by_key.get(str(i)).value for i in range(50)] == [1600] * 50
    """)))  # fmt: skip


def test_what_is_dropped_leaves_nothing_behind(python: Python) -> None:
    passes(python("""
        import cprof
        def rss():
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
        keep = cprof.Map("keep")
        text = cprof.String("text")
        def churn(n):
            for i in range(n):
                number, inner = cprof.Int(), cprof.Map()
                inner.set("n", number)
                inner.add("m")
                inner.get("n"), inner.items()
                keep.set("inner", inner)
                keep.add("k%d" % (i % 10))
                keep.delete("k%d" % ((i + 5) % 10))
                text.set("x" * 100)
                try:
                    cprof.Float("keep")
                except cprof.VarError:
                    pass
        churn(20000)
        before = rss()
        churn(100000)
        assert rss() - before < 4 << 20, rss() - before
    """))  # fmt: skip


# ---- functions ----


def test_functions_are_called_and_their_failures_are_null(python: Python) -> None:
    passes(python(served("""
        calls = []
        def once():
            calls.append(threading.get_ident())
            return "x" * 100000  # does not fit at the first try
        cprof.publish("big", once)
        cprof.publish("nested", lambda: {"b": [1, 2.5, None, True], "a": {"y": (), "x": "\\u00fc"}})
        cprof.publish("nan", lambda: {"a": [float("nan")]})
        cprof.publish("no_json", lambda: {1, 2})
        cprof.publish("mixed", lambda: {1: 2, "a": 3})
        cprof.publish("raises", lambda: 1 / 0)
        cprof.publish("exits", lambda: sys.exit(3))
        cprof.publish("interrupted", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        cprof.publish("asks", lambda: len(threading.enumerate()))
        cprof.publish("class", dict)
        body = urllib.request.urlopen(server.url + "/debug/vars").read().decode()
        assert '"nested": {"a":{"x":"\\u00fc","y":[]},"b":[1,2.5,null,true]}' in body
        found = json.loads(body)
        assert len(found["big"]) == 100000 and len(calls) == 1, calls
        assert calls[0] != threading.get_ident()
        for name in ("nan", "no_json", "mixed", "raises", "exits", "interrupted"):
            assert found[name] is None, name
        assert found["asks"] == 1 and found["class"] == {}
        for i in range(2, 5):
            assert len(vars()["big"]) == 100000 and len(calls) == i
    """)))  # fmt: skip


def test_publishing_starts_no_thread_before_there_is_a_server(python: Python) -> None:
    """From 3.12 on os.fork() warns in a program that has a second thread."""
    passes(python("""
        import cprof
        cprof.publish("threads", threading.active_count)
        cprof.Int("requests").add()
        assert len(os.listdir("/proc/self/task")) == 1
    """))  # fmt: skip


def test_switched_off_they_are_data_all_the_same(python: Python) -> None:
    passes(python("""
        import cprof
        requests, paths = cprof.Int("requests"), cprof.Map("paths")
        requests.add(3)
        paths.add("/")
        cprof.publish("threads", threading.active_count)
        assert not cprof.serve(0).serving
        assert requests.value == 3 and paths.keys() == ["/"]
        try:
            cprof.Int("requests")
        except cprof.VarError:
            pass
        assert len(os.listdir("/proc/self/task")) == 1
    """, env={"CPROF_DISABLE": "1"}))  # fmt: skip


def test_c_code_in_the_process_shares_the_names(python: Python) -> None:
    passes(python(served("""
        import ctypes
        ours = cprof.Int("python")
        front = ctypes.CDLL(os.path.dirname(cprof.__file__) + "/lib/libcprof.so")
        front.cprof_int_new.restype = ctypes.c_void_p
        front.cprof_int_add.argtypes = [ctypes.c_void_p, ctypes.c_int64]
        front.cprof_last_error.restype = ctypes.c_char_p
        assert front.cprof_int_new(b"python") is None
        assert front.cprof_last_error() == b"Reuse of exported var name: python"
        theirs = front.cprof_int_new(b"c")
        front.cprof_int_add(theirs, 5)
        ours.add(4)
        try:
            cprof.Int("c")
        except cprof.VarError as why:
            assert str(why) == "Reuse of exported var name: c"
        else:
            raise AssertionError("two variables of one name")
        found = vars()
        assert (found["python"], found["c"]) == (4, 5)
    """)))  # fmt: skip


def test_a_child_of_fork_counts_on_and_may_serve(python: Python) -> None:
    passes(python(served("""
        requests, paths = cprof.Int("requests"), cprof.Map("paths")
        cprof.publish("pid", os.getpid)
        requests.add(10)
        import socket
        def ask(server):  # not by urllib: of its locks one may be held at the moment of the fork
            host, port = server.address.split(":")
            with socket.socket() as s:
                s.connect((host, int(port)))
                s.sendall(b"GET /debug/vars HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n")
                answer = b"".join(iter(lambda: s.recv(65536), b""))
            return json.loads(answer.partition(b"\\r\\n\\r\\n")[2])
        stop = False
        def busy():
            while not stop:
                paths.add("/")
                paths.add(str(time.perf_counter_ns() % 100))
        def look():
            while not stop:
                vars()
        threads = [threading.Thread(target=f, daemon=True) for f in (busy, busy, look)]
        for t in threads:
            t.start()
        for _ in range(5):
            time.sleep(0.01)
            pid = os.fork()
            if pid == 0:
                requests.add()
                paths.add("child")
                assert requests.value == 11
                found = ask(cprof.serve(0))
                assert found["pid"] in (os.getpid(), None), found["pid"]  # in 2 s, or null
                assert found["requests"] == 11 and found["paths"]["child"] == 1
                gc.collect()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop = True
        for t in threads:
            t.join()
        assert vars()["pid"] == os.getpid() and requests.value == 10 and "child" not in paths
    """)))  # fmt: skip


def test_a_subinterpreter_counts_but_publishes_no_function(python: Python) -> None:
    passes(python(served("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import textwrap
        code = '''
        import cprof
        inner = cprof.Int("inner")
        inner.add(7)
        try:
            cprof.publish("f", len)
        except cprof.UnsupportedError as why:
            assert "main interpreter" in str(why)
        else:
            raise AssertionError("published")
        try:
            cprof.Int("inner")
        except cprof.VarError:
            pass
        '''
        other = interpreters.create()
        failed = interpreters.run_string(other, textwrap.dedent(code))
        assert failed is None, failed
        interpreters.destroy(other)
        found = vars()
        assert found["inner"] == 7 and "f" not in found
    """)))  # fmt: skip


# ---- the GIL ----


def test_all_but_functions_is_answered_while_c_code_holds_the_gil(python: Python) -> None:
    """A server that needs the GIL is away exactly when somebody wants to know what hangs."""
    target = python(
        served("""
        import ctypes
        requests = cprof.Int("requests")
        requests.add(5)
        cprof.publish("threads", threading.active_count)
        print(server.url + "/debug/pprof/", flush=True)
        sys.stdin.readline()
        print("held", flush=True)
        ctypes.PyDLL("libc.so.6").sleep(8)
        print("released", flush=True)
        sys.stdin.read()
    """)
    )
    url = target.url()
    assert document(url)["threads"] == 1
    assert target.process.stdin
    target.process.stdin.write(b"\n")
    target.process.stdin.flush()
    target.line("held")
    answers: dict[str, Any] = {}

    def ask(path: str) -> None:
        answers[path] = http(url + path)

    paths = (
        *("/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/heap", "/debug/pprof/goroutine"),
        *("/debug/pprof/profile?seconds=1", "/debug/vars", "/debug/pprof/heap?gc=1"),
    )
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert "released" not in target.stdout(), "an answer waited for the GIL"
    late = answers.pop("/debug/pprof/heap?gc=1")
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    found = json.loads(answers["/debug/vars"].body)
    assert found["requests"] == 5 and found["threads"] is None
    assert late.status == 500 and late.headers["x-go-pprof"] == "1"
    assert late.body == b"no garbage collection: the interpreter did not answer in 2 s\n"
    target.line("released")
    assert eventually(lambda: document(url)["threads"], "the function to be called again") == 1
    assert http(url + "/debug/pprof/heap?gc=1").status == 200
    assert target.stop() == 0


# What functions and collections are doing when the program ends.
AT_THE_END = {
    "quick": "lambda: threading.current_thread().name",
    "napping": "lambda: time.sleep(0.05)",
    "asleep for long": "lambda: time.sleep(100)",
    "spinning": "spin",
    "raising": "lambda: 1 / 0",
    "waiting for the GIL": "hold_up",
}


@pytest.mark.parametrize("what", AT_THE_END)
def test_the_program_ends_as_ever_while_it_is_being_asked(what: str, python: Python) -> None:
    """Interpreters before 3.14 end a thread that wants the GIL while they end: with it libc ended
    the process, and its exit code was lost."""
    target = python(
        served(f"""
        import ctypes
        def spin():
            while True:
                pass
        def hold_up():
            ctypes.PyDLL("libc.so.6").usleep(300000)
        cprof.publish("f", {AT_THE_END[what]})
        print(server.url + "/debug/pprof/", flush=True)
        sys.stdin.readline()
        if {what == "waiting for the GIL"}:
            threading.Thread(target=hold_up, daemon=True).start()
        sys.exit(7)
    """)
    )
    url = target.url()
    begun = threading.Barrier(5)

    def ask(path: str) -> None:
        begun.wait()
        try:
            for _ in range(1000):
                http(url + path)
        except OSError:
            pass  # the program has ended

    paths = ["/debug/vars"] * 3 + ["/debug/pprof/heap?gc=1"]
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for t in threads:
        t.start()
    begun.wait()
    time.sleep(0.05)  # long enough to be in the middle, whatever that is
    assert target.process.stdin
    target.process.stdin.write(b"\n")
    target.process.stdin.flush()
    assert target.wait() == 7
    for t in threads:
        t.join()
    assert target.stderr() == ""


# ---- the collector ----


def test_nothing_is_called_once_the_program_ends(python: Python) -> None:
    """What is left then of the program is not what its functions were written for."""
    early = """
        import atexit
        atexit.register(lambda: print("late", vars()["f"], flush=True))
    """
    target = python(
        textwrap.dedent(early)
        + served("""
        cprof.publish("f", lambda: 1)
        print("before", vars()["f"], flush=True)
    """)
    )
    assert target.wait() == 0
    assert target.stdout() == "before 1\nlate None\n"


def test_memstats_tells_of_collections(python: Python) -> None:
    passes(python(served("""
        import cprof._errors
        def memstats():
            time.sleep(0.11)  # as old as an answer may be
            return vars()["memstats"]
        gc.disable()
        before = memstats()
        start = time.time_ns()
        for _ in range(3):
            gc.collect()
        gc.collect(0)
        end = time.time_ns()
        now = memstats()
        assert now["NumGC"] - before["NumGC"] == 4, now["NumGC"]
        assert now["NumForcedGC"] == 0
        assert start - 10**9 < now["LastGC"] < end + 10**9
        i = (now["NumGC"] + 255) % 256
        assert now["PauseEnd"][i] == now["LastGC"] and now["PauseNs"][i] > 0
        paused = now["PauseTotalNs"] - before["PauseTotalNs"]
        assert 0 < paused < end - start and paused == sum(now["PauseNs"]) - sum(before["PauseNs"])
        urllib.request.urlopen(server.url + "/debug/pprof/heap?gc=1").read()
        last = memstats()
        assert (last["NumGC"], last["NumForcedGC"]) == (now["NumGC"] + 1, 1)
    """)))  # fmt: skip


def test_the_programs_own_callbacks_stay_as_they_are(python: Python) -> None:
    passes(python("""
        import gc, cprof
        seen = []
        mine = lambda phase, info: seen.append(phase)
        gc.callbacks.append(mine)
        server = cprof.serve(0)
        assert gc.callbacks[0] is mine and len(gc.callbacks) == 2
        try:
            cprof.serve(0)
        except cprof.ServeError:
            pass
        assert len(gc.callbacks) == 2, "a second server that there is not"
        last = gc.callbacks[1]
        for junk in ((), (1, 2), ("stop",), ("stop", {}), ("nonsense", None)):
            assert last(*junk) is None
        gc.collect()
        assert seen[-2:] == ["start", "stop"]
        server.close()
        assert gc.callbacks == [mine]
        with cprof.serve(0):
            gc.callbacks.clear()
            gc.collect()
        assert gc.callbacks == []
        gc.callbacks = None
        with cprof.serve(0):
            pass
        gc.callbacks = []
        failing = "nonsense"
        try:
            cprof.serve(failing)
        except cprof.ServeError:
            pass
        assert gc.callbacks == []
    """))  # fmt: skip


def test_the_environments_server_tells_of_collections_too(python: Python) -> None:
    target = python("""
        import gc, cprof
        with cprof.serve(0):
            pass
        assert len(gc.callbacks) == 1, "the environment's server is still there"
        gc.collect()
        print("ready", os.getpid(), 1, flush=True)
        sys.stdin.read()
    """, env={"CPROF_HTTP": "0"})  # fmt: skip
    announced(target, "ready", 1)
    assert document(target.url())["memstats"]["NumGC"] > 0
    assert target.stop() == 0


GARBAGE = """
    import weakref
    class Node:
        pass
    gc.disable()
    def litter():
        node = Node()
        node.self = node
        return weakref.ref(node)
"""


def test_gc_1_collects_before_the_snapshot(python: Python) -> None:
    target = python(
        served(
            textwrap.dedent(GARBAGE)
            + textwrap.dedent("""
        def get(path):
            return urllib.request.urlopen(server.url + "/debug/pprof/" + path).read()
        for path in ("heap", "heap?gc=0", "heap?gc=-1", "heap?gc=x", "heap?gc=1.5", "heap?gc=",
                     "allocs?gc=1", "heap?gc=1&seconds=1"):
            node = litter()
            get(path)
            assert node() is not None, path
        for path in ("heap?gc=1", "heap?gc=2&debug=1", "heap?debug=0&gc=1"):
            node = litter()
            body = get(path)
            assert node() is None, path
            assert body[:13] == b"heap profile:" if "debug=1" in path else body[:2] == b"\\x1f\\x8b"
        for t in [threading.Thread(target=get, args=("heap?gc=1",)) for _ in range(20)]:
            t.start()
    """)
        )
    )
    passes(target)


def test_a_collector_that_raises_or_takes_its_time(python: Python) -> None:
    """Finalizers are the program's own code, on a thread of ours."""
    passes(python(served("""
        import urllib.error
        class Node:
            def __del__(self):
                if self.slow:
                    time.sleep(3)
                raise KeyboardInterrupt
        def litter(slow):
            node = Node()
            node.self, node.slow = node, slow
        gc.disable()
        sys.unraisablehook = lambda *args: None
        litter(False)
        assert urllib.request.urlopen(server.url + "/debug/pprof/heap?gc=1").status == 200
        litter(True)
        for _ in range(1):
            try:
                urllib.request.urlopen(server.url + "/debug/pprof/heap?gc=1")
            except urllib.error.HTTPError as why:
                assert why.code == 500 and b"in 2 s" in why.read()
            else:
                raise AssertionError("waited for longer than anybody waits")
        assert urllib.request.urlopen(server.url + "/debug/pprof/heap").status == 200
        while True:  # once that one is through it collects again
            try:
                urllib.request.urlopen(server.url + "/debug/pprof/heap?gc=1")
                break
            except urllib.error.HTTPError:
                pass
    """)))  # fmt: skip


# ---- Flask ----


@pytest.fixture
def flask(start: Start) -> Iterator[None]:
    require_flask()
    yield


FLASK_APP = ROOT / "examples" / "flask_app.py"


def pages(target: Running) -> str:
    """Where werkzeug says that it serves the app."""

    def find() -> str:
        target.check_alive()
        found = re.findall(r"Running on (http://[0-9.:]+)", target.stderr() + target.stdout())
        return found[-1] if found else ""

    return eventually(find, "Flask's server")


def test_the_flask_app_counts_requests_and_threads(flask: None, start: Start) -> None:
    target = start(Path(sys.executable), str(FLASK_APP), "0", "0")
    url, app = target.url(), pages(target)
    for path in ("/", "/cart", "/cart", "/hello/a", "/hello/b", "/wp-login.php"):
        http(app + path)
    found = document(url)
    assert found["requests"] == 6
    assert found["requests.by_route"] == {"(none)": 1, "/": 1, "/cart": 2, "/hello/<name>": 2}
    assert found["requests.by_status"] == {"200": 5, "404": 1}
    assert found["threads.live"] >= 1
    metrics = http(url + "/debug/metrics").body.decode()
    assert 'requests_by_route{key="/cart"} 2' in metrics


@pytest.mark.parametrize("door", ["its own", "CPROF_HTTP"])
def test_of_flasks_reloader_the_app_has_the_server(
    door: str, flask: None, start: Start, tmp_path: Path
) -> None:
    app = tmp_path / "flask_app.py"
    app.write_text(FLASK_APP.read_text())
    if door == "its own":
        address = ""
        target = start(Path(sys.executable), str(app), "0", "0", "--reload")
    else:
        address = free_address()
        command = ("-m", "flask", "--app", str(app), "run", "--port", "0", "--debug")
        target = start(Path(sys.executable), *command, env={"CPROF_HTTP": address})

    def child() -> int:
        target.check_alive()
        children = Path(f"/proc/{target.pid}/task/{target.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def serving() -> list[str]:
        """What of the app's listens beside its pages."""
        pid = child()
        found = listens(pid) if pid else []
        return [a for a in found if pages(target) != f"http://{a}"]

    for generation in (1, 2):
        found = eventually(serving, "the app's debug server")
        assert len(found) == 1 and (not address or found == [address])
        assert set(listens(target.pid)) <= {pages(target).removeprefix("http://")}
        assert document(f"http://{found[0]}")["threads.live"] >= 1
        if generation == 1:
            before = child()
            app.write_text(FLASK_APP.read_text() + "\n# changed\n")
            eventually(lambda pid=before: child() not in (0, pid), "the reloader")  # type: ignore[misc]
    os.kill(target.pid, signal.SIGINT)
    eventually(lambda: target.process.poll() is not None, "the end")
