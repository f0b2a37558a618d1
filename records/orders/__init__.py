"""What was said of orders and to them."""
