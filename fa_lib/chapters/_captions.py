"""Captions and alternative texts of the paper's figures as this book draws them."""

from __future__ import annotations

from fa_lib.chapters._shown import Shown

CAPTIONS = {
    1: "Noise training. a) Errors return through transposed weights (BP) or fixed "
    "random ones (FA). b) A biological scenario. c) Inputs and labels. d) Cross-entropy. e) Angle "
    "between each hidden neuron's forward and feedback weights in the last layer. f) The angle "
    "after noise training under other input conditions.",
    2: "Data after noise. a) The two phases. b) Test accuracy, and the area under it. c) Alignment "
    "angle through both phases. d) Paths of one network's last layer in the plane of their "
    "principal components. e) Distance to the feedback weights. f, g) Noise before and after data.",
    3: "Accuracy after convergence over depths, a panel for each data set; every dot is a network.",
    4: "Simpler solutions. a) The design. b) The readout's probabilities on noise. c) Singular "
    "values of the first layer's weights. d) Effective rank in noise training. e) Test less "
    "training loss. f) The same over training images. g) Effective rank of the features' Gram "
    "matrix. h) The same over depths.",
    5: "Other images. a) The design. b) Accuracy on shifted, scaled and rotated test images. c) "
    "Accuracy on another data set of digits.",
    6: "Any task. a) Meta-loss through noise training. b) Paths of one network's last layer in the "
    "plane of their principal components. c) Learning of each task.",
}
ALT = {
    1: "Schematics of the two learning rules and of noise training; curves of the loss and the "
    "angle over noise steps with 95 percent bands; the angles of all neurons before and after; "
    "heat maps of the angle over mean and spread of the noise.",
    2: "Curves of test accuracy and alignment angle over noise and data training for FA, FA with "
    "noise, BP and a zero readout with 95 percent bands; paths in a plane; points with intervals "
    "of the distance to the feedback weights in five states.",
    3: "A panel for each data set: accuracy over the number of layers for FA, FA with noise, BP "
    "and a zero readout, with 95 percent intervals.",
    4: "Histograms of probabilities and curves of singular values before and after noise training, "
    "curves of effective rank and of the gap between test and training loss, with 95 percent "
    "bands, and both over training images and depths.",
    5: "Examples of moved digits, and points with 95 percent intervals of the accuracy on them and "
    "on another data set for FA, FA with noise, BP and a zero readout.",
    6: "Meta-loss over noise steps with a 95 percent band; paths in a plane; test accuracy over "
    "epochs on each task for FA, FA with noise and a zero readout.",
}


def caption(shown: Shown, base: str) -> str:
    """What the figure shows, in which base, of how many networks, and from which run."""
    setting = shown.base(base)
    networks = len(shown.config.seeds)
    rate = "Adam" if setting.optimizer == "adam" else "gradient descent"
    return (
        f"{CAPTIONS[shown.figure]} Base {base}: {rate}, {setting.noise_lr:g} on noise and "
        f"{setting.data_lr:g} on data; {networks} networks; bands and bars are 95 % intervals. "
        f"{made_by(shown)}"
    )


def alt_text(shown: Shown) -> str:
    """The figure for those who do not see it."""
    return ALT[shown.figure]


def made_by(shown: Shown) -> str:
    """The run behind a figure, in a line."""
    facts = shown.results[shown.experiment].provenance
    return (
        f"Run {facts['experiment']}/{facts['name']}, {facts['date'][:10]}, {facts['device']}, "
        f"torch {facts['torch']}."
    )
