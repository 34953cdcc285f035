"""The product's revisions: written by comparing, rendered once, run in every place."""
