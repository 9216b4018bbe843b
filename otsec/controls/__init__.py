"""What passive evidence says of the controls of standards and laws: never that a site is compliant.

`rules/controls/` holds the data: frameworks, checks and the names of metrics. `metrics/` measures,
`evaluation` comes to statuses, `population` writes the rows behind a figure.
"""

from otsec.controls.evaluation import Measured, evaluate
from otsec.controls.model import Evaluation, Judged, Period
from otsec.controls.site import Site, site_of

__all__ = ["Evaluation", "Judged", "Measured", "Period", "Site", "evaluate", "site_of"]
