"""From data to what networks see: canonical order, standardized values, statistics."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pymc_amortized.canonical import ascending
from pymc_amortized.layout import Inputs, Layout
from pymc_amortized.moments import block_statistics, gap_statistics, running_sums
from pymc_amortized.standardization import BOUND, Standardization, fit_standardization

__all__ = ["Encoded", "Encoder", "Statistics", "fit_encoder"]

Statistics = Callable[[np.ndarray], np.ndarray]
"""Users' own: flat data (datasets, elements) to (datasets, some)."""

CHUNK = 2**17
"""Values that are worked on at a time: what a processor's cache holds."""

FEWEST = 20
"""Values that a scale is taken from at least."""


class Encoded(NamedTuple):
    """Data as networks see them.

    Attributes
    ----------
    features : ndarray of shape (datasets, features)
        Standardized data in canonical order, NaN where there are none, then statistics.
    places : ndarray of int of shape (datasets, size), or None
        Order of the parameters that goes with it, see :class:`pymc_amortized.canonical.Ordered`.
    """

    features: np.ndarray
    places: np.ndarray | None

    def take(self, index: np.ndarray | slice) -> "Encoded":
        """Select datasets."""
        return Encoded(self.features[index], None if self.places is None else self.places[index])

    def arranged(self, vector: np.ndarray) -> np.ndarray:
        """Put parameters of shape (*draws, datasets, size) into the order of the features."""
        return vector if self.places is None else _taken(vector, self.places)

    def disarranged(self, vector: np.ndarray) -> np.ndarray:
        """Put them back into the model's order."""
        return vector if self.places is None else _taken(vector, np.argsort(self.places, axis=-1))

    def expanded(self) -> "Encoded":
        """Insert an axis of draws behind that of the datasets."""
        places = None if self.places is None else self.places[:, None]
        return Encoded(self.features[:, None], places)


