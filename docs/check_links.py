"""Check the built pages: every link inside leads to a file and a place in it that exist.

``python docs/check_links.py docs/_build/html``. Sphinx's own ``linkcheck`` reads the sources: it
sees neither what raw targets of pictures name nor what extensions write.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the names that links may lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.names = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Keep what a tag links to and what it is called."""
        found = dict(attributes)
        self.names.update(filter(None, (found.get("id"), found.get("name"))))
        self.links.update(filter(None, (found.get("href"), found.get("src"))))


def broken_links(root):
    """Return the links that lead nowhere, each as "page: link"."""
    root = Path(root).resolve()
    # What lies in _static are templates of the theme.
    files = (path for path in root.rglob("*.html") if "_static" not in path.parts)
    pages = {path: Page(path) for path in files}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            name = unquote(parts.fragment)
            lost = not target.exists()
            lost = lost or (name and target in pages and name not in pages[target].names)
            if lost:
                broken.append(f"{path.relative_to(root)}: {link}")
    return sorted(broken)


if __name__ == "__main__":
    if not (Path(sys.argv[1]) / "index.html").exists():
        sys.exit(f"{sys.argv[1]} holds no built pages.")
    if lost := broken_links(sys.argv[1]):
        sys.exit("Links that lead nowhere:\n" + "\n".join(lost))
