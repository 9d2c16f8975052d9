"""A network's layers through the generated accelerator."""
