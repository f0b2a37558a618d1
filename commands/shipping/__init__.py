"""Commands about goods that leave: pick, pack, ship, hand over, and what carriers say."""
