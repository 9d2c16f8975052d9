"""The unit channel_accumulator."""
