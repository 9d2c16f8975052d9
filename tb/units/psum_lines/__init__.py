"""The unit psum_lines."""
