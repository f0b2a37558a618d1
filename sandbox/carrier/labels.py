"""Labels in ZPL, the language of thermal printers: text, small, and the same every time."""

from __future__ import annotations

from collections.abc import Sequence

MEDIA_TYPE = "application/zpl"


def label(tracking_number: str, reference: str, receiver: Sequence[str]) -> bytes:
    """Draw a label: whom it is for, the tracking number as a bar code, and the sender's reference."""
    lines = [f"^FO40,{40 + 36 * row}^A0N,30^FD{_plain(text)}^FS" for row, text in enumerate(receiver)]
    barcode = f"^FO40,320^BY3^BCN,160,Y,N,N^FD{tracking_number}^FS"
    footer = f"^FO40,560^A0N,24^FD{_plain(reference)}^FS"
    return "\n".join(["^XA^CI28", *lines, barcode, footer, "^XZ", ""]).encode()


def _plain(text: str) -> str:
    """Keep data from being read as commands."""
    return text.replace("^", " ").replace("~", " ")
