"""What the paper reports, panel by panel, and by which test.

Cheon, Lee, Paik, "Pretraining with Random Noise for Fast and Robust Learning without Weight
Transport", NeurIPS 2024 (arXiv:2405.16731), from the camera-ready's text, captions and statistics.
What is not in them (initial weights, optimiser, rates, batch size, steps, epochs, scaling of the
inputs) is not here; `fa_lib.settings` has this project's choices.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CITATION", "STATEMENTS", "Statement"]

CITATION = "Cheon, Lee, Paik (NeurIPS 2024), arXiv:2405.16731"


@dataclass(frozen=True)
class Statement:
    """One thing that the paper reports.

    Attributes:
        id: by which this project calls it: the panel, and a word where a panel reports more.
        panel: of the paper.
        reported: what, in this project's words.
        test: the paper's statistical test; "" where it names none.
        n: of that test, with its unit; "" where the paper does not say.
        p: the P value as printed; "" where there is none.
    """

    id: str
    panel: str
    reported: str
    test: str = ""
    n: str = ""
    p: str = ""

    @property
    def figure(self) -> int:
        """The paper's figure."""
        return int(self.panel.removeprefix("Figure ")[0])


_T, _NETWORKS = "unpaired t-test", "10 networks"

STATEMENTS: dict[str, Statement] = {
    statement.id: statement
    for statement in (
        Statement("1d", "Figure 1d", "In noise training the cross-entropy falls noticeably."),
        Statement(
            "1e",
            "Figure 1e",
            "The angle between a hidden neuron's forward and feedback weights in the last layer is "
            "near 90 degrees in an untrained network and smaller after noise training.",
            "one-sample t-test against 90 degrees; untrained against trained, two-sample t-test",
            "100 neurons of one network",
            "P = .492; P<.001",
        ),
        Statement("1f", "Figure 1f", "It falls under various input conditions too."),
        Statement(
            "2b-speed",
            "Figure 2b, inset",
            "On a subset of MNIST the area under the test accuracy is larger with noise training "
            "than by FA alone.",
            _T,
            _NETWORKS,
            "P<.001",
        ),
        Statement(
            "2b-BP",
            "Figure 2b, inset",
            "In that area, FA with noise training is comparable to BP.",
            _T,
            _NETWORKS,
            "P<.001",
        ),
        Statement("2b-end", "Figure 2b", "FA with noise training reaches a higher accuracy."),
        Statement(
            "2c",
            "Figure 2c",
            "The lead in alignment is kept through data training: the angle at its end is smaller "
            "with noise training.",
            _T,
            _NETWORKS,
            "P<.001",
        ),
        Statement(
            "2d",
            "Figure 2d",
            "Noise training and data training move the last layer's weights in different "
            "directions, both towards the feedback weights.",
        ),
        Statement(
            "2e",
            "Figure 2e",
            "The distance of the last layer's forward weights to the feedback weights is largest "
            "untrained, smaller after data alone, and smallest after noise and data.",
            "three unpaired t-tests",
            _NETWORKS,
            "each P<.001",
        ),
        Statement(
            "2g-stuck",
            "Figure 2f and g",
            "After data training, noise training no longer moves the weights.",
            "data against data and then noise",
            _NETWORKS,
            "P = .999",
        ),
        Statement(
            "2g-order",
            "Figure 2f and g",
            "The order matters: noise and then data aligns the weights more than data and then "
            "noise.",
            "noise against noise and then data",
            _NETWORKS,
            "P<.001",
        ),
        Statement(
            "3",
            "Figure 3 and Table 1",
            "After convergence, over depths and data sets, noise training narrows the gap in "
            "accuracy between FA and BP.",
            "Table 1: mean and standard deviation",
            "3 trials",
        ),
        Statement(
            "4b",
            "Figure 4b",
            "The readout's probabilities spread widely in an untrained network, and lie near "
            "chance after noise training.",
            "Wilcoxon signed-rank test against 1/C, untrained and trained",
            "1,000 probabilities",
            "P<.001; P = .096",
        ),
        Statement(
            "4c",
            "Figure 4c",
            "A small part of the forward weights' singular values comes to dominate in noise "
            "training.",
        ),
        Statement(
            "4d", "Figure 4d", "The effective rank of the forward weights falls in noise training."
        ),
        Statement(
            "4e",
            "Figure 4e",
            "Through data training, the gap between training and test error is smaller with noise "
            "training (1,600 images, depth 3).",
        ),
        Statement(
            "4f",
            "Figure 4f",
            "So it is whatever the number of training images (depth 3).",
            _T,
            _NETWORKS,
            "P<.001",
        ),
        Statement(
            "4g",
            "Figure 4g",
            "After data training, the effective rank of the features' Gram matrix is lower with "
            "noise training (1,600 images, depth 3).",
            _T,
            _NETWORKS,
            "P<.001",
        ),
        Statement(
            "4h", "Figure 4h", "So it is at other depths (1,600 images).", _T, _NETWORKS, "P<.001"
        ),
        Statement(
            "5b",
            "Figure 5b",
            "Networks trained on MNIST are more accurate on shifted, scaled and rotated MNIST with "
            "noise training.",
            _T,
            _NETWORKS,
            "P<.001",
        ),
        Statement(
            "5c",
            "Figure 5c",
            "They are more accurate on USPS with noise training.",
            _T,
            _NETWORKS,
            "P<.001",
        ),
        Statement(
            "6a",
            "Figure 6a",
            "In noise training the meta-loss falls: the sum over MNIST, Fashion-MNIST and "
            "Kuzushiji-MNIST of the loss after adaptation.",
        ),
        Statement(
            "6b",
            "Figure 6b",
            "Noise training moves the last layer's weights closer to the feedback weights, "
            "whatever the task.",
        ),
        Statement(
            "6c",
            "Figure 6c",
            "Each of the three tasks is learned faster from noise-trained weights.",
            _T,
            _NETWORKS,
            "P<.001",
        ),
    )
}
