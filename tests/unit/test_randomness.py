"""Random numbers that hang on a seed and on names."""

from mien.randomness import derived_seed, generator


def draws(*arguments):
    return generator(*arguments).integers(2**32, size=8).tolist()


def test_equal_seeds_and_names_give_equal_streams():
    assert draws(3, "split", "a") == draws(3, "split", "a")


def test_other_seeds_or_names_give_other_streams():
    streams = [draws(3, "split", "a"), draws(4, "split", "a"), draws(3, "split", "b"), draws(3, "split"), draws(3)]
    assert len({tuple(stream) for stream in streams}) == len(streams)


def test_streams_do_not_depend_on_what_was_drawn_before():
    generator(3, "other").integers(10, size=1000)
    assert draws(3, "split") == draws(3, "split")


def test_derived_seeds_have_31_bits():
    seeds = [derived_seed(seed, "weights") for seed in range(50)]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert len(set(seeds)) == 50
