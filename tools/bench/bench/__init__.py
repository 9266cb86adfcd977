"""Figures of the product, each beside a peer or a limit measured in the same run."""
