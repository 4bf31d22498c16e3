"""Networks for data that are longer than any they were trained on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pymc as pm

from pymc_amortized.data import Observed, longest_given
from pymc_amortized.discovery import layout_of
from pymc_amortized.exchangeability import Found
from pymc_amortized.lengths import lengths_of
from pymc_amortized.machinery import Machinery
from pymc_amortized.parameters import Parameters, parameters
from pymc_amortized.preconditioning import Preconditioner

if TYPE_CHECKING:
    from pymc_amortized.networks import Network

__all__ = ["lengthened", "too_long"]


def too_long(model: pm.Model, observed: Observed | None) -> dict[str, int]:
    """Lengths by dim of what users pass, where it is longer than any simulation; else nothing."""
    lengths = lengths_of(model)
    longest = {} if lengths is None else lengths.longest
    given = longest_given(model, observed)
    return given if any(size > longest[dim] for dim, size in given.items()) else {}


def lengthened(
    parts: Machinery,
    longest: Mapping[str, int],
    trained: tuple[Preconditioner, "Network"],
    settings: Mapping[str, Any],
) -> tuple[pm.Model, Parameters, Preconditioner, "Network"]:
    """Make a posterior's parts fit for longer data; weights and scales stay what they are.

    Parameters
    ----------
    parts : Machinery
        Of the posterior.
    longest : mapping of str to int
        Lengths by dim.
    trained : tuple
        Its preconditioner and network.
    settings : mapping
        What is known of its training run.

    Raises
    ------
    TypeError
        If the summary is a user's own, of data of one length.
    """
    linear, network = trained
    model = lengths_of(parts.model).lengthened(longest)
    of_model = parameters(model, parts.forward.complete(2, 0), parts.parameters.names)
    found = Found(settings["exchangeable"], settings["exchangeable_within"])
    encoder = linear.encoder.lengthened(layout_of(model, of_model, found, gaps=True))
    longer = network.lengthened(encoder.inputs)
    return model, of_model, linear._replace(encoder=encoder), longer
