"""A carrier: bookings, labels, tracking on a fast clock, and signed callbacks that may go wrong on demand."""
