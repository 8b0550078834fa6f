"""EarlyExitNet: computation that depends on the data. A confident batch skips the second stage.

Reference: Teerapittayanon et al., "BranchyNet: Fast Inference via Early Exiting from Deep Neural
Networks" (2016), arXiv:1709.01686; here with two exits, the largest softmax probability in place
of the entropy, and one decision for a whole batch. In training both stages are always computed.
Input: images (B, H, W, 1) with (H // 4) * (W // 4) = 49. Output: logits (B, K) of the exit that
was taken, and those of the early exit (B, K).
"""

from typing import Any

from flax import linen as nn
from jax import Array


class EarlyExitNet(nn.Module):
    """Two convolutions and an early exit; two more and the late exit, for doubtful batches."""

    threshold: float = 0.9
    num_classes: int = 10

    def __post_init__(self) -> None:
        """Check the arguments, which the fields take as they are."""
        if not (isinstance(self.threshold, float) and 0 < self.threshold < 1):
            raise ValueError(f"threshold must be in (0, 1), not {self.threshold!r}")
        super().__post_init__()

    def setup(self) -> None:
        """Name the layers."""
        self.conv1 = nn.Conv(16, (3, 3), padding=1)
        self.conv2 = nn.Conv(32, (3, 3), padding=1)
        self.early_fc = nn.Dense(self.num_classes)

        self.conv3 = nn.Conv(64, (3, 3), padding=1)
        self.conv4 = nn.Conv(64, (3, 3), padding=1)
        self.fc = nn.Dense(self.num_classes)

    def __call__(self, x: Array, train: bool = False) -> tuple[Array, Array]:
        """Logits (B, K) and the early exit's logits (B, K) for images (B, H, W, 1)."""
        # Flax pools with stride 1 unless told otherwise.
        x = nn.max_pool(nn.relu(self.conv1(x)), (2, 2), strides=(2, 2))  # (B, H/2, W/2, 16)
        x = nn.max_pool(nn.relu(self.conv2(x)), (2, 2), strides=(2, 2))  # (B, H/4, W/4, 32)
        flat = x.transpose(0, 3, 1, 2)  # channels first, so that early_fc means the same everywhere
        flat = flat.reshape(x.shape[0], 32 * 7 * 7)  # (B, 1568)
        early_logits = self.early_fc(flat)  # (B, K)
        if train:
            return self.second_stage(x), early_logits
        if self.is_initializing():
            self.second_stage(x)  # for its variables: a branch of `cond` must not make any
        # Both branches are traced and compiled; which one runs is decided on the device. The module
        # is handed in: a branch may use arrays from around it, but no module of the outer trace.
        logits = nn.cond(
            self.is_confident(early_logits),
            lambda _: early_logits,
            lambda net: net.second_stage(x),
            self,
        )
        return logits, early_logits

    def is_confident(self, early_logits: Array) -> Array:
        """Whether every example's largest probability is at least the threshold: one bool."""
        return (nn.softmax(early_logits, axis=-1).max(axis=-1) >= self.threshold).all()

    def second_stage(self, x: Array) -> Array:
        """Logits (B, K) for the first stage's features (B, H/4, W/4, 32)."""
        x = nn.relu(self.conv3(x))  # (B, H/4, W/4, 64)
        x = nn.relu(self.conv4(x))  # (B, H/4, W/4, 64)
        x = x.mean(axis=(1, 2))  # (B, 64)
        return self.fc(x)  # (B, K)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"threshold": self.threshold, "num_classes": self.num_classes}
