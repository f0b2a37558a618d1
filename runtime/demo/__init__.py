"""`stockbridge demo`: a story from the ERP's push to the proof of delivery, on a stack that is gone afterwards."""

from __future__ import annotations

from runtime.demo.stage import demo

__all__ = ["demo"]
