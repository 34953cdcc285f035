"""The way of a request: gateway, identity, entrance, the product's handler, edge."""
