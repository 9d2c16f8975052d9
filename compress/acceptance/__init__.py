"""Which networks are accepted: of collections that people use, and networks that are put together at random."""
