"""A product with reference tables; tests copy this folder, because revisions are written there."""
