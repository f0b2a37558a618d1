"""All schemas of a contract as one that can judge a message: libxml2 knows inline and twofold ones no other way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from adapters.erp.contracts.bundle import SOAP_ENCODING, XML_NAMESPACE, Bundle, UnusableContract, location
from adapters.erp.contracts.parsing import parsed

_XS: Final = "http://www.w3.org/2001/XMLSchema"
_SCHEMA: Final = f"{{{_XS}}}schema"
_IMPORT: Final = f"{{{_XS}}}import"
_INCLUDES: Final = (f"{{{_XS}}}include", f"{{{_XS}}}redefine")
_WSDL_IMPORT: Final = "{http://schemas.xmlsoap.org/wsdl/}import"
_OURS: Final = "schemas:"
_WITHOUT_SAYING_WHERE: Final = {SOAP_ENCODING: SOAP_ENCODING, XML_NAMESPACE: "http://www.w3.org/2001/xml.xsd"}


def compiled(bundle: Bundle, wsdl: str) -> etree.XMLSchema:
    """Compile the schemas that a WSDL reaches. `NotBundled`, or `UnusableContract` where they contradict themselves."""
    found = _Found(bundle)
    found.add_wsdl(location(wsdl))
    found.point_imports()
    try:
        return etree.XMLSchema(found.root())
    except etree.XMLSchemaParseError as error:
        raise UnusableContract(f"{wsdl}: its schemas can't be used: {error}") from error


@dataclass
class _Found:
    """The schemas found so far, each by a number. One namespace may have several: they are read as one."""

    bundle: Bundle
    schemas: list[etree._Element] = field(default_factory=list)
    by_namespace: dict[str | None, list[int]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    wsdls: set[str] = field(default_factory=set)

    def add_wsdl(self, at: str) -> None:
        """Add what is in a WSDL, and in those that it imports."""
        if at in self.wsdls:
            return
        self.wsdls.add(at)
        root = self.bundle.load_xml(at)
        if root.tag == _SCHEMA:
            self._add_document(at, root)
            return
        for imported in root.iter(_WSDL_IMPORT):
            if imported.get("location"):
                self.add_wsdl(location(imported.get("location", ""), at))
        for schema in list(root.iter(_SCHEMA)):
            self._add(at, parsed(etree.tostring(schema, with_tail=False)), imported=True)

    def point_imports(self) -> None:
        """Let each import find all of its namespace, wherever that is. One that nobody has is left to what needs it."""
        for schema in self.schemas:
            for other in schema.iterchildren(_IMPORT):
                namespace = other.get("namespace")
                if namespace in self.by_namespace and namespace != schema.get("targetNamespace"):
                    other.set("schemaLocation", f"{_OURS}namespace/{list(self.by_namespace).index(namespace)}")
                else:
                    other.attrib.pop("schemaLocation", None)

    def root(self) -> etree._Element:
        """Return a schema that brings in all of them."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        parser.resolvers.add(_Served(self))
        brought = [self._bringing(namespace) for namespace in self.by_namespace]
        return etree.fromstring(f'<xs:schema xmlns:xs="{_XS}">{"".join(brought)}</xs:schema>'.encode(), parser)

    def served(self, name: str) -> bytes:
        """Return what a reference of ours stands for: one schema, or all of a namespace."""
        what, _, number = name.partition("/")
        if what == "schema":
            return bytes(etree.tostring(self.schemas[int(number)]))
        namespace = list(self.by_namespace)[int(number)]
        target = {} if namespace is None else {"targetNamespace": namespace}
        root = etree.Element(_SCHEMA, target, nsmap={"xs": _XS})
        for schema in self.by_namespace[namespace]:
            etree.SubElement(root, _INCLUDES[0], schemaLocation=f"{_OURS}schema/{schema}")
        return bytes(etree.tostring(root))

    def _bringing(self, namespace: str | None) -> str:
        at = f"{_OURS}namespace/{list(self.by_namespace).index(namespace)}"
        if namespace is None:
            return f'<xs:include schemaLocation="{at}"/>'
        element = etree.Element(_IMPORT, namespace=namespace, schemaLocation=at, nsmap={"xs": _XS})
        return str(etree.tostring(element, encoding="unicode"))

    def _add_document(self, at: str, root: etree._Element | None = None, *, imported: bool = True) -> int:
        if at not in self.numbers:
            self.numbers[at] = len(self.schemas)
            self._add(at, self.bundle.load_xml(at) if root is None else root, imported=imported)
        return self.numbers[at]

    def _add(self, at: str, schema: etree._Element, *, imported: bool) -> None:
        if schema.tag != _SCHEMA:
            raise UnusableContract(f"{at}: it isn't a schema")
        number = len(self.schemas)
        self.schemas.append(schema)
        if imported:
            self.by_namespace.setdefault(schema.get("targetNamespace"), []).append(number)
        for include in list(schema.iterchildren(*_INCLUDES)):
            inside = self._add_document(location(include.get("schemaLocation", ""), at), imported=False)
            include.set("schemaLocation", f"{_OURS}schema/{inside}")
        for other in list(schema.iterchildren(_IMPORT)):
            at_last = other.get("schemaLocation") or _WITHOUT_SAYING_WHERE.get(other.get("namespace", ""))
            if at_last:
                self._add_document(location(at_last, at))


class _Served(etree.Resolver):  # type: ignore[misc]  # lxml ships no types
    """Answers libxml2 from what was found, and nothing else."""

    def __init__(self, found: _Found) -> None:
        self._found = found

    def resolve(self, url: str, _: str | None, context: object) -> object:
        """Return a schema of ours."""
        if not url.startswith(_OURS):
            raise UnusableContract(f"its schemas refer to {url}")
        return self.resolve_string(self._found.served(url.removeprefix(_OURS)), context)
