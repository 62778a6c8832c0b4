"""What is computed from a measurement of speed, against numbers followed by hand."""

import re

import pandas as pd
import pytest
import speed_tables
from scipy import stats

import fa_lib as fa
from fa_lib import results, speed
from fa_lib.experiments import _identity, check


@pytest.fixture
def table() -> pd.DataFrame:
    return speed_tables.measured()


def medians(rows: pd.DataFrame, *keys: str) -> dict:
    return rows.groupby(list(keys))["value"].median().to_dict()


def test_of_several_numbers_of_threads_the_better_median_counts(table):
    rates = speed.throughput(table)
    loop = rates[(rates["method"] == "loop") & (rates["workload"] == "epoch")]
    assert set(loop["threads"]) == {1}  # two threads were faster once, and slower twice
    assert len(loop) == speed_tables.REPEATS
    assert medians(loop, "networks") == {1: pytest.approx(400 / 1.1)}


def test_fewer_digits_are_compared_with_float32_repeat_by_repeat_and_seed_by_seed():
    rows = []
    for repeat, slow in enumerate((1.0, 1.5, 4.0)):
        for precision, rate, seconds in (("float32", 300, 0.002), ("bfloat16", 450, 0.0005)):
            where = {"sizes": "784-512-10", "precision": precision, "repeat": repeat}
            rows.append({**where, "quantity": "network-steps", "unit": "1/s", "value": rate / slow})
            rows.append({**where, "quantity": "products", "unit": "s", "value": seconds * slow})
    exact, other = [70.0, 80.0, 75.0], [71.0, 80.5, 75.0]
    for precision, values in (("float32", exact), ("bfloat16", other)):
        for seed, value in enumerate(values):
            where = {"precision": precision, "seed": seed, "repeat": 0}
            rows.append({**where, "quantity": "angle", "unit": "degrees", "value": value})
    table = pd.DataFrame(rows)
    gains = speed.gain_of_precision(table)
    for quantity, factor in (("network-steps", 1.5), ("products", 4.0)):
        values = gains.loc[gains["quantity"] == quantity, "value"]
        assert values.to_numpy() == pytest.approx([factor] * 3)
    (effect,) = speed.effect_of_precision(table).to_dict("records")
    test = stats.ttest_rel(other, exact)
    interval = test.confidence_interval(0.95)
    assert effect["difference"] == pytest.approx(0.5)
    assert (effect["low"], effect["high"]) == pytest.approx((interval.low, interval.high))
    assert (effect["in float32"], effect["value"]) == pytest.approx((75, 75.5))
    assert (effect["precision"], effect["n"], effect["unit"]) == ("bfloat16", 3, "degrees")


def test_ratios_compare_each_repeat_with_itself(table):
    against = speed.ratios(table)
    factors = against.groupby(["peer", "networks"])["value"].agg(["min", "max"])
    # The machine slowed down by 20 %, both sides alike.
    for bound in ("min", "max"):
        assert factors.xs("loop")[bound].to_dict() == pytest.approx({1: 4, 10: 4, 100: 4})
        assert factors.xs("vmap")[bound].to_dict() == pytest.approx({1: 2, 10: 2, 100: 2})
    cases = sum(map(len, speed_tables.SIZES.values()))
    assert len(against) == 2 * 3 * cases * speed_tables.REPEATS


def test_bounds_leave_out_what_could_be_merged(table):
    found = medians(speed.bounds(table), "workload", "bound")
    for workload, limit in speed_tables.LIMIT.items():
        assert found[workload, "streamed"] == pytest.approx(1.1 * limit)
        assert found[workload, "hot"] == pytest.approx(0.55 * limit)


def test_the_share_of_the_limit_is_against_the_same_repeat(table):
    share = speed.shares(table)
    mine = share[(share["method"] == "fa_lib") & (share["bound"] == "streamed")]
    for workload, limit in speed_tables.LIMIT.items():
        values = mine.loc[mine["workload"] == workload, "value"]
        assert values.to_numpy() == pytest.approx(1600 * limit)
    assert set(mine["networks"]) == {1, 10, 100}


def test_on_a_gpu_the_limit_is_that_of_the_same_stack():
    counts = (1, 128, 1000)
    table = speed_tables.measured(counts=counts, at_once=counts)
    double = (table["method"] == "hot") & (table["networks"] == 1000)
    table.loc[double, "value"] *= 2
    table = table[table["method"] != "streamed"]
    share = speed.shares(table)
    found = medians(share[share["method"] == "fa_lib"], "workload", "networks")
    assert found["noise", 1000] == pytest.approx(2 * found["noise", 128])
    # One network alone: its parts are timed as single calls, which is no limit.
    assert set(share["networks"]) == {128, 1000}
    shown = speed.summary(table).set_index("networks")["% of hot bound"]
    assert set(shown[1]) == {""}
    assert "" not in set(shown[128])