def _taken(vector: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.take_along_axis(vector, np.broadcast_to(places, vector.shape), axis=-1)


class Encoder(NamedTuple):
    """What turns data into features.

    Attributes
    ----------
    layout : Layout
        Structure of the data.
    data, statistics : Standardization
        Of data (elements) and of statistics.
    own : sequence of callable
        Users' statistics.
    own_number : int
        How many they are; they come last.
    """

    layout: Layout
    data: Standardization
    statistics: Standardization
    own: Sequence[Statistics] = ()
    own_number: int = 0

    def encode(self, data: np.ndarray, *, training: bool = False) -> Encoded:
        """Turn data of shape (datasets, elements), NaN where there are none, into features.

        In training the order of sets is left as it is, unless users' statistics may see it.
        """
        rows = max(1, CHUNK // self.layout.elements)
        blocks = [data[k : k + rows] for k in range(0, len(data), rows)]
        features, places = zip(*(self._encode(b, training) for b in blocks), strict=True)
        return Encoded(
            np.concatenate(features), None if places[0] is None else np.concatenate(places)
        )

    def _encode(self, data: np.ndarray, training: bool) -> Encoded:
        if self.layout.gaps:
            data = np.where(np.isfinite(data), data, np.nan)
        ordered = ascending(data, self.layout, pooled=not training or bool(self.own))
        values = np.clip(self.data.forward(ordered.data), -BOUND, BOUND)
        raw = _statistics(values, ordered.data, self.data.scale, self.layout, self.own)
        found = np.clip(self.statistics.forward(raw), -BOUND, BOUND)
        features = np.concatenate([values, found], axis=1)
        return Encoded(features.astype(np.float32) if training else features, ordered.places)

    @property
    def inputs(self) -> Inputs:
        """The places of all features."""
        layout, number = self.layout, len(self.statistics.location)
        places = np.arange(layout.elements, layout.elements + number)
        known = [] if layout.gaps else [layout.rest, *_unpooled(layout)]
        plain = np.concatenate([*known, places]).astype(int)
        kinds = [b for b in layout.blocks if b.kind != "row" or b.groups > 1]
        size = layout.elements + number
        own = np.arange(size - self.own_number, size)
        return Inputs(size, np.unique(plain), tuple(kinds), layout.gaps, own)

    def lengthened(self, layout: Layout) -> "Encoder":
        """The same for data that are longer: columns of blocks have one scale each."""
        places = np.empty(layout.elements, int)
        places[layout.rest] = self.layout.rest
        for old, new in zip(self.layout.blocks, layout.blocks, strict=True):
            places[new.index] = old.index.reshape(-1, old.index.shape[-1])[0]
        of_data = Standardization(*(values[places] for values in self.data))
        return self._replace(layout=layout, data=of_data)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, by name, for :meth:`from_arrays`."""
        parts = {"data": self.data, "statistics": self.statistics}
        return {f"{p}.{f}": a for p, s in parts.items() for f, a in s._asdict().items()}

    @classmethod
    def from_arrays(cls, layout: Layout, arrays: Mapping[str, np.ndarray]) -> "Encoder":
        """Make one of what :meth:`arrays` gave."""
        fields = Standardization._fields
        parts = ("data", "statistics")
        made = (Standardization(*(arrays[f"{p}.{f}"] for f in fields)) for p in parts)
        return cls(layout, *made)


def _unpooled(layout: Layout) -> list[np.ndarray]:
    """Places of data in blocks whose elements networks may tell from each other."""
    return [b.index.ravel() for b in layout.blocks if b.kind != "set" and b.groups == 1]


def _statistics(
    values: np.ndarray,
    data: np.ndarray,
    scale: np.ndarray,
    layout: Layout,
    own: Sequence[Statistics],
) -> np.ndarray:
    parts = [
        block_statistics(values, layout),
        running_sums(data, scale, layout),
        gap_statistics(values, layout),
    ]
    return np.concatenate([*parts, *(function(data) for function in own)], axis=1)


def fit_encoder(data: np.ndarray, layout: Layout, own: Sequence[Statistics] = ()) -> Encoder:
    """Fit standardizations to simulated data.

    Parameters
    ----------
    data : ndarray of shape (n, elements)
        Flat data, NaN where there are none.
    layout : Layout
        Their structure. Elements of sets, and steps of series of varying length, have one scale.
    own : sequence of callable, default ()
        Users' statistics.
    """
    of_data = _tied(data, layout)
    ordered = ascending(data, layout, pooled=bool(own)).data
    values = np.clip(of_data.forward(ordered), -BOUND, BOUND)
    of_statistics = fit_standardization(_statistics(values, ordered, of_data.scale, layout, own))
    number = sum(function(ordered[:1]).shape[1] for function in own)
    return Encoder(layout, of_data, of_statistics, tuple(own), number)


def _tied(data: np.ndarray, layout: Layout) -> Standardization:
    """Standardize each element, or all elements of a column of a block together."""
    groups = {int(k): np.array([k]) for k in range(layout.elements)}
    for block in layout.blocks:
        if block.kind in ("set", "row") or layout.gaps:
            for column in block.index.reshape(-1, block.index.shape[-1]).T:
                groups |= dict.fromkeys(column.tolist(), np.unique(column))
    found: dict[bytes, Standardization] = {}
    for members in groups.values():
        key = members.tobytes()
        if key not in found:
            found[key] = fit_standardization(_seen(data[:, members]))
    each = [found[groups[k].tobytes()] for k in range(layout.elements)]
    columns = zip(*each, strict=True)
    return Standardization(*(np.concatenate(c) for c in columns))


def _seen(values: np.ndarray) -> np.ndarray:
    """All values that there are, in one column; zeros where there are next to none."""
    flat = values[np.isfinite(values)]
    return (flat if flat.size >= FEWEST else np.zeros(FEWEST))[:, None]
