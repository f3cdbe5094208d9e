"""Image sets from files: real ones where they are on disk, small synthetic ones everywhere."""
import gzip
import hashlib
import struct

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from kdlib import datasets, published

REAL = [name for name in ("mnist", "cifar10") if datasets.resolve("auto", real=name) == name]


def idx(array):
    """The bytes of an idx file."""
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with a synthetic CIFAR-10 (20 images a file) and MNIST (30 + 10), in the official formats."""
    random = np.random.default_rng(0)
    contents = {}
    for file in datasets.MD5["cifar10"]:
        rows = random.integers(0, 256, (20, 3073), dtype=np.uint8)
        rows[:, 0] %= 10
        contents[file] = rows.tobytes()
    for split, n in (("train", 30), ("t10k", 10)):
        contents[f"mnist/{split}-images-idx3-ubyte"] = idx(random.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        contents[f"mnist/{split}-labels-idx1-ubyte"] = idx(random.integers(0, 10, n, dtype=np.uint8))
    for file, data in contents.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(data)
        name = "mnist" if file.startswith("mnist") else "cifar10"
        monkeypatch.setitem(datasets.MD5[name], file, hashlib.md5(data).hexdigest())
    monkeypatch.setenv("KDLIB_DATA", str(tmp_path))
    return tmp_path


def test_cifar10_rows_become_label_and_colour_planes(folder):
    got = datasets.load("cifar10")
    assert got.name == "cifar10"
    assert got.train_images.shape == (100, 3, 32, 32) and got.test_images.shape == (20, 3, 32, 32)
    assert got.train_images.dtype == torch.uint8 and got.train_labels.dtype == torch.int64
    second = (folder / "cifar-10-batches-bin/data_batch_2.bin").read_bytes()[3073 : 2 * 3073]  # image 21 of the set
    assert got.train_labels[21] == second[0]
    assert got.train_images[21, 1, 2, 3] == second[1 + 1024 + 2 * 32 + 3]  # green plane, row 2, column 3
    assert got.test_labels[0] == (folder / "cifar-10-batches-bin/test_batch.bin").read_bytes()[0]


def test_cifar100_rows_have_a_coarse_label_before_the_fine_one(folder, monkeypatch):
    random = np.random.default_rng(1)
    (folder / "cifar-100-binary").mkdir()
    for file, n in {"cifar-100-binary/train.bin": 30, "cifar-100-binary/test.bin": 10}.items():
        rows = random.integers(0, 256, (n, 3074), dtype=np.uint8)
        rows[:, :2] %= np.uint8([20, 100])
        (folder / file).write_bytes(rows.tobytes())
        monkeypatch.setitem(datasets.CIFAR100, file, n * 3074)
    got = datasets.load("cifar100")
    second = (folder / "cifar-100-binary/train.bin").read_bytes()[3074 : 2 * 3074]
    assert got.train_labels[1] == second[1] and got.train_images[1, 1, 2, 3] == second[2 + 1024 + 2 * 32 + 3]
    assert got.train_images.shape == (30, 3, 32, 32) and len(got.test_labels) == 10
    path = folder / "cifar-100-binary/test.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="test.bin is truncated or altered: 30,739 bytes, expected 30,740"):
        datasets.tensors(datasets.load("cifar100"))
    path.unlink()
    with pytest.raises(FileNotFoundError, match="cifar100: 1 of 2 files missing .*unpack its binary version there"):
        datasets.load("cifar100")


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_plain_and_gzipped_are_one_set(folder, packed):
    images = (folder / "mnist/train-images-idx3-ubyte").read_bytes()
    labels = (folder / "mnist/t10k-labels-idx1-ubyte").read_bytes()
    plain = datasets.load("mnist")
    if packed:
        for file in sorted((folder / "mnist").iterdir()):
            file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    got = datasets.load("mnist")
    assert got.train_images.shape == (30, 1, 28, 28)
    assert got.train_images[2, 0, 3, 4] == images[16 + 2 * 784 + 3 * 28 + 4]
    assert got.test_labels.shape == (10,) and got.test_labels[7] == labels[8 + 7]
    assert got.checksum == plain.checksum


@pytest.mark.parametrize("change", ["cut", "flip", "empty"])
@pytest.mark.parametrize("name", ["mnist", "mnist.gz", "cifar10"])
def test_a_damaged_file_is_named_with_what_to_do(folder, name, change):
    file = folder / ("mnist/t10k-images-idx3-ubyte" if "mnist" in name else "cifar-10-batches-bin/data_batch_3.bin")
    data = file.read_bytes()
    if name.endswith(".gz"):
        file.unlink()
        file, data = file.with_name(file.name + ".gz"), gzip.compress(data)
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    file.write_bytes({"cut": data[:-100], "flip": flipped, "empty": b""}[change])
    name = name.removesuffix(".gz")
    words = rf"{file.name} is truncated or altered: .*; delete it and run `make data` again"
    with pytest.raises(ValueError, match=words):
        datasets.tensors(datasets.load(name))
    assert list(datasets.check(name)) == [str(file.relative_to(folder)).removesuffix(".gz")]


def test_auto_takes_the_real_set_only_when_it_is_whole(folder):
    assert datasets.resolve("auto") == "cifar10" and datasets.resolve("auto", real="mnist") == "mnist"
    assert datasets.resolve("auto", root=folder / "elsewhere") == "digits"
    (folder / "cifar-10-batches-bin/test_batch.bin").unlink()
    assert datasets.resolve("auto") == "digits" and datasets.load("auto").name == "digits"
    assert datasets.check("cifar10") == {"cifar-10-batches-bin/test_batch.bin": "missing"}
    with pytest.raises(FileNotFoundError, match=rf"1 of 6 files missing in {folder} .*test_batch.bin.*`make data`"):
        datasets.load("cifar10")


@pytest.mark.parametrize("bad", [{"dataset": "cifar"}, {"real": "auto"}])
def test_an_unknown_name_is_answered_with_the_known_ones(bad):
    with pytest.raises(ValueError, match="must be one of .*digits, mnist, cifar10, cifar100; got '(cifar|auto)'"):
        datasets.load(**bad)


def test_digits_keep_every_image_in_a_fixed_balanced_split():
    got = datasets.load("digits")
    assert got.train_images.shape == (1442, 1, 8, 8) and got.test_images.shape == (355, 1, 8, 8)
    levels = torch.cat([got.train_images, got.test_images]).unique()
    assert levels.numel() == 17 and levels[0] == 0 and levels[-1] == 255  # 0..16 stretched to 0..255
    for labels, share in ((got.train_labels, 0.8), (got.test_labels, 0.2)):
        assert ((labels.bincount(minlength=10) - share * 179.7).abs() < 0.05 * 179.7).all()  # classes hold 174..183
    assert got.checksum == datasets.load("digits").checksum


def test_every_fifth_image_of_each_digit_is_for_testing():
    got, file = datasets.load("digits"), load_digits()
    seen, parts = [0] * 10, ([], [])
    for image, label in zip(file.images, file.target):
        seen[label] += 1
        grey = [[round(255 * value / 16) for value in row] for row in image.tolist()]
        parts[seen[label] % 5 == 0].append((grey, int(label)))
    for part, images, labels in zip(parts, (got.train_images, got.test_images), (got.train_labels, got.test_labels)):
        assert images[:, 0].tolist() == [grey for grey, _ in part] and labels.tolist() == [label for _, label in part]


def test_the_checksum_follows_the_shape_of_the_same_bytes(folder, monkeypatch):
    before = datasets.load("mnist")
    checksum = before.checksum
    datasets.tensors(before)
    file = "mnist/t10k-images-idx3-ubyte"
    data = idx(before.test_images.numpy().reshape(10, 14, 56))
    (folder / file).write_bytes(data)
    monkeypatch.setitem(datasets.MD5["mnist"], file, hashlib.md5(data).hexdigest())
    after = datasets.load("mnist")
    assert after.test_images.flatten().tolist() == before.test_images.flatten().tolist()
    assert after.checksum != checksum


def test_the_checksum_follows_every_byte(folder, monkeypatch):
    before = datasets.load("cifar10").checksum
    file = "cifar-10-batches-bin/test_batch.bin"
    data = bytearray((folder / file).read_bytes())
    data[-1] ^= 1
    (folder / file).write_bytes(data)
    monkeypatch.setitem(datasets.MD5["cifar10"], file, hashlib.md5(data).hexdigest())
    assert datasets.load("cifar10").checksum != before


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_the_official_ones(name):
    got = datasets.load(name)
    n, shape = {"mnist": (60000, (1, 28, 28)), "cifar10": (50000, (3, 32, 32))}[name]
    assert got.train_images.shape == (n, *shape) and got.test_images.shape == (10000, *shape)
    mean = got.train_images.float().mean(dim=(0, 2, 3)) / 255
    # the channel means that every tutorial prints, to their four digits
    published = {"mnist": [0.1307], "cifar10": [0.4914, 0.4822, 0.4465]}[name]
    torch.testing.assert_close(mean, torch.tensor(published), rtol=0, atol=6e-5)


def test_paper_curves_are_read_from_the_package():
    curves = published.curves("ji_zhu_2020")
    assert curves["fig2_left_risk"]["curves"]["1.000"][0] == [32, 0.24591]
    with pytest.raises(ValueError, match="name must be one of ji_zhu_2020; got 'ji_zhu_2021'"):
        published.curves("ji_zhu_2021")
