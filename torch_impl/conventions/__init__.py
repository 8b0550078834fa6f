"""What PyTorch takes for granted, asked of the library itself: `defaults`, then `pitfalls`.

`defaults` measures the default values, and what words mean here. `pitfalls` has a few lines of code
for each that differs, as somebody would write them who relies on it.
"""
