"""Every metric, by name: a function over what was captured, known and said of a site.

Each gives a `Figure`: a number with its population, or why there is none. A file a subject.
"""

from collections.abc import Callable, Mapping

from otsec.controls.basis import Basis
from otsec.controls.metrics import (
    access,
    assets,
    attributes,
    coverage,
    operations,
    segmentation,
    upkeep,
)
from otsec.controls.model import Figure

METRICS: Mapping[str, Callable[[Basis], Figure]] = {
    **coverage.METRICS,
    **assets.METRICS,
    **segmentation.METRICS,
    **access.METRICS,
    **operations.METRICS,
    **upkeep.METRICS,
    **attributes.METRICS,
}
