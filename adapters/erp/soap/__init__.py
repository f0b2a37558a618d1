"""The legacy ERP's order service: SOAP 1.1, document/literal, by zeep."""
