"""The whole document, with requests that a machine drew from it, as everybody who may call."""
