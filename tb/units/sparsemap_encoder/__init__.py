"""The unit sparsemap_encoder."""
