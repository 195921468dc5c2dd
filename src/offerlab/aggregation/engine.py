"""The Protocol behind which SQL on the store, DuckDB and Spark give the same cells."""

from collections.abc import Sequence
from typing import Protocol

from offerlab.aggregation.needs import Needs
from offerlab.domain.experiment import Experiment
from offerlab.domain.offer import Offer
from offerlab.reporting.cells import Cells


class Engine(Protocol):
    """Works out the sums that a report needs."""

    name: str

    def cells(
        self,
        experiment: Experiment,
        needs: Needs,
        *,
        offers: Sequence[Offer],
        currency: str,
        as_of: int,
        segment_by: str = "segment",
    ) -> Cells:
        """Cells of everything received up to and including `as_of`.

        Args:
            experiment: whose customers.
            needs: which sums.
            offers: every version of every offer of its arms.
            currency: of the project; orders in another one stand outside the money values.
            as_of: microseconds UTC, by time of receipt.
            segment_by: `segment`, `channel`, `placement`, `slot`, `device` or `agent` of the first exposure, or
                `even_slice`.
        """
        ...
