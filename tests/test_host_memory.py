"""Whatever a host allocates, exports, throws and opens: its own stays its own, ours stays ours."""

from __future__ import annotations

import platform

import pytest

from doors import ALL, LINKED, RUN, Outcome, Plugin, by_every_door

pytestmark = pytest.mark.alone

ALLOCATORS = {
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc_minimal": "libtcmalloc_minimal.so.4",
    "mimalloc": "libmimalloc.so.2",
}
PRELOADED = {name: {"env": (("LD_PRELOAD", library),)} for name, library in ALLOCATORS.items()}
LINKED_TO = {
    name: {"flags": ("-Wl,--no-as-needed", f"-l{name}", "-Wl,--as-needed")} for name in ALLOCATORS
}


@by_every_door("memory.c", "used", "virtual")
def test_glibcs_memory_is_used_and_freed(outcome: Outcome) -> None:
    """Big blocks must stay virtual: page-aligning a sampled one made it resident."""
    outcome.assert_sampled()


@by_every_door("memory.c", "used", "virtual", crash=False, each=PRELOADED)
def test_a_preloaded_allocator_gets_all_and_frees_all(outcome: Outcome) -> None:
    """getline's memory came from one allocator and was freed by another: an abort."""
    outcome.assert_sampled()


@by_every_door("memory.c", "used", crash=False, doors=(LINKED, RUN), each=LINKED_TO)
def test_a_linked_allocator_gets_all_and_frees_all(outcome: Outcome) -> None:
    outcome.assert_sampled()


@by_every_door("exports.c", "named", flags=("-rdynamic",), crash=False, doors=ALL)
def test_functions_named_like_our_dependencies_are_the_hosts(outcome: Outcome) -> None:
    """A host that exported its own crc32 was called by our zlib: every profile was broken. Here
    each one aborts, and the profile has to be readable."""
    outcome.assert_sampled()


@by_every_door("throws.c", "plugin", more=(Plugin("thrower.cc"),), crash=False)
def test_a_c_program_opens_a_plugin_that_throws(outcome: Outcome) -> None:
    """libunwind's _Unwind_* took over the exceptions of programs that load libgcc_s later."""
    outcome.assert_sampled()


@by_every_door("throws.c", "threads", crash=False)
def test_threads_leave_through_libcs_unwinder(outcome: Outcome) -> None:
    outcome.assert_sampled()


@by_every_door("own_unwinder.c", "own", flags=("-rdynamic",), crash=False)
def test_a_host_has_an_unwinder_of_its_own(outcome: Outcome) -> None:
    outcome.assert_sampled()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="there is no GLIBC_2.2.5 elsewhere")
@by_every_door("conditions.c", "both", more=(Plugin("old_conditions.c"),))
def test_both_versions_of_condition_variables_work(outcome: Outcome) -> None:
    """An unversioned pthread_cond_wait captures callers of the old one too: its layout differs."""
    outcome.assert_sampled()


BESIDE = (
    ("opened/libhost_outer.so", Plugin("plugin_outer.c", ("-Wl,-rpath,$ORIGIN/below",))),
    ("opened/below/libhost_inner.so", Plugin("plugin_inner.c")),
)


@by_every_door(
    "plugins.c", "runpath", "come_and_go", flags=("-Wl,-rpath,$ORIGIN/opened",), beside=BESIDE
)
def test_plugins_are_found_by_the_runpath_of_who_asks(outcome: Outcome) -> None:
    """To a wrapped dlopen the caller is the wrapper: plugins were not found any more."""
    outcome.assert_sampled()


@by_every_door("plugins.c", "large", more=(Plugin("plugin_table.c"),))
def test_plugins_are_loaded_while_their_calls_are_redirected(outcome: Outcome) -> None:
    """A page that the loader was still writing into was made read-only again: it crashed."""
    outcome.assert_sampled()


@by_every_door("own_list.c", "gone", "cut_off", more=(Plugin("heavy.c"),), doors=(LINKED, RUN))
def test_what_is_listed_need_not_be_there(outcome: Outcome) -> None:
    """A library that the host's own dl_iterate_phdr still lists, and one whose file was cut off:
    reading them was a fault."""
    outcome.assert_sampled()


@by_every_door("closed_table.c", "closed", flags=("-Wl,-z,norelro,-z,now",), doors=(LINKED, RUN))
def test_a_host_makes_its_own_tables_read_only(outcome: Outcome) -> None:
    """Only what the loader had closed was opened to be written: the engine crashed."""
    outcome.assert_sampled()


@by_every_door("plugins.c", "scope", doors=ALL)
def test_nothing_of_ours_is_in_the_hosts_scope(outcome: Outcome) -> None:
    """A core that is opened for all to see brings libdw and libelf with it: what the host opens
    later is bound to them."""
    outcome.assert_sampled()


@by_every_door("tls.c", "before", "after", more=(Plugin("tls_block.c"),))
def test_a_host_that_uses_up_static_thread_locals(outcome: Outcome) -> None:
    """A large block of ours would not be loaded, or leave too little."""
    outcome.assert_sampled()
