"""The chapters of the demo's story: each does what happens on a day, and checks what is promised about it."""
