"""The Python door to a program's own profiles, and to those that are as they stand:
cprof.CustomProfile, cprof.snapshot."""

from __future__ import annotations

from pathlib import Path

from test_python_door import Python, passes, python

__all__ = ["python"]


def test_values_are_keys_as_of_a_dict(python: Python) -> None:
    passes(python("""
        import cprof
        p = cprof.CustomProfile("mine")
        p.add(1)
        p.add("x")
        p.add(("a", 2))
        for again in (1.0, "x", ("a", 2)):  # equal to what is there
            try:
                p.add(again)
                raise SystemExit(again)
            except ValueError as why:
                assert str(why) == "pprof: Profile.Add of duplicate value"
        assert p.count() == 3
        try:
            p.add([])
            raise SystemExit("a list is hashable")
        except TypeError:
            pass
        p.remove("y")
        p.remove(True)  # as of a dict: True == 1
        assert p.count() == 2 and "2 values" in repr(p)
        with p.track("z") as value:
            assert value == "z" and p.count() == 3
        try:
            with p.track("z"):
                1 / 0
        except ZeroDivisionError:
            pass
        assert p.count() == 2
    """))  # fmt: skip


def test_names_are_refused_in_gos_words(python: Python) -> None:
    passes(python("""
        import cprof
        cprof.CustomProfile("mine")
        for name, words in {
            "": "pprof: NewProfile with empty name",
            "mine": "pprof: NewProfile name already in use: mine",
            "heap": "pprof: NewProfile name already in use: heap",
        }.items():
            try:
                cprof.CustomProfile(name)
                raise SystemExit(name)
            except ValueError as why:
                assert str(why) == words, why
    """))  # fmt: skip


def test_it_is_served_and_fetched(python: Python, tmp_path: Path) -> None:
    passes(python(r"""
        import cprof, subprocess
        name = "a/b <c>\"\u00e9"
        p = cprof.CustomProfile(name)
        server = cprof.serve("127.0.0.1:0")
        for i in range(5):
            p.add(i)
        kinds = ["heap", "allocs", "block", "mutex", "goroutine", "thread", "threadcreate", name]
        for kind in kinds:
            seen = cprof.fetch(server.url, kind), cprof.snapshot(kind)
            assert seen[0].sample_types == seen[1].sample_types, kind
            done = subprocess.run(
                [sys.executable, "-m", "cprof", "fetch", server.url, "--profile", kind,
                 "-o", "out.pb.gz"], cwd=os.environ["SCRATCH"])
            assert done.returncode == 0, kind
            loaded = cprof.load(os.environ["SCRATCH"] + "/out.pb.gz")
            assert loaded.sample_types == seen[0].sample_types
        assert cprof.snapshot(name).total(name) == 5
        frames = [f.name for s in cprof.snapshot(name).samples for f in s.frames]
        assert "custom_add" not in frames and "main" in frames or "Py_BytesMain" in frames, frames
        assert cprof.snapshot("thread").total("goroutine") >= 1
        for kind, words in {"cpu": "cprof.record", "heep": 'did you mean "heap"'}.items():
            try:
                cprof.snapshot(kind)
                raise SystemExit(kind)
            except ValueError as why:
                assert words in str(why), why
        server.close()
    """, env={"SCRATCH": str(tmp_path)}))  # fmt: skip


def test_many_threads_add_and_remove(python: Python) -> None:
    """A value that is removed while another thread adds it must not stay for ever."""
    passes(python("""
        import cprof
        p = cprof.CustomProfile("mine")
        def work(n):
            for i in range(2000):
                try:
                    p.add(i % 50)
                except ValueError:
                    pass
                p.remove((i + n) % 50)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        for i in range(50):
            p.remove(i)
        assert p.count() == 0, p.count()
        assert cprof.snapshot("mine").total("mine") == 0
    """))  # fmt: skip


def test_switched_off_it_is_nothing(python: Python) -> None:
    passes(python("""
        import cprof
        p = cprof.CustomProfile("heap")
        with p.track(1):
            assert p.count() == 0
        assert len(cprof.snapshot("mine").samples) == 0
        assert len(os.listdir("/proc/self/task")) == 1
    """, env={"CPROF_DISABLE": "1"}))  # fmt: skip
