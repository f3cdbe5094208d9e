"""Label noise: the rows of each matrix, labels drawn from them, clusters of classes, and people's labels."""
import numpy as np
import pytest
import torch

from kdlib import datasets, label_noise

CLUSTERS = torch.tensor([0, 1, 0, 2, 0])
MATRICES = {
    "symmetric": lambda rate: label_noise.symmetric(5, rate),
    "asymmetric": lambda rate: label_noise.asymmetric(5, rate),
    "pair": lambda rate: label_noise.pair(5, rate),
    "superclass": lambda rate: label_noise.superclass(CLUSTERS, rate),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_a_row_is_a_probability_with_the_rate_beside_the_diagonal(name, rate):
    C = MATRICES[name](rate)
    assert (C >= 0).all()
    torch.testing.assert_close(C.sum(dim=1), torch.ones(5, dtype=torch.float64), rtol=0, atol=1e-15)
    off = 1 - C.diag()
    alone = torch.tensor([False, True, False, True, False]) & (name == "superclass")
    torch.testing.assert_close(off, rate * (~alone).double(), rtol=0, atol=1e-15)  # one class alone keeps its labels


def test_where_the_noise_goes():
    assert label_noise.asymmetric(5, 0.5)[4].tolist() == pytest.approx([0.2, 0.1, 0.1, 0.1, 0.5])
    assert label_noise.pair(3, 0.5)[2].tolist() == [0.5, 0.0, 0.5]
    assert label_noise.superclass(CLUSTERS, 0.5)[0].tolist() == [0.5, 0.0, 0.25, 0.0, 0.25]


def test_the_true_class_among_the_wrong_ones_leaves_nine_tenths_of_the_rate():
    C = label_noise.symmetric(10, 0.4, with_truth=True)
    labels = torch.arange(10).repeat(4000)
    noisy = label_noise.draw(labels, C, generator=torch.Generator().manual_seed(0))
    assert label_noise.measured_rate(noisy, labels) == pytest.approx(0.36, abs=0.01)  # four standard errors


@pytest.mark.parametrize("name", MATRICES)
def test_drawn_labels_have_the_frequencies_of_their_rows_and_depend_on_the_generator_alone(name):
    C = MATRICES[name](0.6)
    labels = torch.arange(5).repeat(8000)
    torch.manual_seed(1)
    noisy = label_noise.draw(labels, C, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(2)
    again = label_noise.draw(labels, C, generator=torch.Generator().manual_seed(0))
    assert torch.equal(noisy, again)
    counts = torch.stack([torch.bincount(noisy[labels == k], minlength=5) for k in range(5)]) / 8000
    torch.testing.assert_close(counts.double(), C, rtol=0, atol=0.025)  # over four standard errors


def test_classes_around_one_centre_are_one_cluster_and_a_far_one_is_alone():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(5).repeat(20)
    centres = torch.tensor([[2.0, 0.2], [-3.0, 5.2], [2.0, -0.2], [-3.0, -5.2], [2.0, 0.0]])  # three directions, their mean 0
    features = centres[labels] + 0.1 * torch.randn(100, 2, generator=generator)
    assert label_noise.superclasses(features, labels).tolist() == CLUSTERS.tolist()
    moved = 7 * (features + torch.tensor([100.0, 0.0]))
    assert label_noise.superclasses(moved, labels).tolist() == CLUSTERS.tolist()
    assert label_noise.superclasses(features, labels, cut=1.0).tolist() == [0] * 5


def test_people_s_labels_stand_in_the_official_order(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path))
    labels = torch.arange(10)
    with pytest.raises(FileNotFoundError, match="CIFAR-10N"):
        label_noise.human(labels, "worst")
    path = tmp_path / label_noise.HUMAN_FILE
    path.parent.mkdir()
    np.savez(path, clean_label=np.arange(10, dtype=np.uint8), worse_label=np.full(10, 3, np.uint8))
    with pytest.raises(ValueError, match="altered"):
        label_noise.human(labels, "worst")
    monkeypatch.setattr(label_noise, "HUMAN_MD5", label_noise.hashlib.md5(path.read_bytes()).hexdigest())
    assert label_noise.human(labels, "worst").tolist() == [3] * 10
    with pytest.raises(ValueError, match="official order"):
        label_noise.human(labels.flip(0), "worst")


@pytest.mark.skipif(not (datasets.data_folder() / label_noise.HUMAN_FILE).is_file()
                    or datasets.resolve("auto") != "cifar10", reason="CIFAR-10N is not on disk")
def test_the_rates_of_people_are_the_published_ones():
    labels = datasets.load("cifar10").train_labels
    rates = {name: label_noise.measured_rate(label_noise.human(labels, name), labels) for name in ("aggregate", "worst")}
    assert rates == {"aggregate": pytest.approx(0.0903, abs=3e-4), "worst": pytest.approx(0.4021, abs=3e-4)}


LABELS = torch.tensor([0, 1])
GENERATOR = torch.Generator()
REFUSED = {
    "classes must be at least 2, got 1": lambda: label_noise.symmetric(1, 0.5),
    r"rate must be in \[0, 1\], got 1.5": lambda: label_noise.pair(3, 1.5),
    r"clusters must be integers of shape \(c,\)": lambda: label_noise.superclass(torch.tensor([0.0, 1.0]), 0.5),
    r"features must have shape \(n, d\)": lambda: label_noise.superclasses(torch.ones(3, 2), LABELS),
    r"cut must be in \(0, 1\], got 0": lambda: label_noise.superclasses(torch.ones(2, 2), LABELS, cut=0),
    "every class needs a sample": lambda: label_noise.superclasses(torch.ones(2, 2), torch.tensor([0, 2])),
    r"corruption must have shape \(c, c\)": lambda: label_noise.draw(LABELS, torch.ones(2, 3), generator=GENERATOR),
    "must be >= 0 and have the sum 1": lambda: label_noise.draw(LABELS, torch.ones(2, 2), generator=GENERATOR),
    r"labels must be integers in 0 … 1": lambda: label_noise.draw(LABELS + 1, torch.eye(2), generator=GENERATOR),
    "annotator must be one of aggregate": lambda: label_noise.human(LABELS, "best"),
    "must have one shape": lambda: label_noise.measured_rate(LABELS, torch.zeros(3)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_guard_names_its_rule(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()
