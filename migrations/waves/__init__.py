"""Waves: bringing every place to a revision of the product, some places at a time."""
