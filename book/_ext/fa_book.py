"""What the book needs of Sphinx beyond _config.yml.

- Pages are made afresh when fa_lib or a stored result changes (jupyter-cache looks at the
  notebook alone).
- The theme: one search field, no scripts for a service that is not used, and buttons that lead to
  the repository only when its address is known.
- Explorers are made for pages, which have no kernel.
- A figure without alternative text is a warning, and so fails the build.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

from fa_lib.results import package_fingerprint

logger = logging.getLogger(__name__)


def results_fingerprint(folder: Path) -> str:
    """Hash of the names and bytes of the stored tables and their provenance under `folder`."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*/*.json"), *folder.glob("*/*.parquet")]):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def set_fingerprint(app: Sphinx, config: Config) -> None:
    """Tie pages and executed notebooks to the package and the results that they show."""
    parts = package_fingerprint() + results_fingerprint(Path(app.srcdir) / "results")
    config.fa_fingerprint = hashlib.sha256(parts.encode()).hexdigest()[:16]
    cache = Path(app.outdir).parent / ".jupyter_cache" / config.fa_fingerprint
    config.nb_execution_cache_path = str(cache)


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
        options["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}


def drop_thebe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Drop the scripts of thebe, unused here, which declare a constant twice on every page."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]


def want_alt_text(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Warn of every image that a reader who cannot see it would know nothing about."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            logger.warning(
                "a figure has no alternative text: give its cell the metadata "
                '{"mystnb": {"image": {"alt": "..."}}}, or its directive :alt:',
                location=page,
            )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the above with Sphinx."""
    app.add_config_value("fa_fingerprint", "", "env")
    app.connect("config-inited", set_fingerprint)
    app.connect("config-inited", set_theme)
    app.connect("config-inited", show_explorers_without_kernel)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("doctree-resolved", want_alt_text)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
