"""The unit psum_line_buffer."""
