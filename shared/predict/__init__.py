"""The verb `predict`: what trained weights say of pictures."""
