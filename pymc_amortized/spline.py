"""Rational-quadratic splines, value and log-determinant from one evaluation."""

import numpy as np

from pymc_amortized.backend import tf

__all__ = ["Spline"]

SMALLEST = 1e-3
"""Least width and height of a bin, as a part of the whole, and least slope."""

UNIT_SLOPE = float(np.log(np.expm1(1 - SMALLEST)))
"""Added to raw slopes, so that a raw slope of zero is a slope of one."""

EDGE = 1e-5
"""What comes this close to the bound is left as it is."""


class Spline:
    """Monotone rational-quadratic splines on [-bound, bound], the identity outside.

    The bin is picked by comparison and summation, which XLA fuses, where TFP's own
    ``RationalQuadraticSpline`` searches: it compiles in about half the time. Bins come first, so
    that sums over them run over whole vectors of values at once.

    Parameters
    ----------
    raw : tensor of shape (3 * bins - 1, *batch)
        Unnormalized widths, heights and inner slopes; all zero is the identity.
    bound : float, default 5
        Where the identity begins.

    References
    ----------
    Durkan, Bekasov, Murray and Papamakarios (2019), Neural spline flows, NeurIPS.
    """

    def __init__(self, raw: tf.Tensor, bound: float = 5.0) -> None:
        bins = (raw.shape[0] + 1) // 3
        widths, heights, self.slopes = tf.split(raw, [bins, bins, bins - 1])
        self.bound = bound
        self.widths, self.heights = _sizes(widths, bound), _sizes(heights, bound)

    def forward(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Map values of shape (*batch); returns them and the log derivatives."""
        inside, clipped = self._clip(value)
        x, width, y, height, left, right = self._pick(clipped, self.widths)
        position, slope = _clip_unit((clipped - x) / width), height / width
        bend, log_slope = _slopes(position, slope, left, right)
        moved = height * (slope * position**2 + left * position * (1 - position)) / bend
        return tf.where(inside, y + moved, value), tf.where(inside, log_slope, 0.0)

    def inverse(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Map back, by solving a quadratic; returns values and the log derivatives of that."""
        inside, clipped = self._clip(value)
        x, width, y, height, left, right = self._pick(clipped, self.heights)
        slope, above = height / width, clipped - y
        curve = right + left - 2 * slope
        a, b = height * (slope - left) + above * curve, height * left - above * curve
        root = tf.sqrt(tf.maximum(b**2 + 4 * a * slope * above, 0.0))
        position = _clip_unit(2 * slope * above / (b + root))
        _, log_slope = _slopes(position, slope, left, right)
        return tf.where(inside, x + position * width, value), tf.where(inside, -log_slope, 0.0)

    def _clip(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        limit = self.bound - EDGE
        return tf.abs(value) < limit, tf.clip_by_value(value, -limit, limit)

    def _pick(self, value: tf.Tensor, sizes: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Left edges, sizes and slopes of the bins that values fall into.

        The values are on the side of the bins with these `sizes`.
        """
        reached = tf.cast(value >= _left_edges(sizes) - self.bound, value.dtype)
        passed = tf.concat([reached[1:], tf.zeros_like(reached[:1])], 0)
        here = reached - passed
        x, y = (tf.reduce_sum(s * passed, 0) - self.bound for s in (self.widths, self.heights))
        width, height = (tf.reduce_sum(s * here, 0) for s in (self.widths, self.heights))
        left, right = (_slope(self.slopes, part) for part in (here[1:], here[:-1]))
        return x, width, y, height, left, right


def _sizes(raw: tf.Tensor, bound: float) -> tf.Tensor:
    """Sizes of the bins, by a softmax along the first axis."""
    parts = tf.exp(raw - tf.stop_gradient(tf.reduce_max(raw, 0)))
    least = SMALLEST * raw.shape[0]
    return (SMALLEST + (1 - least) * parts / tf.reduce_sum(parts, 0)) * 2 * bound


def _left_edges(sizes: tf.Tensor) -> tf.Tensor:
    """Where bins begin, counted from the first one's left edge."""
    sums = [tf.zeros_like(sizes[0])]
    for size in tf.unstack(sizes[:-1]):  # tf.cumsum takes longer than the rest
        sums.append(sums[-1] + size)
    return tf.stack(sums)


def _slope(raw: tf.Tensor, here: tf.Tensor) -> tf.Tensor:
    """The slope at one side of the bin that `here` marks; of one at the bound nothing is marked."""
    return SMALLEST + tf.nn.softplus(tf.reduce_sum(raw * here, 0) + UNIT_SLOPE)


def _clip_unit(position: tf.Tensor) -> tf.Tensor:
    """Undo the rounding that puts a value beside its bin, where slopes can be negative."""
    return tf.clip_by_value(position, 0.0, 1.0)


def _slopes(
    position: tf.Tensor, slope: tf.Tensor, left: tf.Tensor, right: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The common denominator and the log derivative at a position between 0 and 1 in a bin."""
    product = position * (1 - position)
    bend = slope + (right + left - 2 * slope) * product
    numerator = right * position**2 + 2 * slope * product + left * (1 - position) ** 2
    return bend, tf.math.log(numerator * (slope / bend) ** 2)
