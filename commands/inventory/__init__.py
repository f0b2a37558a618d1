"""Commands about stock that is no order's."""
