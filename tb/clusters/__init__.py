"""The bench of the clusters: layers dealt to stream cores side by side."""
