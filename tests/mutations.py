"""Do the tests notice plausible faults of the experiments and the judges?

Each fault below is put into a copy of the package, one at a time, and the tests that ought to
notice it are run on that copy: a fault that passes them survives, and the exit status is 1. No part
of `make test`; from the repository's root, in about ten minutes:

    python tests/mutations.py [WORD ...]     # only the faults whose description has these words
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Fault(NamedTuple):
    """What is wrong, where, what stands there and what is put in its place, and who should see."""

    what: str
    file: str
    right: str
    wrong: str
    tests: str


PARTS, STACKS = "experiments/_parts.py", "experiments/_stacks.py"
DIFFERENCES, RUNS, PRINTED = "judges/_differences.py", "judges/_runs.py", "judges/_printed.py"
MULTIVERSE, JUDGES, STACK_TESTS = "test_multiverse.py", "test_judges.py", "test_stacks.py"

FAULTS = (
    Fault("the epoch is chosen on test images", PARTS,
          '"validation": of_accuracy({"validation": data.validation',
          '"validation": of_accuracy({"validation": data.test', "test_fig3.py test_multiverse.py"),
    Fault("FAN learns without its noise", STACKS, 'if arm == "FAN":', 'if arm == "FAM":',
          f"{MULTIVERSE} {STACK_TESTS}"),
    Fault("BP learns by FA", STACKS, 'rule="bp" if arm == "BP" else "fa"', 'rule="fa"',
          f"{MULTIVERSE} {STACK_TESTS}"),
    Fault("the last batch of an epoch is not counted", "schema.py",
          "math.ceil(images / batch_size)", "images // batch_size", f"{MULTIVERSE} test_data.py"),
    Fault("the horizon is an epoch early", RUNS, "curve.loc[self.horizon * self",
          "curve.loc[(self.horizon - 1) * self", JUDGES),
    Fault("converged is read at the last record", RUNS,
          "below.idxmax().where(~late, last)", "last", f"{JUDGES} test_answers.py"),
    Fault("the hidden layer of ZF is not frozen", STACKS,
          "readout = [parameters[len(parameters) // 2 - 1], parameters[-1]]",
          "readout = parameters", STACK_TESTS),
    Fault("the readout of Z keeps its first weights", STACKS, "net.weights[-1].zero_()", "pass",
          STACK_TESTS),
    Fault("noise training takes twice the steps", STACKS, "steps, before = setting.noise_steps,",
          "steps, before = 2 * setting.noise_steps,", f"{MULTIVERSE} {STACK_TESTS}"),
    Fault("noise after data goes on from FAN", PARTS, 'if arm == "FA":', 'if arm == "FAN":',
          MULTIVERSE),
    Fault("all networks learn the same images", STACKS,
          "stratified_indices(data.y, images, seed) for seed",
          "stratified_indices(data.y, images, 0) for seed",
          f"{MULTIVERSE} {STACK_TESTS}"),
    Fault("inputs are standardised by the images for choices", STACKS,
          "mean, std = float(apart.train.x.mean())", "mean, std = float(apart.test.x.mean())",
          STACK_TESTS),
    Fault("torch's first feedback weights are not drawn", STACKS,
          '_uniform(net.feedback, net, "torch feedback")', "pass", STACK_TESTS),
    Fault("the lead in alignment is turned round", DIFFERENCES,
          'return _one("2c", angle[against], angle["FAN"])',
          'return _one("2c", angle["FAN"], angle[against])', JUDGES),
    Fault("a control's place is taken by FA", DIFFERENCES,
          'area_percent(runs, "FAN"), area_percent(runs, against))\n\n\ndef _near',
          'area_percent(runs, "FAN"), area_percent(runs, "FA"))\n\n\ndef _near', JUDGES),
    Fault("the Gram matrix is ranked before the data", DIFFERENCES,
          'own, fa = (runs.at_horizon("gram_rank", one, **which) for one in (arm, "FA"))',
          'own, fa = (runs.curve("gram_rank", one, **which).iloc[0] for one in (arm, "FA"))',
          JUDGES),
    Fault("the meta-loss is read after 30 steps", DIFFERENCES, "steps: int = 100",
          "steps: int = 30", JUDGES),
    Fault("the paper's unpaired test is paired", "judges/_statistics.py",
          "stats.ttest_ind(sample, other[~np.isnan(other)])",
          "stats.ttest_rel(sample, other[~np.isnan(other)])", "test_judges_printed.py"),
    Fault("a significant effect the wrong way is a yes", PRINTED,
          "p[name] < LEVEL and effect[name] > 0 for", "p[name] < LEVEL for",
          "test_judges_printed.py test_answers.py"),
    Fault("the paper's n is taken for all neurons at once", PRINTED,
          "smaller = stats.ttest_ind(before, after, axis=0).pvalue < 0.001",
          "smaller = stats.ttest_ind(before.ravel(), after.ravel()).pvalue < 0.001",
          "test_judges_printed.py"),
    Fault("one input condition of many is enough", "judges/_bases.py",
          "sum(counts) >= CELLS * len(parts)", "any(counts)", "test_answers.py"),
    Fault("cells in which BP is behind are asked too", "judges/_bases.py",
          '(ends["BP"] - ends["FA"]).mean() > 0', "True", "test_answers.py"),
    Fault("equivalence asks for the 95 % interval", "judges/_statistics.py",
          "test.interval(0.90)", "test.interval(0.95)", JUDGES),
    Fault("the smallest effect is not asked for", "judges/_statistics.py",
          "test.p < level and abs(test.mean) >= smallest", "test.p < level", JUDGES),
    Fault("networks in the plane end where they start", "experiments/_plane.py",
          "wanted = np.linspace(0.0, along[-1], points)",
          "wanted = np.linspace(along[-1], 0.0, points)", "test_plane.py"),
)  # fmt: skip


def killed(fault: Fault, folder: Path) -> bool:
    """Whether a test fails on the package with this fault.

    Raises:
        ValueError: the place of the fault is not there, or not once.
    """
    shutil.copytree(ROOT / "fa_lib", folder / "fa_lib")
    file = folder / "fa_lib" / fault.file
    text = file.read_text(encoding="utf-8")
    if text.count(fault.right) != 1:
        raise ValueError(f"{fault.file} has {fault.right!r} {text.count(fault.right)} times.")
    file.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
    tests = [str(ROOT / "tests" / name) for name in fault.tests.split()]
    config = ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *config, *tests],
        cwd=folder,  # whose package goes before the one that is installed
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode not in (0, 1):  # 1: tests failed; else they were not run
        raise ValueError(run.stdout[-2000:])
    return run.returncode == 1


def main(words: list[str]) -> int:
    """Try the faults; 1 if one survives."""
    chosen = [fault for fault in FAULTS if all(word in fault.what for word in words)]
    survivors = 0
    for fault in chosen:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            dead = killed(fault, Path(folder))
        survivors += not dead
        took = f"{time.perf_counter() - began:.0f} s"
        print(f"{'killed  ' if dead else 'SURVIVES'} {fault.what} ({took})", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} killed")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
