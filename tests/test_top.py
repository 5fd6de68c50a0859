"""`top` against `go tool pprof -top`, letter by letter, and its rows.

Where we differ on purpose, with the reason:
- names that are still mangled stay so (Go demangles in the reader, we where the profile is made);
- a name in angle brackets that equals its system name is shown (Go's clean-up leaves nothing);
- two samples of one file with equal stack and labels are one sample here, which shows in the total
  only if their signs differ;
- rows that Go prints in random order (equal values and equal names) have a fixed order here;
- nothing is symbolized from local binaries.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

import cprof
from profiles import Builder, folded, rich
from require import require_go

MS = 1_000_000
HEAP = (
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
)


def go_top(*args: str) -> str:
    command = [require_go(), "tool", "pprof", "-top", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def heap() -> Builder:
    return folded(
        {
            "main;load": (10, 5 << 20, 4, 3 << 20),
            "main;load;copy": (1000, 700 << 20, 3, 1536),
            "main;parse": (7, 900, 7, 900),
            "main;tiny": (1, 1, 0, 0),
        },
        sample_types=HEAP,
        period=("space", "bytes", 524288),
        duration_nanos=0,
        default_sample_type="alloc_space",
    )


def wide() -> Builder:
    """More functions than half a per cent lets through, with equal values in it."""
    stacks = {f"main;f{i};g{i % 7}": (i % 11, i % 11 * 10 * MS) for i in range(300)}
    return folded(stacks)


def pruned() -> Builder:
    return folded(
        {"main;malloc;_int_malloc": (3, 30 * MS), "malloc;x": (1, 10 * MS)},
        drop_frames="malloc|_int_.*",
        keep_frames="_int_free",
    )


def odd_units() -> Builder:
    stacks = {"main;a": (5, 123456), "main;b": (2, 7_200_000)}
    return folded(stacks, sample_types=(("runs", "widgets"), ("delay", "milliseconds")))


def nothing() -> Builder:
    return Builder()


MADE = {f.__name__: f for f in (rich, heap, wide, pruned, odd_units, nothing)}
VARIANTS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "plain": ([], {}),
    "cum": (["-cum"], {"sort": "cum"}),
    "n": (["-nodecount=3"], {"n": 3}),
    "first type": (["-sample_index=0"], {"sample_type": 0}),
    "filefunctions": (["-filefunctions"], {"granularity": "filefunctions"}),
    "files": (["-files"], {"granularity": "files"}),
    "lines": (["-lines"], {"granularity": "lines"}),
    "addresses": (["-addresses"], {"granularity": "addresses"}),
}


@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.parametrize("name", list(MADE))
def test_text_is_what_go_prints(name: str, variant: str, tmp_path: Path) -> None:
    """People paste this text side by side with Go's: one letter off and they look for a bug."""
    path = MADE[name]().save(tmp_path / "p.pb.gz")
    args, options = VARIANTS[variant]
    assert str(cprof.load(path).top(**options)) + "\n" == go_top(*args, str(path))


@pytest.mark.parametrize("seed", range(12))
def test_random_profiles_print_as_in_go(seed: int, tmp_path: Path) -> None:
    """What nobody thought of: inlining inside recursion, dropped frames, missing names."""
    path = random_profile(random.Random(seed)).save(tmp_path / "p.pb.gz")
    granularity = ("functions", "addresses", "lines")[seed % 3]
    text = str(cprof.load(path).top(granularity=granularity))
    assert text + "\n" == go_top(f"-{granularity}", str(path))


def random_profile(r: random.Random) -> Builder:
    builder = Builder(drop_frames=r.choice(["", "f1|f2", "f.*"]), keep_frames=r.choice(["", "f2"]))
    mappings = [builder.mapping(f"/no/such/lib{i}.so", start=i << 32) for i in range(1, 4)]
    names = [f"f{i}" for i in range(20)] + ["ns::A<int>::m(int)", "(anonymous namespace)::g(int)"]
    functions = [
        builder.function(name, r.choice(["", f"/src/{name[:2]}.c"]), r.choice(["", name, "_Zx"]))
        for name in names
    ]
    locations = [
        builder.location(
            *[(r.choice(functions), r.randint(0, 4)) for _ in range(r.choice([0, 1, 1, 2, 3]))],
            mapping=r.choice([0, *mappings]),
            address=r.randint(1, 1 << 40),
        )
        for _ in range(40)
    ]
    for stack in {tuple(r.choices(locations, k=r.randint(1, 8))) for _ in range(150)}:
        sign = r.choice([1, 1, -1])
        builder.sample(stack, [sign, sign * int(10 ** r.uniform(0, 11))])
    return builder


