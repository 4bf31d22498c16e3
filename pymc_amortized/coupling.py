"""A coupling layer as a TFP bijector."""

from collections.abc import Callable

from pymc_amortized.backend import tf, tfb
from pymc_amortized.spline import Spline

__all__ = ["Coupling"]


class Coupling(tfb.Bijector):
    """Transform the last parameters by splines that depend on the first.

    TFP's ``RealNVP`` asks its conditioner anew for the value and for the log-determinant, which
    doubles the work of the gradient; here both come from one evaluation. The direction that
    training needs, from parameters to noise, is the spline's direct one.

    Parameters
    ----------
    kept : int
        Number of first parameters, which stay as they are.
    condition : callable
        Maps these, (*batch, kept), to the raw splines, (raw, size - kept, *batch).
    """

    def __init__(self, kept: int, condition: Callable[[tf.Tensor], tf.Tensor]) -> None:
        super().__init__(forward_min_event_ndims=1, dtype=tf.float32, name="coupling")
        self._kept, self._condition = kept, condition
        self._noise = self._parameters_of_noise = self._log_det = None

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        self._solve(x)
        return self._parameters_of_noise

    def _forward_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        self._solve(x)
        return -self._log_det

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        self._evaluate(y)
        return self._noise

    def _inverse_log_det_jacobian(self, y: tf.Tensor) -> tf.Tensor:
        self._evaluate(y)
        return self._log_det

    def _evaluate(self, y: tf.Tensor) -> None:
        """Go from parameters to noise, unless that is what was done last."""
        if y is not self._parameters_of_noise:
            self._parameters_of_noise = y
            self._noise, self._log_det = self._transform(Spline.forward, y)

    def _solve(self, x: tf.Tensor) -> None:
        """Go from noise to parameters; TFP also asks this way after having gone the other."""
        if x is not self._noise:
            self._noise = x
            self._parameters_of_noise, log_det = self._transform(Spline.inverse, x)
            self._log_det = -log_det

    def _transform(
        self, direction: Callable[[Spline, tf.Tensor], tuple[tf.Tensor, tf.Tensor]], x: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        first, rest = x[..., : self._kept], x[..., self._kept :]
        axes = range(x.shape.rank)
        changed, log_slopes = direction(
            Spline(self._condition(first)), tf.transpose(rest, [axes[-1], *axes[:-1]])
        )
        moved = tf.transpose(changed, [*axes[1:], 0])
        return tf.concat([first, moved], -1), tf.reduce_sum(log_slopes, 0)