def test_the_summary_has_a_row_for_each_case_and_nothing_else(table):
    shown = speed.summary(table)
    keys = ["workload", "sizes", "precision", "networks"]
    assert len(shown) == 9
    assert not shown.duplicated(keys).any()
    assert list(shown.columns[4:]) == [
        "network-steps/s",
        "x plain loop",
        "x torch.func.vmap",
        "% of hot bound",
        "% of streamed bound",
    ]
    assert set(shown["x plain loop"]) == {"4.00 [4.00, 4.00]"}
    # The median alone: 1,600 network-steps a second at 0.4 ms, and at 0.5 ms for an epoch's.
    assert set(shown["% of streamed bound"]) == {"64.0", "80.0"}


def test_memory_of_training_counts_every_number():
    """As tensors: weights, biases, gradients, two moments, and the feedback that is used."""
    net = fa.MLP([7, 5, 3, 2], rule="fa", seeds=[0], device="cpu")
    numbers = 4 * sum(p.numel() for p in net.parameters())
    numbers += sum(b.numel() for b in net.feedback[1:])
    assert speed.memory_of_training(net.sizes) == 4 * numbers


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1234.4, 1200, 1300], "1,230 [1,200, 1,300]"),
        ([0.01234, 0.012, 0.02], "0.0123 [0.0120, 0.0200]"),
        ([3.0], "3.00 [3.00, 3.00]"),
        ([0.0], "0 [0, 0]"),
    ],
)
def test_in_words(values, text):
    assert speed.in_words(pd.Series(values)) == text


def test_modules_are_compared_with_biotorch_repeat_by_repeat():
    rows = [
        {"method": method, "threads": threads, "repeat": repeat, "value": value}
        for method, threads, values in (
            ("nn", 1, (60, 30)),
            ("nn", 2, (10, 20)),
            ("biotorch", 1, (10, 5)),
            ("biotorch", 2, (20, 15)),
        )
        for repeat, value in enumerate(values)
    ]
    where = {"workload": "lenet", "sizes": "LeNet", "networks": 1, "precision": "float32"}
    table = pd.DataFrame(rows).assign(quantity="network-steps", **where)
    found = speed.modules_against_biotorch(table)
    assert list(found["value"]) == [60 / 20, 30 / 15]  # the faster number of threads of each
    assert speed.modules_against_biotorch(table[table["method"] == "nn"]).empty


# -- The store -------------------------------------------------------------------------------------

# Those of benchmarks/speed.py; others in that folder have no limit to compare with.
STORED = [s for s in results.stored() if s[0].name == "speed" and s[1].startswith(("cpu", "cuda"))]


@pytest.mark.parametrize(("folder", "name"), STORED, ids=[name for _, name in STORED])
def test_no_share_of_the_limit_that_the_page_shows_is_impossible(folder, name):
    """Every number in the cells; the two clockings of a median may differ by a little."""
    shown = speed.summary(results.read(folder, name).table)
    cells = shown[[column for column in shown if column.startswith("% of")]].to_numpy().ravel()
    shares = [float(n.replace(",", "")) for cell in cells for n in re.findall(r"[\d.,]*\d", cell)]
    assert shares
    assert max(shares) <= 105


def save(table: pd.DataFrame, name: str) -> results.Result:
    config = {"repeats": 3}
    told = {"config": config, "config_hash": results.config_hash(config), "data_fingerprints": {}}
    facts = {"experiment": "speed", "name": name}
    return results.save(table, {**facts, **told})


def test_the_full_measurement_comes_before_the_quick_one(table, results_root):
    assert speed.stored("somewhere") is None
    save(table, "somewhere-quick")
    assert speed.stored("somewhere").provenance["name"] == "somewhere-quick"
    save(table, "somewhere")
    assert speed.stored("somewhere").provenance["name"] == "somewhere"


def test_processors_are_those_of_full_measurements_on_cpus(table, results_root):
    for name in ("cpu-quick", "cpu-other", "cuda", "precision", "cpu"):
        save(table, name)
    found = [result.provenance["name"] for result in speed.processors()]
    assert found[0] == "cpu"
    assert "cpu-other" in found
    assert not {"cpu-quick", "cuda", "precision"} & set(found)


def test_a_benchmark_is_damaged_or_good_and_never_stale(table, results_root, monkeypatch):
    path = save(table, "somewhere").path
    monkeypatch.setattr(_identity, "probe_now", lambda: {"loss": [0.0]})  # as of other code

    def state() -> str:
        (status,) = [s for s in check() if s.path == path.with_suffix("")]
        return status.state

    assert state() == "good"
    assert speed.stored("somewhere").table.equals(table)
    path.write_bytes(path.read_bytes()[:-1])
    assert state() == "damaged"
