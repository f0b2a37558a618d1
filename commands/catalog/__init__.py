"""Commands about what is counted: products, whoever brings them."""
