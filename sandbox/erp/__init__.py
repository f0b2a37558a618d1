"""A legacy ERP: a SOAP service with a WSDL, an outbound job that pushes orders, and a database of its own."""
