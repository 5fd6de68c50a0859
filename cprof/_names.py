"""Names of functions, files and groups, as reports and flame graphs show them."""

from __future__ import annotations

import posixpath
import re


def display_name(name: str, system_name: str) -> str:
    """What a function is called in a report.

    A name equal to its system name was never demangled. Where it looks like C++ all the same,
    argument and template lists go, as `go tool pprof` has it. Unlike there, a name that would
    vanish this way (`<kernel>`) stays.
    """
    if name and name != system_name:
        return name
    if not looks_like_cplusplus(system_name):
        return system_name
    return _without(_without(system_name, "(", ")"), "<", ">") or system_name


def looks_like_cplusplus(name: str) -> bool:
    if ".<" in name or "])." in name:  # Java constructors, Go generics
        return False
    return "::" in name or any(c in name for c in "<>[]")


def _without(name: str, opening: str, closing: str) -> str:
    """name without its balanced groups; from a stray closing bracket on it is left alone."""
    kept: list[str] = []
    depth = begin = start = 0
    for i, c in enumerate(name):
        if c == opening:
            if depth == 0:
                start = i
            depth += 1
        elif c == closing:
            if depth == 0:
                break
            depth -= 1
            if depth == 0:
                kept.append(name[begin:start])
                begin = i + 1
    return "".join(kept) + name[begin:]


def clean_path(path: str) -> str:
    """A source path without `..`, doubled slashes and Bazel's /proc/self/cwd."""
    for prefix in ("/proc/self/cwd/./", "/proc/self/cwd/"):
        if path.startswith(prefix):
            path = path[len(prefix) :]
            break
    if not path:
        return ""
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def base_name(path: str) -> str:
    """The last part of a path, trailing slashes aside."""
    return posixpath.basename(path.rstrip("/")) or ("/" if path else ".")


_RESERVED = re.compile(r"\(anonymous namespace\)|operator\(\)|\(")


def simple_name(name: str) -> str:
    """A name without its argument list, which is what drop_frames is matched against."""
    name = name[1:] if name.startswith(".") else name
    for found in _RESERVED.finditer(name):
        if found.group() == "(":
            return name[: found.start()]
    return name


_CLONE = re.compile(r"\.(constprop|isra|part|cold|lto_priv|llvm|clone)\b.*")  # gcc's, clang's


def group_of(name: str, mapping: str) -> str:
    """What a frame is coloured by: package, namespace or module, else its binary.

    Only the head of the name counts: brackets may hold further qualified names.
    """
    if name.startswith(("<", "[")):
        return name
    head = re.split(r"[<(\[]", _CLONE.sub("", name), maxsplit=1)[0]
    if "::" in head:
        return head.split("::", 1)[0].rsplit(" ", 1)[-1]  # a return type may stand in front
    slash = head.rfind("/")
    dot = head.find(".", slash + 1)
    if dot > 0:
        return head[:dot]
    return base_name(mapping) if mapping else head
