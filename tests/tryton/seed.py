"""Fills an empty Tryton with what the tests count on.

Tryton's own Python runs it: `python seed.py DATABASE CONFIGURATION HUB_KEY CLERK_KEY`. It is a program of its own over
Tryton's client library, and shares nothing with the product.
"""

import datetime as dt
import sys
from decimal import Decimal

from proteus import Model, Wizard, config

GRACE = dt.timedelta(days=1)
"""How long a confirmed sale can still go back to draft: nothing processes it before, unless somebody says so."""


def main() -> None:
    """Make the company, then all that stands on it."""
    connection = config.set_trytond(database=sys.argv[1], config_file=sys.argv[2], user="admin")
    company = make_company(connection)
    goods = make_accounts(company)
    germany, america = (
        country(*each) for each in (("Germany", "DE", "DEU", "276"), ("United States", "US", "USA", "840"))
    )
    unit = one("product.uom", name="Unit")
    box = packaging(unit, "Box of 12", "bx", 12)
    products = (
        product("WIDGET", "Widget", unit, goods, price="10.00", sold_in=box),
        product("GADGET", "Gadget", unit, goods, price="25.50"),
        product("CABLE", "Cable", one("product.uom", name="Meter"), goods, price="1.25"),
        product("SERUM", "Serum", unit, goods, price="80.00", lots=True),
    )
    product("SETUP", "Setup on site", unit, goods, price="120.00", kind="service")
    customer(
        "Acme Retail", [("1 Main St", "73301", "Austin", america), ("900 Congress Ave", "78701", "Austin", america)]
    )
    customer("Müller GmbH", [("Lindenstraße 5\nHinterhof", "10969", "Berlin", germany)])
    make_carriers(unit, goods)
    Model.get("stock.package.type")(name="Carton").save()
    stock_up(products)
    settings()
    make_keys(company, hub=sys.argv[3], clerk=sys.argv[4])


def one(model: str, **wanted: str) -> Model:
    """Return the only record of a model with these values."""
    (found,) = Model.get(model).find([(name, "=", value) for name, value in wanted.items()])
    return found


def make_company(connection: config.Config) -> Model:
    """Make the company with its currency, and let the administrator work in it."""
    dollar = Model.get("currency.currency")(name="US Dollar", symbol="$", code="USD", rounding=Decimal("0.01"))
    dollar.rates.new(date=dt.date.min, rate=Decimal(1))
    dollar.save()
    party = Model.get("party.party")(name="Stockbridge Trading")
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party = party
    wizard.form.currency = dollar
    wizard.form.timezone = "UTC"
    wizard.execute("add")
    (company,) = Model.get("company.company").find([])
    user = one("res.user", login="admin")
    user.companies.append(company)
    user.company = company
    user.save()
    connection._context = Model.get("res.user").get_preferences(True, connection.context)
    return company


def make_accounts(company: Model) -> Model:
    """Make Tryton's minimal chart of accounts, and years to book in; return the category that goods are booked by."""
    root = Model.get("account.account.template")(
        Model.get("ir.model.data").get_id("account", "account_template_root_en", config.get_config().context)
    )
    chart = Wizard("account.create_chart")
    chart.execute("account")
    chart.form.account_template = root
    chart.form.company = company
    chart.execute("create_account")
    accounts = {kind: account(kind) for kind in ("receivable", "payable", "revenue", "expense")}
    chart.form.account_receivable = accounts["receivable"]
    chart.form.account_payable = accounts["payable"]
    chart.form.category_account_revenue = accounts["revenue"]
    chart.form.category_account_expense = accounts["expense"]
    chart.execute("create_properties")
    make_fiscal_years(company)
    category = Model.get("product.category")(name="Goods", accounting=True)
    category.account_revenue = accounts["revenue"]
    category.account_expense = accounts["expense"]
    category.save()
    return category


def account(kind: str) -> Model:
    """Return the first account of a kind."""
    return Model.get("account.account").find([(f"type.{kind}", "=", True), ("closed", "!=", True)], limit=1)[0]


def make_fiscal_years(company: Model) -> None:
    """Open so many years that a template which is kept for long can still be booked in."""
    this_year = dt.datetime.now(tz=dt.UTC).year
    for year in range(this_year - 1, this_year + 3):
        fiscal_year = Model.get("account.fiscalyear")(name=str(year), company=company)
        fiscal_year.start_date, fiscal_year.end_date = dt.date(year, 1, 1), dt.date(year, 12, 31)
        fiscal_year.move_sequence = strict_sequence(f"Moves {year}", "Account Move", company)
        numbers = (
            fiscal_year.invoice_sequences[0] if fiscal_year.invoice_sequences else fiscal_year.invoice_sequences.new()
        )
        invoices = strict_sequence(f"Invoices {year}", "Invoice", company)
        numbers.out_invoice_sequence = numbers.out_credit_note_sequence = invoices
        numbers.in_invoice_sequence = numbers.in_credit_note_sequence = invoices
        fiscal_year.click("create_period")


