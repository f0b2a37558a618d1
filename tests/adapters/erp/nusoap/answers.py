"""What the ERP tells of its rows: PHP arrays, with the types that PHP happens to have at hand."""

from __future__ import annotations

from typing import Any

from tests.adapters.erp.nusoap.books import Order, OrderLine, Product, Shipment, ThirdParty
from tests.adapters.erp.nusoap.wire import Dated, Value


def told_order(order: Order) -> dict[str, Value]:
    told: dict[str, Value] = {"id": str(order.id), "ref": order.ref, "ref_ext": order.ref_ext}
    if order.ref_client:
        told["ref_client"] = order.ref_client
    return told | {
        "thirdparty_id": order.third_party.id,
        "status": order.status,
        "date": Dated("date", order.date),
        "date_creation": _date_time(order.created),
        "date_validation": _date_time(order.validated),
        "date_modification": _date_time(order.modified),
        "note_public": order.note_public,
        "date_livraison": Dated("date", order.date_livraison),
        "lines": [_order_line(order, line) for line in order.lines],
    }


def _order_line(order: Order, line: OrderLine) -> dict[str, Value]:
    return {
        "id": str(line.id),
        "fk_commande": str(order.id),
        "fk_parent_line": None,
        "desc": line.desc,
        "qty": line.qty,
        "price": None,
        "unitprice": line.unitprice,
        "product_id": str(line.product.id),
        "product_ref": line.product.ref,
        "product_label": line.product.label,
        "product_type": "0",
    }


def told_third_party(party: ThirdParty) -> dict[str, Value]:
    return {
        "id": str(party.id),
        "ref": party.ref,
        "status": "1",
        "customer_code": f"CU-{party.id:05}",
        "address": party.address,
        "zip": party.zip,
        "town": party.town,
        "country_code": party.country_code,
    }


def told_product(product: Product) -> dict[str, Value]:
    return {
        "id": str(product.id),
        "ref": product.ref,
        "type": "0",
        "label": product.label,
        "description": "",
        "date_modification": _date_time(product.modified),
        "status_tosell": "1",
        "barcode": product.barcode,
        "tobatch": str(product.tobatch),
        "packagings": [
            {"unit": each.unit, "factor": str(each.factor), "barcode": each.barcode} for each in product.packagings
        ],
    }


def told_shipment(shipment: Shipment) -> dict[str, Value]:
    return {
        "id": str(shipment.id),
        "ref": shipment.ref,
        "ref_ext": shipment.ref_ext,
        "order_id": str(shipment.order_id),
        "status": str(shipment.status),
        "date_delivery": Dated("date", shipment.date_delivery),
        "shipping_method": shipment.shipping_method,
        "note_public": shipment.note_public,
        "lines": [
            {
                "id": str(line.id),
                "order_line_id": str(line.order_line_id),
                "qty": line.qty,
                "batch": line.batch,
                "serials": list(line.serials),
            }
            for line in shipment.lines
        ],
        "packages": [
            {"number": str(package.number), "tracking_number": package.tracking_number} for package in shipment.packages
        ],
    }


def _date_time(at: Any) -> Dated:
    return Dated("dateTime", "" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}")
