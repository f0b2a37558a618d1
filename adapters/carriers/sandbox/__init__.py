"""The sandbox carrier: REST, labels in the booking's answer, signed callbacks."""
