"""Where data lie, in which order networks see them, and which statistics these follow."""

import numpy as np
import pytest

from pymc_amortized.canonical import ascending
from pymc_amortized.encoding import fit_encoder
from pymc_amortized.layout import Block, Layout, data_layout
from pymc_amortized.moments import block_statistics, running_sums

RNG = np.random.default_rng(1)
LONG = 40


def regression(length: int = LONG, **options: object) -> Layout:
    """Outcomes, covariates along them, and a scale that goes with all."""
    sizes = {"y": (length,), "x": (length, 2), "scale": ()}
    dims = {"y": ("obs",), "x": ("obs", "k"), "scale": ()}
    return data_layout(sizes, dims, outcomes=["y"], exchangeable=["obs"], **options)


def hierarchy(**options: object) -> Layout:
    """Four groups of twelve, a covariate of each group, and two parameters of each."""
    sizes = {"y": (4, 12), "w": (4,)}
    dims = {"y": ("group", "obs"), "w": ("group",), "theta": ("group",), "mu": (), "s": ("group",)}
    exchangeable = {"exchangeable": ["group", "obs"], "within": {"group": "obs"}}
    return data_layout(sizes, dims, outcomes=["y"], **exchangeable | options)


PARAMETERS = {"theta": (4,), "mu": (), "s": (4,)}


def test_covariates_are_columns_of_the_set_that_they_go_with() -> None:
    layout = regression()
    (block,) = layout.blocks
    assert (block.kind, block.outcomes, block.index.shape) == ("set", 1, (LONG, 3))
    np.testing.assert_array_equal(block.index[2], [2, LONG + 4, LONG + 5])
    np.testing.assert_array_equal(layout.rest, [3 * LONG])


def test_short_sets_are_rows_unless_their_length_varies() -> None:
    assert regression(5).blocks[0].kind == "row"
    assert regression(5, varying=["obs"]).blocks[0].kind == "set"


def test_groups_with_parameters_of_their_own_are_told_apart() -> None:
    assert hierarchy().blocks[0].kind == "set"
    layout = hierarchy(parameter_sizes=PARAMETERS)
    (block,) = layout.blocks
    assert (block.kind, block.groups, block.index.shape) == ("row", 4, (48, 2))
    np.testing.assert_array_equal(layout.places["group"], [[k, 5 + k] for k in range(4)])
    np.testing.assert_array_equal(block.index[12:15], [[12, 49], [13, 49], [14, 49]])


def test_ordered_dims_are_series_and_planes() -> None:
    sizes, dims = {"y": (20,), "z": (8, 9)}, {"y": ("time",), "z": ("row", "column")}
    ordered = ["time", "row", "column"]
    layout = data_layout(sizes, dims, outcomes=["y", "z"], ordered=ordered)
    assert {b.kind: b.index.shape for b in layout.blocks} == {"series": (20, 1), "grid": (8, 9, 1)}
    assert not len(layout.rest)


