"""The campaign records what differs and goes on."""

from splinegeo.testing import NETWORK_KINDS, SEEDS_PER_ARCHITECTURE, compare_block, rational_witness, table


def test_an_engine_that_is_the_witness_agrees(as_arrays):
    def engine(models, window):
        return [as_arrays(rational_witness(model, window)) for model in models]

    trials = [trial for kind in NETWORK_KINDS for trial in compare_block(kind, [40, 41], engine)]
    assert not [trial for trial in trials if trial.disagreement]
    assert table(trials, NETWORK_KINDS).splitlines()[-1].split()[1:3] == [str(2 * len(NETWORK_KINDS)), "0"]


def test_a_wrong_partition_is_recorded(as_arrays):
    def engine(models, window):
        return [as_arrays(rational_witness(model, window / 2)) for model in models]

    (trial,) = compare_block("generic", [1], engine)
    assert trial.disagreement.startswith("AssertionError: ")


def test_an_engine_that_fails_on_one_network_is_asked_for_each():
    def engine(models, window):
        if len(models) > 1:
            raise MemoryError
        raise RuntimeError("no such luck")

    trials = compare_block("generic", range(3), engine)
    assert [trial.seed for trial in trials] == [0, 1, 2]
    assert {trial.disagreement for trial in trials} == {"RuntimeError: no such luck"}


def test_a_block_shares_its_architecture():
    def shapes(models, window):
        assert len({str(model) for model in models}) == 1
        raise RuntimeError("seen")

    for kind in NETWORK_KINDS:
        compare_block(kind, range(SEEDS_PER_ARCHITECTURE), shapes)