def strict_sequence(name: str, kind: str, company: Model) -> Model:
    """Make a sequence of numbers without gaps."""
    made = Model.get("ir.sequence.strict")(name=name, company=company)
    made.sequence_type = one("ir.sequence.type", name=kind)
    made.save()
    return made


def country(name: str, code: str, code3: str, numeric: str) -> Model:
    """Make a country: Tryton comes with none."""
    made = Model.get("country.country")(name=name, code=code, code3=code3, code_numeric=numeric)
    made.save()
    return made


def packaging(unit: Model, name: str, symbol: str, factor: int) -> Model:
    """Make a unit that holds `factor` of another."""
    made = Model.get("product.uom")(name=name, symbol=symbol, category=unit.category)
    made.factor = float(factor)
    made.rate = round(1 / made.factor, 12)
    made.rounding, made.digits = 1.0, 0
    made.save()
    return made


def product(
    code: str,
    name: str,
    unit: Model,
    category: Model,
    *,
    price: str,
    kind: str = "goods",
    sold_in: Model | None = None,
    lots: bool = False,
) -> Model:
    """Make a product that can be sold; with `lots`, it never leaves or enters without one."""
    template = Model.get("product.template")(name=name, type=kind, default_uom=unit, salable=True)
    template.sale_uom = sold_in or unit
    template.list_price = Decimal(price)
    template.account_category = category
    if lots:
        template.lot_required = ["supplier", "customer", "lost_found", "storage"]
    template.products[0].suffix_code = code
    template.save()
    return template.products[0]


def customer(name: str, addresses: list[tuple[str, str, str, Model]]) -> None:
    """Make a customer; the first address is the one Tryton takes by itself."""
    party = Model.get("party.party")(name=name)
    for place, (street, postal_code, city, land) in enumerate(addresses):
        address = party.addresses[0] if place == 0 and party.addresses else party.addresses.new()
        address.street, address.postal_code, address.city, address.country = street, postal_code, city, land
    party.save()


def make_carriers(unit: Model, category: Model) -> None:
    """Make the carriers; what each costs is a service."""
    for name in ("Sandbox Parcel", "UPS"):
        party = Model.get("party.party")(name=name)
        party.save()
        costs = product(
            name.upper().replace(" ", "-"), f"Delivery by {name}", unit, category, price="8.00", kind="service"
        )
        Model.get("carrier")(party=party, carrier_product=costs).save()


def stock_up(products: tuple[Model, ...]) -> None:
    """Count the opening stock: a million of each, so that no test takes another's; of what has lots, in two of them."""
    storage = one("stock.location", code="STO")
    inventory = Model.get("stock.inventory")(location=storage)
    for item in products:
        if not item.template.lot_required:
            inventory.lines.new(product=item, quantity=1_000_000.0)
            continue
        for number in ("LOT-A", "LOT-B"):
            lot = Model.get("stock.lot")(number=number, product=item)
            lot.save()
            inventory.lines.new(product=item, lot=lot, quantity=1_000_000.0)
    inventory.click("confirm")


def settings() -> None:
    """Say how sales go: shipments wait to be assigned, and a confirmed sale stays so for a while."""
    sales = Model.get("sale.configuration")(1)
    sales.sale_invoice_method = "order"
    sales.sale_shipment_method = "order"
    sales.sale_wait_shipment = True
    sales.sale_process_after = GRACE
    sales.save()


def make_keys(company: Model, *, hub: str, clerk: str) -> None:
    """Make the user that the hub calls as, no administrator; it and the administrator (our clerk) may use REST."""
    user = Model.get("res.user")(name="Hub", login="hub", password="hub-password")
    user.companies.append(Model.get("company.company")(company.id))
    user.company = company
    for name in ("Sales", "Sales Administrator", "Stock"):  # the second one for its button: to process a sale
        user.groups.append(one("res.group", name=name))
    user.save()
    for who, key in ((user, hub), (one("res.user", login="admin"), clerk)):
        Model.get("res.user.application")(user=who, application="rest", key=key, state="validated").save()


main()
