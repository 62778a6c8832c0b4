"""What Binder is given agrees with the package."""

import os
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def test_binder_installs_what_the_package_asks_for():
    conda = yaml.safe_load((ROOT / "binder/environment.yml").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for theirs, ours in (("pytorch-cpu", "torch"), ("torchvision", "torchvision")):
        (asked,) = re.findall(rf'^    "{ours}>=([\d.]+)",$', project, flags=re.MULTILINE)
        assert f"{theirs}>={asked}" in conda["dependencies"]


def test_binder_can_run_what_follows():
    script = ROOT / "binder/postBuild"
    assert os.access(script, os.X_OK)
    assert "pip install --no-cache-dir -e ." in script.read_text(encoding="utf-8")
