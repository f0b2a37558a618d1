"""Purchase orders, and what arrives of them."""
