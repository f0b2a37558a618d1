"""What a mapping makes of a document, for tests: the first of `gives` that fits, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import says_yes
from adapters.erp.language.values import Value, to_json
from adapters.erp.mapping.inbound import Inbound


def given(erp: ConnectedErp, inbound: Inbound, **names: Value) -> tuple[str, Any]:
    """Return what a document gives, and of which kind it is: `order`, `cancel`, `product` or `nothing`."""
    scope = Scope({"settings": erp.public(), **names}, erp.all_tables())
    gives = next(gives for gives in inbound.gives if says_yes(gives.when, scope))
    for kind in ("order", "cancel", "product"):
        tree = getattr(gives, kind)
        if tree is not None:
            rendered = tree.render(scope)
            assert isinstance(rendered, Mapping)
            return kind, json.loads(to_json(rendered))
    assert gives.nothing is not None
    return "nothing", gives.nothing.text(scope, str)
