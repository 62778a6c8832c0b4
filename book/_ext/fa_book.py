"""What the book needs of Sphinx beyond _config.yml.

- Pages are made afresh when fa_lib or a stored result changes (jupyter-cache looks at the
  notebook alone).
- A stored result that is damaged or stale stops the build.
- The theme: one search field, no scripts for a service that is not used, and buttons that lead to
  the repository only when its address is known.
- Explorers are made for pages, which have no kernel.
- What Sphinx and pandas write that screen readers stumble over is put right.
- Of the theme's two thousand icons, only those that are used stay in its script, which would be
  half of what a page weighs.
- The built book holds a fingerprint of what it was built from, by which the tests in a browser know
  whether it is the present one.
- A figure without alternative text is a warning, and so fails the build.
- A table that a cell makes is numbered among the tables, with its caption above it, when the cell's
  metadata say {"mystnb": {"figure": {"classes": "numbered-table", "caption_before": true, ...}}}.
"""

import hashlib
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

import fa_lib
from fa_lib.experiments import check
from fa_lib.results import package_fingerprint

logger = logging.getLogger(__name__)


def results_fingerprint(folder: Path) -> str:
    """Hash of the names and bytes of the stored tables and their provenance under `folder`."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*/*.json"), *folder.glob("*/*.parquet")]):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def made_by(root: Path) -> str:
    """Hash of what fills the pages under `root`: package, versions, explorers, results, extensions.

    The versions are those on the status page which could change a number.
    """
    digest = hashlib.sha256(package_fingerprint().encode())
    digest.update(f"{platform.python_version()}, {metadata.version('torch')}".encode())
    digest.update(results_fingerprint(root / "results").encode())
    scripts = Path(fa_lib.__file__).parent.glob("interactive/explorer.*")
    for path in sorted([*scripts, *(root / "book/_ext").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def source_fingerprint(root: Path) -> str:
    """Hash of all that the book under `root` is made from, its sources included."""
    digest = hashlib.sha256(made_by(root).encode())
    sources = [path for path in (root / "book").rglob("*") if path.is_file()]
    for path in sorted([*sources, root / "_config.yml", root / "_toc.yml"]):
        if not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def set_fingerprint(app: Sphinx, config: Config) -> None:
    """Tie pages and executed notebooks to the package and the results that they show."""
    config.fa_fingerprint = made_by(Path(app.srcdir))
    cache = Path(app.outdir).parent / ".jupyter_cache" / config.fa_fingerprint
    config.nb_execution_cache_path = str(cache)


def check_results(app: Sphinx) -> None:
    """Stop where a page would show what is not what it says."""
    bad = [status for status in check() if not status.usable]
    if bad:
        said = "\n".join(f"  {status.path} is {status.state}: {status.reason}" for status in bad)
        # An error of Sphinx's would be lost above a page of jupyter-book's own calls.
        sys.exit(
            f"Some stored results cannot be used:\n{said}\n"
            "Compute them again with fa-lib run, or remove both of their files."
        )


def show_explorers_without_kernel(app: Sphinx, config: Config) -> None:
    """Tell the kernels of the build, which inherit this, that their widgets would be dead."""
    os.environ["FA_EXPLORERS"] = "page"


def set_theme(app: Sphinx, config: Config) -> None:
    """Set theme options here: setting them in _config.yml would drop jupyter-book's own."""
    options = config.html_theme_options
    options["navbar_persistent"] = []  # else a second search field
    options["launch_buttons"] = {}
    config.html_context["default_mode"] = "auto"
    url = options.get("repository_url") or ""
    if url:
        options["use_repository_button"] = True
    else:
        options.pop("repository_url", None)
    if url.startswith("https://github.com/"):  # Colab opens notebooks from GitHub only
        options["launch_buttons"] = {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        }


# Roles that ARIA has given up or wants otherwise, and pandas' empty corner, no header of anything.
REPLACED = {
    ' role="doc-biblioentry"': "",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
    "<th></th>": "<td></td>",
}


def tidy_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Drop the scripts of thebe, unused here, which declare a constant twice; mend the markup."""
    for wrong, right in REPLACED.items():
        context["body"] = context.get("body", "").replace(wrong, right)
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]


ICON = re.compile(
    r'(?:"([\w-]+)"|([a-z]\w*)):\[\d+,\d+,\[([^\[\]]*)\],'  # name: [width, height, [other names],
    r'"[0-9a-f]+",(?:"[^"]*"|\[(?:"[^"]*",?)+\])\],?'  # code, outline],
)


def slim_icons(app: Sphinx, exception: Exception | None) -> None:
    """Take the icons that no page and no script names out of Font Awesome's script."""
    static = Path(app.outdir) / "_static"
    script = static / "scripts" / "fontawesome.js"
    if exception is not None or not script.exists():
        return
    others = [path for path in static.rglob("*.js") if path != script]
    used = set()
    for path in [*Path(app.outdir).rglob("*.html"), *others]:
        used.update(re.findall(r"fa-([a-z0-9-]+)", path.read_text(encoding="utf-8")))

    def keep(icon: re.Match[str]) -> str:
        names = {icon[1] or icon[2], *re.findall(r'"([\w-]+)"', icon[3])}
        return icon[0] if names & used else ""

    script.write_text(ICON.sub(keep, script.read_text(encoding="utf-8")), encoding="utf-8")


def write_fingerprint(app: Sphinx, exception: Exception | None) -> None:
    """Say what the book was built from."""
    if exception is None and app.builder.name == "html":
        text = source_fingerprint(Path(app.srcdir))
        (Path(app.outdir) / ".fingerprint").write_text(text, encoding="utf-8")


def want_alt_text(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Warn of every image that a reader who cannot see it would know nothing about."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            logger.warning(
                "a figure has no alternative text: give its cell the metadata "
                '{"mystnb": {"image": {"alt": "..."}}}, or its directive :alt:',
                location=page,
            )


class NumberedTable(nodes.figure):
    """A table that a cell makes, which is HTML to Sphinx, with its caption."""


class NumberTables(SphinxTransform):
    """Tell tables from figures, before Sphinx takes down what there is to number (at 850)."""

    default_priority = 800

    def apply(self, **kwargs: Any) -> None:
        """Put a table in the place of every figure with that class."""
        for figure in list(self.document.findall(nodes.figure)):
            if "numbered-table" in figure["classes"]:
                table = NumberedTable(figure.rawsource, *figure.children, **figure.attributes)
                figure.replace_self(table)
                self.document.ids.update(dict.fromkeys(table["ids"], table))


def table_caption(node: nodes.Node) -> str:
    """What a reference to the table may say."""
    return next(caption.astext() for caption in node.findall(nodes.caption))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the above with Sphinx."""
    app.add_config_value("fa_fingerprint", "", "env")
    app.add_transform(NumberTables)
    as_figure = (
        lambda writer, node: writer.visit_figure(node),
        lambda writer, node: writer.depart_figure(node),
    )
    app.add_enumerable_node(NumberedTable, "table", table_caption, html=as_figure, latex=as_figure)
    app.connect("config-inited", set_fingerprint)
    app.connect("config-inited", set_theme)
    app.connect("config-inited", show_explorers_without_kernel)
    app.connect("html-page-context", tidy_page, priority=900)
    app.connect("builder-inited", check_results)
    app.connect("doctree-resolved", want_alt_text)
    app.connect("build-finished", slim_icons)
    app.connect("build-finished", write_fingerprint)
    app.add_js_file("book.js")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
