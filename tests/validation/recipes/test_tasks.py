import torch
from splinegeo.validation import load_digits
from splinegeo.validation.recipes import DigitTask, ModularAddition


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
