"""The move of one tenant from a source placement to a target placement, while it works."""
