"""Graphs of one draw, compiled for many: each result is that of its own draw."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.scan.utils import until
from scipy import stats

from pymc_amortized import batching
from pymc_amortized.batching import batched_function

EPS = np.finfo(float).eps


@pytest.fixture(params=["vectorized", "looped"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the same results: a batched graph, and where there is none a loop."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    if request.param == "looped":
        monkeypatch.setattr(batching, "vectorize_graph", refuse)
    return request.param


@pytest.mark.usefixtures("path")
def test_each_draw_has_its_own_result() -> None:
    rng = np.random.default_rng(1)
    scalar, matrix = pt.dscalar("scalar"), pt.dmatrix("matrix")
    function = batched_function([scalar, matrix], [pt.exp(scalar), (matrix * scalar).sum(axis=0)])
    a, b = rng.normal(size=5), rng.normal(size=(5, 3, 2))
    first, second = function(a, b)
    np.testing.assert_allclose(first, np.exp(a), rtol=4 * EPS)
    np.testing.assert_allclose(second, np.einsum("nij,n->nj", b, a), rtol=1e-13)


@pytest.mark.usefixtures("path")
def test_axes_of_length_one_are_broadcast() -> None:
    rng = np.random.default_rng(2)
    x, y = pt.dvector("x"), pt.dvector("y")
    function = batched_function(
        [x, y], [(x - 2 * y).sum(), x * y], batch_shapes=[(None, None), (None, 1)]
    )
    a, b = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 1, 2))
    total, product = function(a, b)
    np.testing.assert_allclose(total, (a - 2 * b).sum(axis=-1), rtol=1e-12)
    np.testing.assert_allclose(product, a * b, rtol=4 * EPS)
    total, _ = function(a[:1, :1], b[:1])  # other lengths need no other function
    assert total.shape == (1, 1)


@pytest.mark.usefixtures("path")
def test_integers_stay_integers() -> None:
    count = pt.lvector("count")
    (double,) = batched_function([count], [2 * count])(np.array([[1, 2], [3, 4]]))
    assert double.dtype == np.int64
    np.testing.assert_array_equal(double, [[2, 4], [6, 8]])


@pytest.mark.usefixtures("path")
def test_a_draw_out_of_range_leaves_the_others_their_densities() -> None:
    scale, x = pt.dscalar("scale"), pt.dvector("x")
    density = pm.logp(pm.Normal.dist(0, scale), x).sum()
    scales, values = np.array([1.0, 0.0, 2.0, -1.0]), np.ones((4, 3))
    (found,) = batched_function([scale, x], [density])(scales, values)
    assert np.isneginf(found[[1, 3]]).all()
    np.testing.assert_allclose(found[[0, 2]], 3 * stats.norm(0, [1, 2]).logpdf(1), rtol=1e-12)


def test_an_output_of_no_input_is_repeated() -> None:
    x = pt.dscalar("x")
    square, constant = batched_function([x], [x**2, pt.constant([1.0, 2.0])])(np.arange(3.0))
    np.testing.assert_array_equal(square, [0, 1, 4])
    np.testing.assert_array_equal(constant, [[1, 2]] * 3)


def test_unused_inputs_are_allowed() -> None:
    x, unused = pt.dscalar("x"), pt.dvector("unused")
    (result,) = batched_function([x, unused], [x + 1])(np.arange(3.0), np.zeros((3, 2)))
    np.testing.assert_array_equal(result, [1, 2, 3])


@pytest.mark.usefixtures("path")
def test_density_graphs_are_stabilized() -> None:
    x = pt.dscalar("x")
    (result,) = batched_function([x], [pt.log(pt.sigmoid(x))])(np.array([-1000.0, 0.0]))
    np.testing.assert_allclose(result, [-1000, -np.log(2)])


def test_a_broken_graph_fails() -> None:
    x, other = pt.dscalar("x"), pt.dscalar("other")
    with pytest.raises(pytensor.graph.utils.MissingInputError):
        batched_function([x], [x + other])


def test_single_precision_models_take_double_precision_arrays() -> None:
    x = pt.fscalar("x")
    (result,) = batched_function([x], [x + 1])(np.arange(3.0))
    assert result.dtype == np.float32


def _decay(x: pt.TensorVariable, rate: pt.TensorVariable) -> pt.TensorVariable:
    """Squared distances of data to what is left after each of so many steps."""
    left = pytensor.scan(
        lambda before, rate: before - rate * before,
        outputs_info=pt.constant(1.0, dtype="float64"),
        non_sequences=[rate],
        n_steps=4,
        return_updates=False,
    )
    return ((x - left) ** 2).sum()


def test_a_scan_takes_all_draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of each dataset are broadcast against its draws."""
    monkeypatch.setattr(batching, "_looped", None)
    monkeypatch.setattr(batching, "_broadcasting", None)
    rng = np.random.default_rng(3)
    x, rate = pt.tensor("x", shape=(4,)), pt.dscalar("rate")
    function = batched_function(
        [x, rate], [_decay(x, rate), pt.exp(rate)], batch_shapes=[(None, 1), (None, None)]
    )
    data, rates = rng.normal(size=(3, 1, 4)), rng.random((3, 5))
    found, simple = function(data, rates)
    left = (1 - rates[..., None]) ** np.arange(1, 5)
    np.testing.assert_allclose(found, ((data - left) ** 2).sum(axis=-1), rtol=1e-12)
    np.testing.assert_allclose(simple, np.exp(rates), rtol=4 * EPS)


def test_a_scan_that_no_axis_can_be_given_is_run_draw_by_draw() -> None:
    """It stops where its own draw says."""
    bound = pt.dscalar("bound")
    steps = pytensor.scan(
        lambda before, bound: (before + 1, until(before + 1 >= bound)),
        outputs_info=pt.constant(0.0, dtype="float64"),
        non_sequences=[bound],
        n_steps=10,
        return_updates=False,
    )
    (found,) = batched_function([bound], [steps[-1]])(np.array([2.0, 5.0, 3.5]))
    np.testing.assert_array_equal(found, [2, 5, 4])
