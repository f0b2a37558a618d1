"""The ERP feed as its sender sees it. Synchronous: it is used on a thread, beside a synchronous SOAP client.

Each step is one statement, and commits by itself: an order has several messages, and a message several steps.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, text

_THIS: Final = "tenant = :tenant and order_ref = :order_ref and number = :number"
_OPEN: Final = "state not in ('done', 'skipped')"

# The feed's next message that is not done, if it comes behind this one.
_BEHIND: Final = f"""
    tenant = :tenant and order_ref = :order_ref and number > :number and cast(:go_on as boolean) and number = (
      select min(number) from records.erp_message
      where tenant = :tenant and order_ref = :order_ref and number <> :number and {_OPEN}
    )
"""  # noqa: S608 - put together from constants


def _claiming(which: str) -> str:
    """Mark a message as sent, before it is; tell it as it was, with its order and the parcels that it is about."""
    return f"""
    message as (
      select * from records.erp_message where {which} and {_OPEN} for update
    ), claimed as (
      update records.erp_message m set state = 'sent', attempts = m.attempts + 1
      from message where (m.tenant, m.order_ref, m.number) = (message.tenant, message.order_ref, message.number)
    )
    select message.*, o.source, o.order_no, o.status,
      (select coalesce(jsonb_agg(jsonb_build_object('parcel_no', p.parcel_no, 'tracking_number', p.tracking_number)
                                 order by p.parcel_no), '[]')
       from records.parcel p
       where p.tenant = message.tenant and p.order_ref = message.order_ref
         and p.shipment_no = message.payload ->> 'shipment_no' and p.tracking_number is not null
      ) as parcels,
      message.kind = 'shipped' and exists (
        select from records.carrier_step s
        where s.tenant = message.tenant and s.order_ref = message.order_ref
          and s.shipment_no = message.payload ->> 'shipment_no'
          and s.kind = 'label' and s.state in ('intended', 'sent', 'unknown')
      ) as label_is_to_come
    from message join records.orders o on o.tenant = message.tenant and o.order_ref = message.order_ref
    """  # noqa: S608 - put together from constants


_CLAIM: Final = text(f"with {_claiming(_THIS)}")

_DONE: Final = text(
    f"""
    with told as (
      update records.erp_message
      set state = 'done', document_no = :document_no, done_at = clock_timestamp(), last_error = null
      where {_THIS} and {_OPEN}
    ), {_claiming(_BEHIND)}
    """  # noqa: S608 - put together from constants
)

_FAILED: Final = text(
    f"update records.erp_message set state = :state, last_error = :reason where {_THIS} and {_OPEN}"  # noqa: S608
)


def claim(connection: Connection, tenant: str, order_ref: str, number: int) -> dict[str, Any] | None:
    """Mark a message as sent, before it is. Returns it as it was, with its order; None if it is done with."""
    return _claimed(connection, _CLAIM, {"tenant": tenant, "order_ref": order_ref, "number": number})


def done(
    connection: Connection, tenant: str, order_ref: str, number: int, document_no: str, *, go_on: bool
) -> dict[str, Any] | None:
    """Note the document that the ERP made of a message and, to `go_on`, claim the one behind it, if there is one."""
    given = {"tenant": tenant, "order_ref": order_ref, "number": number, "document_no": document_no, "go_on": go_on}
    return _claimed(connection, _DONE, given)


def failed(connection: Connection, tenant: str, order_ref: str, number: int, state: str, reason: str) -> None:
    """Note why a message is not done: `unknown` if the ERP may have it, `intended` if it surely has not."""
    given = {"tenant": tenant, "order_ref": order_ref, "number": number, "state": state, "reason": reason}
    connection.execute(_FAILED, given)


def _claimed(connection: Connection, statement: Any, given: dict[str, Any]) -> dict[str, Any] | None:
    found = connection.execute(statement, given).mappings().one_or_none()
    return dict(found) if found else None
