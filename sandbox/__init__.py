"""A legacy ERP and a carrier to run against, with faults on demand. Shares no code with the product."""
