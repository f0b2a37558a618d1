"""The small language of a mapping file's leaves: paths and pipes, without loops, floats or code."""
