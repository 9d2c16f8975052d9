"""The unit basis_mac."""