def shuffled(data: np.ndarray, layout: Layout, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Data with the groups, and elements within each, in another order; and that of the groups."""
    rng = np.random.default_rng(seed)
    (block,) = layout.blocks
    rows = data[:, block.index].reshape(len(data), block.groups, -1, block.index.shape[1])
    order = rng.permutation(block.groups)
    rows = rows[:, order]
    for k in range(block.groups):
        rows[:, k] = rows[:, k, rng.permutation(rows.shape[2])]
    moved = data.copy()
    moved[:, block.index] = rows.reshape(len(data), -1, rows.shape[3])
    return moved, order


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(
    "layout", [regression(), regression(5), hierarchy(), hierarchy(parameter_sizes=PARAMETERS)]
)
def test_canonical_order_is_one_whatever_order_data_come_in(layout, gaps) -> None:
    data = RNG.poisson(1.0, (30, layout.elements)).astype(float)  # with ties
    data[:, layout.rest] = 1.5
    for block in layout.blocks:
        if block.groups > 1:  # one covariate for all of a group
            data[:, block.index[:, 1]] = np.repeat(RNG.normal(size=(30, 4)), 12, axis=1)
    if gaps:
        data[:, : layout.elements // 3][RNG.random((30, layout.elements // 3)) < 0.3] = np.nan
    moved, order = shuffled(data, layout, seed=2)
    one, other = ascending(data, layout), ascending(moved, layout)
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(np.sort(one.data, axis=1), np.sort(data, axis=1))
    if layout.places:
        # parameters of the moved groups, put in order, are those of the groups as they were
        places = layout.places["group"]
        vector = RNG.normal(size=(30, layout.size))
        moved_vector = vector.copy()
        moved_vector[:, places] = vector[:, places[order]]
        np.testing.assert_array_equal(
            np.take_along_axis(vector, one.places, 1),
            np.take_along_axis(moved_vector, other.places, 1),
        )


def test_statistics_hold_what_is_sufficient_for_a_line_whatever_is_missing() -> None:
    layout = regression(gaps=True)
    data = RNG.normal(size=(3, layout.elements))
    data[:, 5:30] = np.nan
    seen = [*range(5), *range(30, LONG)]
    found = block_statistics(data, layout)
    y, x = data[:, seen], data[:, LONG : 3 * LONG].reshape(3, LONG, 2)
    expected = (y[:, :, None] * x[:, seen]).mean(axis=1)
    for values in [y.mean(axis=1), np.sqrt((y**2).mean(axis=1)), *expected.T]:
        assert np.isclose(found, values[:, None]).any(axis=1).all()
    for row in range(3):
        design = np.column_stack([np.ones(LONG), x[row]])[seen]
        gram = design.T @ design + 0.01 * np.eye(3)
        for coefficient in np.linalg.solve(gram, design.T @ y[row]):
            assert np.isclose(found[row], coefficient).any()
    assert np.isclose(found, np.log(1 + len(seen))).any(axis=1).all()


def test_sums_of_series_hold_counts_and_the_exposure_to_them_up_to_their_ends() -> None:
    """Two series of four steps, the second of which ends before the last."""

    def series(length: int) -> Layout:
        index = np.arange(2 * length).reshape(length, 2)
        return Layout(2 * length, (Block("series", "day", index, 2),), {}, 0, gaps=True)

    data = np.array([[2.0, 10, 4, np.nan, 6, 30, np.nan, np.nan]])
    scale = np.tile([2.0, 10.0], 4)
    total, mean = [6, 4], [(0 + 1 + 3) / 3, (0 + 1 + 1) / 3]
    products = [(0 + 1 + 9) / 3, (0 + 1 + 3) / 3, (0 + 1 + 1) / 3]
    found = running_sums(data, scale, series(4))
    np.testing.assert_allclose(found, np.arcsinh([[*total, *mean, *products]]))
    np.testing.assert_allclose(running_sums(data[:, :6], scale[:6], series(3)), found)
    extreme = np.tile([1e300, -1e300], (1, 4))
    assert np.isfinite(running_sums(extreme, scale, series(4))).all()


@pytest.mark.parametrize("layout", [regression(gaps=True), hierarchy(gaps=True)])
def test_nothing_seen_at_all_is_finite(layout) -> None:
    data = np.full((2, layout.elements), np.nan)
    assert np.isfinite(block_statistics(data, layout)).all()
    encoder = fit_encoder(RNG.normal(size=(50, layout.elements)), layout)
    features = encoder.encode(data).features
    assert np.isfinite(features[:, encoder.inputs.plain]).all()


def test_elements_of_a_set_have_one_scale() -> None:
    layout = regression()
    data = RNG.normal(3, 2, size=(500, layout.elements))
    data[:, LONG:] *= 100
    of_data = fit_encoder(data, layout).data
    assert len(np.unique(of_data.scale[:LONG])) == 1
    np.testing.assert_allclose(of_data.scale[:LONG], 2, rtol=0.05)
    assert len(np.unique(of_data.scale[LONG : 3 * LONG])) == 2
