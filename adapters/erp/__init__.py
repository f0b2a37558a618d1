"""The ERP port, and one folder for each kind of ERP."""
