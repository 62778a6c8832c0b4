"""Write the repository's address wherever it is needed: `make set-repo URL=...`.

_config.yml is the place that holds it. The copies in CITATION.cff and in the first code cell of
each chapter are for what is opened without the book around it.
"""

import re
import sys
from pathlib import Path

ADDRESS = re.compile(r"https://(github\.com|gitlab\.com|bitbucket\.org)/[\w.-]+/[\w.-]+")


def set_repository(root: Path, url: str) -> list[Path]:
    """Write `url` into the files under `root` and return those that changed.

    Raises ValueError for an address a reader could not open, and for a file that has no place for
    it; nothing has been written then.
    """
    url = url.strip().rstrip("/").removesuffix(".git")
    if not ADDRESS.fullmatch(url):
        raise ValueError(
            f"not a public repository's address: {url!r}; "
            "wanted is URL=https://github.com/OWNER/NAME (or gitlab.com, bitbucket.org)"
        )
    places = [
        (root / "_config.yml", r'(?m)^  url: "[^"]*"$', f'  url: "{url}"'),
        (root / "CITATION.cff", r"(?m)^(# )?repository-code:.*$", f'repository-code: "{url}"'),
    ]
    for notebook in sorted((root / "book").glob("*.ipynb")):
        # In the file, the quotes of the cell's source are escaped.
        line = r"REPOSITORY = \"" + url + r"\""
        places.append((notebook, r'REPOSITORY = \\"[^"\\]*\\"', line))

    changed = {}
    for path, pattern, line in places:
        before = path.read_text(encoding="utf-8")
        after, count = re.subn(pattern, lambda _match, line=line: line, before)
        if count != 1:
            raise ValueError(f"{path}: wanted one place for the address, found {count}")
        if after != before:
            changed[path] = after
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    return list(changed)


if __name__ == "__main__":
    try:
        for path in set_repository(Path.cwd(), " ".join(sys.argv[1:])):
            print(f"wrote the address into {path.relative_to(Path.cwd())}")
    except ValueError as error:
        sys.exit(f"set-repo: {error}")
