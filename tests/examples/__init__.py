"""Programs as users would write them; the tests run them."""
