"""Stockbridge: an integration hub between a legacy ERP, a warehouse and its carriers."""
