"""The PyTorch panel: every architecture as a `torch.nn.Module`."""
