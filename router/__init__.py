"""The ground floor: the words, the catalog, the gate and the dispatch. Imports nothing of ours."""
