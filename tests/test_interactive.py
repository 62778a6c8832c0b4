"""Explorers: the numbers shown are those of what they show, as widgets, on a page and in print."""

import json
import re
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

import fa_lib as fa
from fa_lib.interactive import (
    Cells,
    Control,
    Explorer,
    Frames,
    Values,
    explore_noise,
    explore_toy,
    film,
    train_toy,
)
from fa_lib.interactive._toy import ACTIVITY, FEEDBACK, LR, STARTS, STEPS


@pytest.fixture(scope="module")
def frames() -> Frames:
    return film((12, 8, 4), steps=60, lr=1e-3, seed=3)


@pytest.fixture(scope="module", params=["toy", "noise"])
def explorer(request: pytest.FixtureRequest, frames: Frames) -> Explorer:
    return explore_toy() if request.param == "toy" else explore_noise(frames)


def payload(explorer: Explorer) -> dict[str, Any]:
    """What the page's script reads."""
    pattern = r'<script type="application/json">(.*?)</script>'
    return json.loads(re.search(pattern, explorer.to_html(), flags=re.DOTALL).group(1))


def everything(node: Any) -> list[dict[str, Any]]:
    """All the numbers of a payload that depend on controls, or could."""
    if isinstance(node, dict):
        if set(node) == {"by", "data"}:
            return [node]
        node = list(node.values())
    return [found for part in node for found in everything(part)] if isinstance(node, list) else []


@pytest.mark.parametrize("rule", ["bp", "fa"])
@pytest.mark.parametrize("start", STARTS)
def test_the_toy_is_gradient_descent_on_a_network_of_two_classes(rule: str, start: int):
    turn = np.radians(start + 30)
    w = torch.tensor([np.cos(turn), np.sin(turn)])
    w1 = torch.tensor(ACTIVITY).clone().requires_grad_()  # one input, x = 1
    w2 = torch.stack([w / 2, -w / 2]).requires_grad_()
    b = torch.stack([torch.tensor(FEEDBACK) / 2, -torch.tensor(FEEDBACK) / 2])
    course = train_toy(rule, start)
    for step in range(STEPS + 1):
        logits = w2 @ w1
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(0))
        assert course.loss[step] == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(course.activity[step], w1.detach(), rtol=1e-12)
        angle = fa.alignment_angle(w2.detach(), b, centered=True)
        assert course.angle[step] == pytest.approx(angle.item(), rel=1e-9)
        (error, by_bp, for_w2) = torch.autograd.grad(loss, (logits, w1, w2))
        with torch.no_grad():
            w1 -= LR * (by_bp if rule == "bp" else b.T @ error)
            w2 -= LR * for_w2


