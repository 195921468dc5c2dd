"""Doing a thing once: the answer kept under an `Idempotency-Key`, in the transaction that it reports."""

from collections.abc import Callable
from typing import TypeVar

from offerlab.errors import ApprovalNeeded
from offerlab.storage import replies
from offerlab.storage.replies import Reply
from offerlab.workflows.desk import Desk

__all__ = ["Reply", "once"]

T = TypeVar("T")


def once(
    desk: Desk, caller: str, key: str, digest: bytes, work: Callable[[Desk], T], keep: Callable[[T], tuple[int, bytes]]
) -> T | Reply:
    """Do `work`, or return what was answered when it was done before under this key.

    Args:
        desk: who acts where.
        caller: whose key it is; another caller's is independent.
        key: as the caller chose it.
        digest: of the request, so that another one under the key can be told.
        work: what to do, in this transaction.
        keep: status and body to store of its result.
    """
    with desk.change() as connection:
        known = replies.reserve(connection, desk.project_id, caller, key, digest=digest, now=desk.runtime.now())
        if known is not None:
            return known
        try:
            done = work(desk)
        except ApprovalNeeded:  # what it proposes stays, and may be asked for again once somebody has looked
            replies.release(connection, desk.project_id, caller, key)
            raise
        status, body = keep(done)
        replies.keep(connection, desk.project_id, caller, key, status=status, body=body)
    return done
