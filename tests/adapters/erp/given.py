"""What a mapping makes of a document, for tests: the first of `gives` that fits, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapters.erp.engine.connected import ConnectedErp
from adapters.erp.engine.speaking import Speaker
from adapters.erp.language.evaluating import Scope
from adapters.erp.language.leaves import says_yes
from adapters.erp.language.values import MISSING, Result, Value, to_json
from adapters.erp.mapping.inbound import Inbound


def given(erp: ConnectedErp, inbound: Inbound, **names: Result) -> tuple[str, Any]:
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


def fetched(speaker: Speaker, inbound: Inbound, **names: Value) -> dict[str, Result]:
    """Return what is read for a document, by name, as the mapping says."""
    scope = speaker.scope(**names)
    found: dict[str, Result] = {}
    for look in inbound.fetch:
        within = scope.within(**found)
        if look.unless is not None and says_yes(look.unless, within):
            found[look.look] = MISSING
            continue
        about = speaker.scope(given={name: text.text(within, str) for name, text in look.given.items()})
        found[look.look] = speaker.call(look.call, within, about, changes=False).answer
    return found