def test_the_film_shows_what_pretrain_does(frames: Frames):
    net = fa.MLP([12, 8, 4], rule="fa", seeds=[3], device="cpu")
    start = net.weights[0].clone()
    at = [int(step) for step in frames.steps]
    history = fa.pretrain(net, steps=60, lr=1e-3, record_every=at, progress=False)
    recorded = history["centered_alignment_angle_w2"]
    assert recorded.index.tolist() == at
    np.testing.assert_allclose(frames.angle, recorded[3], rtol=1e-6)
    for place, w1 in ((0, start), (-1, net.weights[0])):
        expected = np.linalg.svd(w1[0].numpy().astype(float), compute_uv=False)
        np.testing.assert_allclose(frames.spectrum[place], expected, rtol=1e-6)
    shares = frames.spectrum[-1] ** 2
    assert frames.dimensionality[-1] == pytest.approx(shares.sum() ** 2 / (shares**2).sum())
    w2 = net.weights[1][0].numpy().astype(float)
    np.testing.assert_allclose(frames.readout[-1], w2 - w2.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(frames.probabilities.sum(axis=2), 1)


def test_the_line_through_the_weights_has_the_angles_slope(frames: Frames):
    """Its slope is cos(angle) times the ratio of the norms."""
    line = explore_noise(frames).panels[0].layers[1]
    for place in (0, len(frames.steps) - 1):
        (x0, x1), (y0, y1) = line.x.at({}), line.y.at({"step": place})
        norms = np.linalg.norm(frames.readout[place]) / np.linalg.norm(frames.feedback)
        slope = np.cos(np.radians(frames.angle[place])) * norms
        assert (y1 - y0) / (x1 - x0) == pytest.approx(slope, rel=1e-6)


def test_a_control_that_opens_where_it_has_no_place_is_refused():
    with pytest.raises(ValueError, match="'step' has 2 texts"):
        Control("step", "step", ("0", "1"), first=2)


@pytest.mark.parametrize("scale", [1e-5, 1.0, 3e4])
def test_numbers_on_a_page_are_finer_than_a_screen(scale: float):
    data = scale * np.random.default_rng(0).normal(size=(4, 5, 6))
    data[1, 2, 3] = np.nan
    sent = json.loads(json.dumps(Values(data, ("a", "b")).to_json()))
    assert sent["by"] == ["a", "b"]
    assert sent["data"][1][2][3] is None
    shown = np.array(sent["data"], dtype=float)
    np.testing.assert_allclose(shown, data, atol=np.nanmax(np.abs(data)) / 1000)


def test_the_page_gets_the_scenes_numbers(explorer: Explorer):
    sent = payload(explorer)
    for panel, shown in zip(explorer.panels, sent["panels"], strict=True):
        for layer, there in zip(panel.layers, shown["layers"], strict=True):
            for name, values in vars(layer).items():
                if isinstance(values, Values):
                    data = np.array(there[name]["data"], dtype=float)
                    largest = np.nanmax(np.abs(values.data))
                    np.testing.assert_allclose(data, values.data, atol=largest / 1000)
    lengths = {control["name"]: len(control["texts"]) for control in sent["controls"]}
    for values in everything(sent):
        shape = np.shape(values["data"])
        assert shape[: len(values["by"])] == tuple(lengths[name] for name in values["by"])


def test_the_page_stands_by_itself(explorer: Explorer):
    page = explorer.to_html()
    assert 50_000 < len(page) < 200_000
    addresses = set(re.findall(r"https?://[^\"' )]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"'](?!data:)", page)
    assert page.count("<script") == page.count("</script") == 2
    assert re.search(r'<img class="explorer-still" alt="[^"]{80,}"', page)
    assert 'role="group" aria-label="Explorer: ' in page


def test_the_twin_shows_the_state_it_is_asked_for(explorer: Explorer):
    state = explorer.first
    figure = explorer.draw(state)
    for ax, panel in zip(figure.axes, explorer.panels, strict=True):
        assert (ax.get_xlabel(), ax.get_ylabel()) == (panel.x_label, panel.y_label)
        lines = [layer for layer in panel.layers if not isinstance(layer, Cells)]
        lines = [layer for layer in lines if hasattr(layer, "y")]
        for drawn, layer in zip(ax.lines, lines, strict=True):
            stop = state[layer.until] + 1 if getattr(layer, "until", None) else None
            np.testing.assert_array_equal(drawn.get_ydata(), np.ravel(layer.y.at(state))[:stop])


def test_widgets_follow_their_controls(explorer: Explorer):
    box = explorer.to_widget()
    *inputs, words, picture = box.children
    assert len(inputs) == len(explorer.controls)
    for control, row in zip(explorer.controls, inputs, strict=True):
        before = picture.value, words.value
        chosen = row.children[-1]
        assert chosen.value == control.first
        chosen.value = (control.first + 1) % len(control.texts)
        assert picture.value != before[0]
        if control.name != "width":
            assert words.value != before[1]
    assert 'alt="' in picture.value


def test_a_kernel_shows_widgets_and_the_book_a_page():
    sources = [
        "import os; from fa_lib.interactive import explore_toy; os.environ.pop('FA_EXPLORERS', 0)",
        "explore_toy()",
        "os.environ['FA_EXPLORERS'] = 'page'",
        "explore_toy()",
    ]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    NotebookClient(notebook, timeout=120, store_widget_state=False).execute()
    (live,), (page,) = notebook.cells[1].outputs, notebook.cells[3].outputs
    assert "application/vnd.jupyter.widget-view+json" in live.data
    assert set(page.data) == {"text/html", "image/png", "text/plain"}
