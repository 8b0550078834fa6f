"""Programs of users that the README shows; they are run by the tests."""
