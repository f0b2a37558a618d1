"""Two services of our own: what real ones do, each of it once."""

from __future__ import annotations

from adapters.erp.contracts.bundle import Bundle

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENC = "http://schemas.xmlsoap.org/soap/encoding/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"
MESSAGES = "urn:depot:messages"
PARTIES = "urn:depot:parties"
GOODS = "urn:depot:goods"
BOOK = "urn:book"

_DEFINITIONS = f"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
 xmlns:xs="{XSD}" xmlns:SOAP-ENC="{ENC}" """

GOODS_XSD = f"""<xs:schema xmlns:xs="{XSD}" xmlns:g="{GOODS}" targetNamespace="{GOODS}" elementFormDefault="qualified">
<xs:include schemaLocation="../units/units.xsd"/>
<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="http://www.w3.org/2001/xml.xsd"/>
<xs:complexType name="Quantity"><xs:simpleContent><xs:extension base="xs:decimal">
 <xs:attribute name="uom" type="g:Uom" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:complexType name="Line"><xs:sequence>
 <xs:element name="Sku" type="g:Sku"/><xs:element name="Quantity" type="g:Quantity"/>
 <xs:element name="Due" type="xs:date" minOccurs="0"/><xs:element name="Gift" type="xs:boolean" minOccurs="0"/>
 <xs:sequence minOccurs="0" maxOccurs="unbounded">
  <xs:element name="Lot" type="xs:string"/><xs:element name="Expires" type="xs:date"/></xs:sequence>
 <xs:element name="Part" type="g:Line" minOccurs="0" maxOccurs="unbounded"/>
</xs:sequence><xs:attribute name="no" type="xs:int"/></xs:complexType></xs:schema>"""

UNITS_XSD = f"""<xs:schema xmlns:xs="{XSD}">
<xs:simpleType name="Uom"><xs:restriction base="xs:string"><xs:enumeration value="EA"/><xs:enumeration value="CASE"/>
</xs:restriction></xs:simpleType>
<xs:simpleType name="Sku"><xs:restriction base="xs:string"><xs:maxLength value="12"/></xs:restriction></xs:simpleType>
</xs:schema>"""

DEPOT_WSDL = f"""<?xml version="1.0"?>{_DEFINITIONS} xmlns:m="{MESSAGES}" targetNamespace="{MESSAGES}"><types>
<xs:schema targetNamespace="{MESSAGES}" elementFormDefault="qualified" xmlns:p="{PARTIES}" xmlns:g="{GOODS}">
 <xs:import namespace="{PARTIES}"/><xs:import namespace="{GOODS}" schemaLocation="schemas/goods.xsd"/>
 <xs:element name="Token"><xs:complexType><xs:sequence><xs:element name="Key" type="xs:string"/></xs:sequence>
  </xs:complexType></xs:element>
 <xs:element name="PutOrder"><xs:complexType><xs:sequence>
  <xs:element name="OrderNo" type="xs:string"/><xs:element name="Buyer" type="p:Party"/>
  <xs:element name="At" type="xs:dateTime" minOccurs="0"/><xs:element name="Note" type="xs:string" nillable="true"/>
  <xs:choice minOccurs="0"><xs:element name="Pickup" type="xs:string"/><xs:element name="Route" type="xs:string"/>
   <xs:sequence><xs:element name="Slot" type="xs:int"/><xs:element name="Route" type="xs:string"/></xs:sequence>
  </xs:choice><xs:element name="Line" type="g:Line" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
 <xs:element name="PutOrderAnswer"><xs:complexType><xs:sequence>
  <xs:element name="Number" type="xs:decimal"/><xs:element name="Buyer" type="p:Party" minOccurs="0"/>
  <xs:element name="Note" type="xs:string" nillable="true" minOccurs="0"/>
  <xs:element name="Line" type="g:Line" minOccurs="0" maxOccurs="unbounded"/>
  <xs:any namespace="##other" processContents="lax" minOccurs="0" maxOccurs="unbounded"/>
 </xs:sequence></xs:complexType></xs:element>
 <xs:element name="Ping"><xs:complexType/></xs:element><xs:element name="Pong" type="xs:string"/>
</xs:schema>
<xs:schema targetNamespace="{PARTIES}" elementFormDefault="qualified" xmlns:p="{PARTIES}">
 <xs:complexType name="Party" abstract="true"><xs:sequence><xs:element name="Name" type="xs:string"/></xs:sequence>
 </xs:complexType>
 <xs:complexType name="Company"><xs:complexContent><xs:extension base="p:Party"><xs:sequence>
  <xs:element name="TaxNo" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
