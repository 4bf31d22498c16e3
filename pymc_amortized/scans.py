"""Give a scan a leading axis of draws: one loop over its steps, each step for all draws at once."""

from collections.abc import Callable
from dataclasses import replace

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.scan.op import Scan
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

__all__ = ["batched_scan", "has_axis", "with_axis"]

Step = Callable[[Scan, list[Variable], TensorVariable], list[Variable]]
"""A scan, the new inputs of its step, and the number of draws, to the new outputs of the step."""


def has_axis(new: Variable, old: Variable) -> bool:
    """Whether the counterpart of a variable carries the axis of draws."""
    return getattr(new.type, "ndim", 0) > getattr(old.type, "ndim", 0)


def with_axis(new: TensorVariable, old: TensorVariable, draws: TensorVariable) -> TensorVariable:
    """Repeat the counterpart of a variable along the axis of draws, unless it has one."""
    return new if has_axis(new, old) else pt.broadcast_to(new, (draws, *new.shape))


def batched_scan(
    node: Apply, inputs: list[Variable], draws: TensorVariable, step: Step
) -> list[Variable]:
    """Rebuild a scan of one draw for many.

    Parameters
    ----------
    node : Apply
        A scan of a fixed number of steps.
    inputs : list of Variable
        Counterparts of its inputs, with or without the axis of draws in front.
    draws : TensorVariable
        The number of draws.
    step : callable
        Gives the graph of a step the axis of draws.

    Returns
    -------
    list of Variable
        Outputs of shape ``(draws, steps, *shape)``, and generators.

    Raises
    ------
    NotImplementedError
        If the scan stops at a condition, differentiates, or takes a random number of steps.
    """
    op, info = node.op, node.op.info
    _check(node, inputs)
    sequences = 1 + info.n_seqs + info.n_mit_sot + info.n_sit_sot
    outer = list(inputs)
    for k in range(1, sequences + info.n_untraced_sit_sot):
        if not isinstance(node.inputs[k].type, RandomType):
            outer[k] = with_axis(outer[k], node.inputs[k], draws)
    batched = [has_axis(new, old) for new, old in zip(outer, node.inputs, strict=True)]
    outer[1:sequences] = [v.swapaxes(0, 1) for v in outer[1:sequences]]  # time goes first

    outer_of = op.get_oinp_iinp_iout_oout_mappings()["outer_inp_from_inner_inp"]
    inner = [_like(v, batched[outer_of[k]]) for k, v in enumerate(op.inner_inputs)]
    number = pt.lscalar("draws")
    new = Scan(
        [*inner, number],
        step(op, inner, number),
        replace(info, n_non_seqs=info.n_non_seqs + 1),
        mode=op.mode,
        name=op.name,
    )
    outputs = new(*outer, draws, return_list=True)
    traced = len(outputs) - info.n_untraced_sit_sot
    return [v.swapaxes(0, 1) for v in outputs[:traced]] + outputs[traced:]


def _check(node: Apply, inputs: list[Variable]) -> None:
    info = node.op.info
    if info.as_while or info.n_mit_mot:
        raise NotImplementedError(f"{node.op} stops at a condition, or is a gradient")
    end = len(inputs) - info.n_non_seqs
    lengths = [0, *range(end - info.n_nit_sot, end)]
    if any(has_axis(inputs[k], node.inputs[k]) for k in lengths):
        raise NotImplementedError(f"{node.op} takes a random number of steps")


def _like(variable: Variable, batched: bool) -> Variable:
    if not batched:
        return variable.type(name=variable.name)
    return pt.tensor(variable.name, shape=(None, *variable.type.shape), dtype=variable.type.dtype)
