"""The judge of mapping files: what is wrong with one, told without calling anybody."""
