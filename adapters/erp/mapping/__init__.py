"""Mapping files: how one kind of ERP says what the hub says. Data, no code; nothing here calls anybody."""
