"""TensorFlow, TensorFlow Probability and Keras, imported once and quietly.

Only modules that need them import this one, and only when training or sampling needs those: it
takes seconds, and ``pm.sample`` forks.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from pymc_amortized.sharing import note_process

__all__ = ["compiled", "keras", "tf", "tfb", "tfd", "tfp"]


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what TensorFlow's C++ logs while it loads off the user's screen."""
    # heeded from the first log on, if the user has not set it; the lines before know no setting
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


with _silence():
    import keras
    import tensorflow as tf
    import tensorflow_probability as tfp

    tfb, tfd = tfp.bijectors, tfp.distributions
    tf.config.list_physical_devices()  # looks for accelerators, and logs that there are none

note_process()

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "KERAS_BACKEND: expected 'tensorflow', on which TensorFlow Probability's flows run, got "
        f"{keras.backend.backend()!r}. Unset it, or train in a process of its own."
    )


def compiled(
    function: Callable[..., Any], *signature: tf.TensorSpec, xla: bool = False
) -> Callable[..., Any]:
    """Trace a function of tensors once.

    Parameters
    ----------
    function : callable
        Takes and returns tensors.
    *signature : tf.TensorSpec
        Of its arguments; by default the shapes of the first call.
    xla : bool, default False
        Compile with XLA.
    """
    # as a partial: TensorFlow counts tracings by code object, and would warn at the fifth fit
    return tf.function(
        partial(function), input_signature=signature or None, autograph=False, jit_compile=xla
    )
