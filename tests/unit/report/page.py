"""A page as a browser reads it: elements, attributes and words."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

__all__ = ["LOADING", "Page", "Words"]

#: Renders a report and gives its words.
Words = Callable[..., str]

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}
# Elements and attributes that make a browser fetch something.
LOADING = {"src", "srcset", "poster", "data", "action", "background", "ping", "manifest"}


class Page(HTMLParser):
    """Checks the nesting of elements and remembers what is asked about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> is no HTML"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]
