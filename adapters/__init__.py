"""The bridges to systems that others own: ERPs and carriers, each behind a port."""
