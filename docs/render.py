"""`make docs`: README, docs/*.md, csrc/README.md and cprof.h as plain HTML, links checked."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import markdown

ROOT = Path(__file__).resolve().parent.parent
STYLE = """:root { color-scheme: light dark } body { font: 16px/1.5 system-ui, sans-serif;
max-width: 52em; margin: 2em auto; padding: 0 1em } pre, code { font-size: .92em }
pre { overflow-x: auto; padding: .7em; background: #8881; border-radius: 4px }
table { border-collapse: collapse } td, th { border: 1px solid #8886; padding: .2em .6em;
vertical-align: top } img { max-width: 100% }"""


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "csrc" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def wrap(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def target_of(page: Path, out: Path) -> Path:
    return out / page.relative_to(ROOT).with_suffix(".html")


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links to files that are not there."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    return [link for link in links if not (page.parent / link).exists()]


def main(out: Path) -> int:
    broken = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        broken += [f"{page.relative_to(ROOT)}: {link}" for link in broken_links(page, text)]
        body = markdown.markdown(text, extensions=["tables", "fenced_code"])
        body = re.sub(r'href="(?!https?:)([^"]+)\.md"', r'href="\1.html"', body)
        target = target_of(page, out)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(wrap(page.stem, body), encoding="utf-8")
    for asset in (ROOT / "docs").glob("*.png"):
        (out / "docs").mkdir(parents=True, exist_ok=True)
        (out / "docs" / asset.name).write_bytes(asset.read_bytes())
    header = (ROOT / "csrc" / "api" / "cprof.h").read_text(encoding="utf-8")
    target = out / "csrc" / "api" / "cprof.h.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(wrap("cprof.h", f"<pre>{html.escape(header)}</pre>"), encoding="utf-8")
    for line in broken:
        print(f"broken link: {line}", file=sys.stderr)
    print(f"{len(pages()) + 1} pages in {out}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs")))