def test_a_diff_prints_what_go_prints_for_base(tmp_path: Path) -> None:
    """-base: negative values, percentages of all absolute change, the sum of both durations."""
    before = folded({"main;a": (5, 50 * MS), "main;b": (9, 90 * MS), "main;c": (1, 10 * MS)})
    after = folded({"main;a": (9, 90 * MS), "main;b": (2, 20 * MS), "main;d": (3, 30 * MS)})
    base, new = before.save(tmp_path / "base.gz"), after.save(tmp_path / "new.gz")
    difference = cprof.diff(cprof.load(base), cprof.load(new))
    assert str(difference.top()) + "\n" == go_top("-base", str(base), str(new))
    assert [(row.name, row.flat) for row in difference.top()][:3] == [
        ("b", -70 * MS),
        ("a", 40 * MS),
        ("d", 30 * MS),
    ]


def test_a_merge_prints_what_go_prints_for_two_files(tmp_path: Path) -> None:
    one, two = rich().save(tmp_path / "1.gz"), rich().save(tmp_path / "2.gz")
    merged = cprof.merge([cprof.load(one), cprof.load(two)])
    assert str(merged.top()) + "\n" == go_top(str(one), str(two))


def test_rows_hold_numbers() -> None:
    table = cprof.load(rich().zipped()).top(2)
    first = table.rows[0]
    assert first.name == "[libz.so.1]"
    assert first.flat == 400 * MS
    assert first.flat_pct == pytest.approx(400 / 1095 * 100)
    assert table[1].sum_pct == pytest.approx((400 + 320) / 1095 * 100)
    assert table.to_dicts()[0]["cum"] == 400 * MS
    assert table.to_dict()["total"] == 1095 * MS
    assert len(table) == len(list(table)) == 2


def test_inlining_is_told() -> None:
    """A function that some callers inline and others call is both."""
    rows = {row.name: row for row in cprof.load(rich().zipped()).top()}
    assert rows["leaf"].inline == "partial-inline"
    assert rows["main"].inline == ""


def test_recursion_counts_once_in_cum() -> None:
    """More than 100 % in cum is what a naive sum over frames gives."""
    p = cprof.load(folded({"main;f;f;f": (1, 10), "main;f": (1, 5)}).zipped())
    assert {row.name: row.cum for row in p.top()} == {"main": 15, "f": 15}


def test_a_pseudo_frame_keeps_its_name() -> None:
    """Go's clean-up of C++ names takes `<kernel>` for an argument list and shows <unknown>."""
    builder = Builder()
    kernel = builder.function("<kernel>", system_name="<kernel>")
    builder.sample([builder.location((kernel, 0))], [1, 10])
    assert cprof.load(builder.zipped()).top().rows[0].name == "<kernel>"


def test_html_is_escaped() -> None:
    table = cprof.load(folded({"main;<script>alert(1)</script>": (1, 10)}).zipped()).top()
    assert "<script>" not in table._repr_html_()
    assert "&lt;script&gt;" in table._repr_html_()


@pytest.mark.parametrize(
    ("options", "word"),
    [({"sort": "size"}, "flat"), ({"granularity": "words"}, "lines"), ({"n": -1}, "negative")],
)
def test_wrong_arguments_say_what_is_right(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        cprof.load(rich().zipped()).top(**options)


def test_a_wrong_sample_type_lists_the_right_ones() -> None:
    with pytest.raises(cprof.ProfileError, match="inuse_space"):
        cprof.load(heap().zipped()).top(sample_type="inuse")
