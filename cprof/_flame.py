"""Flame graphs: one HTML page that needs nothing but a browser."""

from __future__ import annotations

import html
import json
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

from cprof._names import base_name

if TYPE_CHECKING:
    from cprof._profile import Profile

MARK = re.compile(r"/\*cprof:(\w+)\*/|<!--cprof:(\w+)-->")
FRAME_HEIGHT = 560


class FlameGraph:
    """A flame graph of a profile: save(path), html, or shown by itself in a notebook."""

    def __init__(
        self, profile: Profile, sample_type: str | int | None = None, title: str | None = None
    ) -> None:
        self._profile = profile
        self._index = profile.sample_type_index(sample_type)
        name = profile.sample_types[self._index][0]
        binary = profile.main_binary[0]
        self.title = title or (f"{base_name(binary)}: {name}" if binary else name)

    @cached_property
    def html(self) -> str:
        """The whole page: styles, script and data, no reference to anything outside it."""
        from cprof._flametree import make_data

        parts = {
            "title": html.escape(self.title),
            "style": web_file("theme.css") + web_file("flame.css"),
            "body": web_file("flame.html"),
            "data": embed(make_data(self._profile, self._index, self.title)),
            "script": web_file("flame.js"),
        }
        return MARK.sub(lambda mark: parts[mark[1] or mark[2]], web_file("offline.html"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the page to a file, whole or not at all."""
        from cprof._files import write_whole

        write_whole(path, self.html.encode("utf-8", "replace"))

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(self.title)}" '
            'sandbox="allow-scripts" '
            f'style="width:100%;height:{FRAME_HEIGHT}px;border:0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<cprof.FlameGraph {self.title!r}>"


def web_file(name: str) -> str:
    """One of the parts that this page and the one a profiled program serves are made of."""
    from importlib import resources

    return resources.files("cprof").joinpath("web", name).read_text("utf-8")


def embed(data: object) -> str:
    """JSON that can stand in a <script> element whatever names it holds: no character of it
    can end the element, open a comment in it, or end a line of script."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
