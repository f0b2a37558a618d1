"""An order as a whole: pushed, read, told."""
