"""Purchase orders, and what arrived of them."""
