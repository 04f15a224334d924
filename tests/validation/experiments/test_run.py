"""Experiments end to end: small ones here, every one of the catalogue among the slow tests."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from splinegeo.validation.checkpoints import load_checkpoints
from splinegeo.validation.experiments import RECIPES, find_recipe, quick, run_recipe
from splinegeo.validation.experiments.pictures import merged
from splinegeo.validation.networks import Mlp

import splinegeo as sg


def test_an_experiment_leaves_what_it_promises(recipe, tmp_path):
    plain = recipe.variants["plain"]
    recipe = replace(recipe, variants={"plain": plain, "two layers": replace(plain, network=Mlp((8, 8)))})
    lines = []
    summary = run_recipe(recipe, tmp_path, seeds=(3,), progress=False, say=lines.append)
    assert {path.name for path in tmp_path.iterdir()} == {
        "plain", "two_layers", "summary.json", "summary.md", "summary.csv", "comparison.png", "profiles.png",
    }  # fmt: skip
    folder = tmp_path / "two_layers/seed_3"
    assert {path.name for path in folder.iterdir()} == {
        "table.csv", "table.csv.json", "setting.json", "resume.safetensors", "checkpoints", "partitions", "curves.png",
        "robustness.csv", "robustness.csv.json", "strip.png", "migration.mp4", "migration.gif",
    }  # fmt: skip
    assert [c.step for c in load_checkpoints(folder)] == plain.steps()
    table = sg.load_table(folder / "table.csv")
    assert sorted(set(table["step"].tolist())) == plain.steps()
    with Image.open(folder / "migration.gif") as animation:
        assert animation.n_frames == recipe.n_slices
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    figures = summary["variants"]["two layers"]["seed 3"]
    assert figures["test_accuracy"] == sg.select_series(table, "test_accuracy").value[-1]
    assert len(lines) == 3


def test_a_run_goes_on_to_more_steps(recipe, tmp_path):
    for last in (20, 50):
        run_recipe(recipe, tmp_path, last_step=last, progress=False)
    run_recipe(recipe, tmp_path / "at_once", progress=False)
    more, once = (load_checkpoints(folder / "plain/seed_0")[-1] for folder in (tmp_path, tmp_path / "at_once"))
    assert more.step == once.step == 50
    assert all(bool((more.state[name] == value).all()) for name, value in once.state.items())


def test_what_is_drawn_is_not_drawn_again(recipe, tmp_path):
    animation = tmp_path / "plain/seed_0/migration.gif"
    run_recipe(recipe, tmp_path, progress=False)
    first = animation.stat().st_mtime_ns
    run_recipe(recipe, tmp_path, progress=False)
    assert animation.stat().st_mtime_ns == first
    run_recipe(replace(recipe, n_slices=3), tmp_path, progress=False)
    assert animation.stat().st_mtime_ns > first


def test_several_seeds_are_drawn_together(recipe, tmp_path):
    summary = run_recipe(recipe, tmp_path, seeds=(0, 1), progress=False)
    assert (tmp_path / "curves.png").stat().st_size > 1000
    first, second = summary["variants"]["plain"].values()
    assert first["local_complexity"] != second["local_complexity"]
    assert not (tmp_path / "plain/seed_1/migration.gif").exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"variants": ["nothing"]}, r"no variant \['nothing'\]; choose among \['plain'\]"),
        ({"seeds": ()}, "seeds is empty"),
        ({"last_step": 0}, "at least one step, not 0"),
    ],
)
def test_wrong_arguments_are_named(recipe, tmp_path, options, match):
    with pytest.raises(sg.InvalidInputError, match=match):
        run_recipe(recipe, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_curves_of_seeds_are_merged_where_all_of_them_have_steps():
    def series(steps):
        return sg.Series(np.array(steps), np.array(steps, dtype=float), np.zeros(len(steps)), np.zeros(len(steps)))

    both = merged([series([0, 1, 5, 10]), sg.Series(*(2 * a for a in series([0, 2, 5])))])
    assert both.steps.tolist() == [0, 10]
    assert (both.low[-1], both.value[-1], both.high[-1]) == (10, 10, 10)
    assert merged([series([0, 3])]).steps.tolist() == [0, 3]


def test_names_are_known_and_others_refused():
    assert all(find_recipe(name).name == name for name in RECIPES)
    with pytest.raises(sg.InvalidInputError, match=r"no recipe 'sleep'.*delayed_robustness"):
        find_recipe("sleep")


@pytest.mark.parametrize("name", RECIPES)
def test_settings_differ_between_the_variants_and_quick_keeps_the_ends(name):
    recipe = RECIPES[name]
    identities = [json.dumps(setting.identity(), sort_keys=True) for setting in recipe.variants.values()]
    assert len(set(identities)) == len(identities)
    names = list(recipe.variants)
    assert list(quick(recipe).variants) == ([names[0], names[-1]] if len(names) > 1 else names)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_on_a_smaller_scale(name, tmp_path):
    summary = run_recipe(quick(RECIPES[name]), tmp_path, progress=False)
    assert summary["recipe"] == name
    for folder in tmp_path.glob("*/seed_0"):
        assert {"migration.gif", "curves.png", "table.csv"} <= {path.name for path in folder.iterdir()}
