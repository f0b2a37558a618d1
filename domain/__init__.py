"""The language: orders, quantities, stock keys, allocation and amendment rules. Pure: no I/O, no clock."""
