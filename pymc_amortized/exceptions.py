"""The error of models that cannot be amortized."""

__all__ = ["UnsupportedModelError"]


class UnsupportedModelError(NotImplementedError, ValueError):
    """A model that cannot be amortized as its density says, refused before it is simulated.

    Parameters
    ----------
    variable : str or None
        The variable that stands in the way, None where it is the model as a whole.
    reason : str
        What is the matter with it.
    cure : str
        What was expected, and what to do instead.

    Attributes
    ----------
    variable, reason, cure : str
        The same.

    Examples
    --------
    >>> import pymc as pm, pymc_amortized as pma
    >>> with pm.Model():
    ...     a = pm.Flat("a")
    ...     _ = pm.Normal("y", a, 1, observed=[1.0, 2.0])
    ...     try:
    ...         pma.simulate()
    ...     except pma.UnsupportedModelError as error:
    ...         print(error.variable)
    a
    """

    def __init__(self, variable: str | None, reason: str, cure: str) -> None:
        super().__init__(variable, reason, cure)
        self.variable, self.reason, self.cure = variable, reason, cure

    def __str__(self) -> str:
        subject = "the model" if self.variable is None else repr(self.variable)
        return f"{subject} {self.reason}; {self.cure}"