</xs:schema></types>
<message name="PutIn"><part name="body" element="m:PutOrder"/></message>
<message name="Token"><part name="token" element="m:Token"/></message>
<message name="PutOut"><part name="body" element="m:PutOrderAnswer"/></message>
<message name="PingIn"><part name="body" element="m:Ping"/></message>
<message name="PingOut"><part name="body" element="m:Pong"/></message>
<portType name="Depot">
 <operation name="PutOrder"><input message="m:PutIn"/><output message="m:PutOut"/></operation>
 <operation name="Ping"><input message="m:PingIn"/><output message="m:PingOut"/></operation></portType>
<binding name="New" type="m:Depot"><soap12:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
 <operation name="Ping"><soap12:operation soapAction=""/><input><soap12:body use="literal"/></input>
 <output><soap12:body use="literal"/></output></operation></binding>
<binding name="Old" type="m:Depot"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
 <operation name="PutOrder"><soap:operation soapAction="urn:put"/>
  <input><soap:body use="literal"/><soap:header message="m:Token" part="token" use="literal"/></input>
  <output><soap:body use="literal"/></output></operation>
 <operation name="Ping"><soap:operation soapAction="urn:ping"/><input><soap:body use="literal"/></input>
  <output><soap:body use="literal"/></output></operation></binding>
</definitions>"""

DEPOT_FILES = {
    "depot.wsdl": DEPOT_WSDL.encode(),
    "schemas/goods.xsd": GOODS_XSD.encode(),
    "units/units.xsd": UNITS_XSD.encode(),
}

BOOK_WSDL = f"""<?xml version="1.0" encoding="ISO-8859-1"?>{_DEFINITIONS} xmlns:tns="{BOOK}"
 targetNamespace="{BOOK}"><types>
<xs:schema targetNamespace="{BOOK}"><xs:import namespace="{ENC}"/><xs:import namespace="http://schemas.xmlsoap.org/wsdl/"/>
 <xs:complexType name="row"><xs:all><xs:element name="sku" type="xs:string"/><xs:element name="qty" type="xs:double"/>
  <xs:element name="count" type="xs:int"/><xs:element name="due" type="xs:date"/>
  <xs:element name="tags" type="tns:Tags"/></xs:all></xs:complexType>
 <xs:complexType name="Rows"><xs:complexContent><xs:restriction base="SOAP-ENC:Array">
  <xs:attribute ref="SOAP-ENC:arrayType" wsdl:arrayType="tns:row[]"/></xs:restriction></xs:complexContent>
  </xs:complexType>
 <xs:complexType name="Tags"><xs:complexContent><xs:restriction base="SOAP-ENC:Array">
  <xs:attribute ref="SOAP-ENC:arrayType" wsdl:arrayType="xs:string[]"/></xs:restriction></xs:complexContent>
  </xs:complexType>
 <xs:complexType name="Notes"><xs:complexContent><xs:restriction base="SOAP-ENC:Array"><xs:sequence>
  <xs:element name="note" type="xs:int" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:restriction>
  </xs:complexContent></xs:complexType>
 <xs:complexType name="Held"><xs:sequence>
  <xs:element name="row" type="tns:row" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
 <xs:complexType name="order"><xs:all><xs:element name="ref" type="xs:string"/>
  <xs:element name="open" type="xs:boolean"/>
  <xs:element name="rows" type="tns:Rows"/><xs:element name="held" type="tns:Held"/>
  <xs:element name="notes" type="tns:Notes"/><xs:element name="any" type="SOAP-ENC:Array"/></xs:all></xs:complexType>
</xs:schema></types>
<message name="put"><part name="login" type="xs:string"/><part name="limit" type="xs:int"/>
 <part name="order" type="tns:order"/><part name="mode" type="xs:string"/></message>
<message name="putResponse"><part name="code" type="xs:string"/><part name="order" type="tns:order"/></message>
<portType name="Book"><operation name="put"><input message="tns:put"/><output message="tns:putResponse"/></operation>
</portType>
<binding name="Book" type="tns:Book"><soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
 <operation name="put"><soap:operation soapAction="{BOOK}#put" style="rpc"/>
  <input><soap:body use="encoded" namespace="{BOOK}" encodingStyle="{ENC}"/></input>
  <output><soap:body use="encoded" namespace="{BOOK}" encodingStyle="{ENC}"/></output></operation></binding>
</definitions>"""

BOOK_FILES = {"book.wsdl": BOOK_WSDL.encode()}


def depot() -> Bundle:
    return Bundle(DEPOT_FILES)


def book() -> Bundle:
    return Bundle(BOOK_FILES)


def enveloped(content: str, prolog: str = "") -> bytes:
    prefixes = f'xmlns:S="{SOAP}" xmlns:xsi="{XSI}" xmlns:xsd="{XSD}" xmlns:E="{ENC}" xmlns:t="{BOOK}"'
    return f"{prolog}<S:Envelope {prefixes}><S:Body>{content}</S:Body></S:Envelope>".encode()
