"""Packages that nobody trained: known networks at reduced size, whose numbers are drawn.

They have every kind of layer in the order in which real networks have them, so that the accelerator can be shown to run
such networks whole. Their scores say nothing: labels are the network's own answers.
"""
