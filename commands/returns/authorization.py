"""A return keeps to the authorization that it names."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from commands.context import instant
from domain.errors import Fault, Rejected
from domain.payloads import KeptReturn
from records.orders.inbox import InboxRow
from records.returns import return_authorizations
from records.returns.return_authorizations import AuthorizationRow


async def check_authorized(connection: AsyncConnection, row: InboxRow[KeptReturn]) -> None:
    """Check what came back against the authorization, if it names one. Raises `Rejected`.

    Called under the order's lock, before the return is accepted: of two returns the second one sees the first.
    """
    authorization_no = row.payload.authorization_no
    if authorization_no is None:
        return
    known = await return_authorizations.get(connection, row.order, authorization_no)
    if known is None:
        detail = f"The order has no return authorization {authorization_no}."
        fault = Fault("/authorization_no", "unknown_authorization", detail)
        raise Rejected("unknown_authorization", detail, [fault])
    _check_valid(row, known)
    await _check_open(connection, row, authorization_no)


def _check_valid(row: InboxRow[KeptReturn], known: AuthorizationRow) -> None:
    """Check that the goods came in time, however late that is heard."""
    until = known.valid_until
    if until is not None and (instant(row) or row.received_at) > until:
        detail = f"Return authorization {known.authorization_no} was valid until {until.isoformat()}."
        fault = Fault("/authorization_no", "authorization_expired", detail)
        raise Rejected("authorization_expired", detail, [fault])


async def _check_open(connection: AsyncConnection, row: InboxRow[KeptReturn], authorization_no: str) -> None:
    authorized = await return_authorizations.lines(connection, row.order, authorization_no)
    left = {(line.line_no, line.sku): line.open for line in authorized}
    for index, line in enumerate(row.payload.resolved):
        name = line.line_no, line.sku
        possible = left.get(name, 0)
        if line.quantity > possible:
            came = f"Line {line.line_no}: {line.quantity} of {line.sku} came back"
            detail = f"{came}, but only {possible} is open of return authorization {authorization_no}."
            fault = Fault(f"/lines/{index}/quantity", "over_authorized", detail)
            raise Rejected("over_authorized", detail, [fault])
        left[name] = possible - line.quantity
