"""The door: ERP pushes, carrier callbacks, warehouse and operator calls; reads views and balances from PostgreSQL."""
