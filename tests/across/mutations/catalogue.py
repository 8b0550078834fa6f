"""The mutations, and how the ladder must find each: at which rung, in which layer, for what cause.

A mutation is made by the function of its name in `torch_mutations`, `flax_mutations` or
`keras_mutations`. It is put into the smallest case that shows it.
"""

from dataclasses import dataclass
from typing import Literal

RESIDUAL = ("simple_resnet", "block 3 to 5, stride 2, odd height")
PERCEPTRON = ("basic_net", "6x5 image, 3 channels")
SKIP = ("skip_mlp", "4x7 image, 3 channels, depth 3, 5 classes")
BRANCHING = ("branching_net", "9x14 image, width 6, 3 classes")
INCEPTION = ("inception_net", "block 5 channels to 4 times 6")
INCEPTIONS = ("inception_net", "9x14 image, width 6, 4 classes")
DENSE = ("dense_net", "block 5 channels, growth 2, 3 layers")
DENSES = ("dense_net", "9x14 image, growth 3, 3 layers, 4 classes")
CONVOLUTIONS = ("unet", "double convolution 3 to 5")
DOWN = ("unet", "down 3 to 5")
UP = ("unet", "up 6 to 4")
ATTENTION = ("seq2seq", "attention, 3 heads, 5 to 7 steps")
ENCODER = ("seq2seq", "encoder layer, 7 steps")
DECODER = ("seq2seq", "decoder layer, 5 to 7 steps")
SEQUENCE = ("seq2seq", "12 columns of 5 rows, 3 classes, 1 layer")
EXIT = ("early_exit_net", "4x196 image, 4 classes, never leaves")
CANVAS = ("unet", "8x12 canvas, 2 channels, 3 classes, depth 2")
EXITS = ("early_exit_net", "4x196 image, always leaves")
CLASSIFIER = ("mnist_classifier", "4x196 image")
FROZEN = ("inference_model", "around simple_resnet, 4x196 image")
ROWS = ("row_gru", "7x10 image, 3 channels, 4 classes")


TRAINERS = "trainers"


@dataclass(frozen=True)
class Mutation:
    """One convention that one backend gets wrong, and what the ladder must say of it.

    `place` is the architecture and the case's label. `rung` is the first that fails in float64, in
    the ladder's order. `layer` is the canonical name that is told, "" where the network's output,
    the loss or the optimizer is at fault. `cause` is the cause's kind, "" where the catalogue of
    causes has none. `recipe` is the training that the mutation needs, if it needs one; TRAINERS are
    those that people train with.
    """

    name: str
    says: str
    backend: Literal["torch", "flax", "keras"]
    place: tuple[str, str]
    rung: str
    layer: str = ""
    cause: str = ""
    recipe: str = ""


def _of(backend: Literal["torch", "flax", "keras"], *rows: tuple[object, ...]) -> list[Mutation]:
    return [Mutation(row[0], row[1], backend, *row[2:]) for row in rows]  # type: ignore[arg-type]


def _of_trainers(
    backend: Literal["torch", "flax", "keras"], *rows: tuple[str, str, tuple[str, str], str]
) -> list[Mutation]:
    return [
        Mutation(name, says, backend, place, rung, recipe=TRAINERS)
        for name, says, place, rung in rows
    ]


CATALOGUE: tuple[Mutation, ...] = (
    *_of(
        "torch",
        (
            "momentum_inverted",
            "batch norm's momentum is the weight of the old statistics",
            RESIDUAL,
            "buffers",
            "bn1",
            "momentum",
        ),
        (
            "running_variance_biased",
            "the running variance is made of biased variances",
            RESIDUAL,
            "buffers",
            "bn1",
            "unbiased variance",
        ),
        (
            "norm_scale_left_out",
            "batch norm does not multiply by its scale",
            CONVOLUTIONS,
            "forward",
            "bn1",
            "scale",
        ),
        (
            "layer_norm_over_steps",
            "layer norm takes its mean over the steps too",
            ENCODER,
            "forward",
            "norm1",
            "axes",
        ),
        (
            "kernel_flipped",
            "convolutions flip their kernels, as mathematics has it",
            BRANCHING,
            "forward",
            "conv1",
            "flipped kernel",
        ),
        (
            "bias_left_out",
            "convolutions leave their bias out",
            INCEPTION,
            "forward",
            "conv1",
            "bias",
        ),
        ("bias_too_many", "there is a layer that the others lack", BRANCHING, "counts", "extra"),
        (
            "layer_in_float32",
            "dense layers compute in float32 in a network of float64",
            PERCEPTRON,
            "forward",
            "fc1",
        ),
        (
            "gelu_for_relu",
            "GELU by tanh in place of ReLU",
            PERCEPTRON,
            "forward",
            "dropout",
            "activation",
        ),
        ("skip_left_out", "the skips are not added", SKIP, "forward", "hidden.2", "residual"),
        (
            "average_for_max_pool",
            "an average in place of a max-pool",
            DOWN,
            "forward",
            "conv.conv1",
            "pool",
        ),
        ("not_a_number", "an output is NaN", PERCEPTRON, "forward"),
        (
            "gates_in_another_order",
            "the GRU's gates lie in the order z, r, n",
            ROWS,
            "forward",
            "cell.hidden_gates",
            "gate order",
        ),
        (
            "scores_unscaled",
            "attention does not divide its scores by the root of a head's width",
            ATTENTION,
            "forward",
            "out",
            "scale",
        ),
        (
            "softmax_over_queries",
            "attention's softmax is over the queries",
            ATTENTION,
            "forward",
            "out",
        ),
        (
            "positions_from_one",
            "the positions of a sequence are counted from 1",
            SEQUENCE,
            "forward",
            "encoder.0.norm1",
        ),
        (
            "dropout_unscaled",
            "dropout does not scale what it keeps",
            PERCEPTRON,
            "dropout",
            "dropout",
        ),
        (
            "loss_summed",
            "the loss is a sum over the batch",
            PERCEPTRON,
            "loss",
            "",
            "loss reduction",
        ),
        (
            "loss_over_labels_that_do_not_count",
            "the loss is divided by the number of all labels, also of those that do not count",
            SEQUENCE,
            "loss",
            "",
            "loss reduction",
        ),
        (
            "branch_detached",
            "no gradient flows through one branch",
            BRANCHING,
            "gradients",
            "conv3b",
            "gradient stopped",
        ),
        (
            "bias_of_moments_uncorrected",
            "Adam does not correct the bias of its moments",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "bias correction",
            "adam",
        ),
        (
            "decay_coupled",
            "AdamW's decay is added to the gradients",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "weight decay",
            "adamw",
        ),
        (
            "decay_of_matrices_alone",
            "AdamW does not decay biases",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "weight decay",
            "adamw",
        ),
        (
            "momentum_damped",
            "gradients enter the momentum damped",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "",
            "momentum",
        ),
        (
            "rate_halved",
            "half the learning rate",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "learning rate",
            "sgd",
        ),
        (
            "clipped_with_a_small_number",
            "1e-6 is added to the norm that gradients are clipped by, as PyTorch does",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "clipping",
            "clipped",
        ),
        (
            "exit_above_the_threshold",
            "a batch leaves early only if it is surer than the threshold, not as sure",
            EXITS,
            "edges",
        ),
        (
            "last_of_those_alike",
            "of several largest logits the last one is taken",
            PERCEPTRON,
            "edges",
        ),
        (
            "mean_of_no_label",
            "without a label that counts the loss is 0 over 0",
            PERCEPTRON,
            "edges",
        ),
        (
            "input_changed_in_place",
            "a prediction changes its input, which is the user's own array",
            ATTENTION,
            "edges",
        ),
        (
            "weights_through_float32",
            "weights become float32 when they are loaded",
            PERCEPTRON,
            "exchange",
        ),
        (
            "softmax_over_examples",
            "the classes' probabilities are over the examples of a batch",
            PERCEPTRON,
            "methods",
        ),
        (
            "decode_starts_with_a_digit",
            "the first token is written after a digit, not after START",
            SEQUENCE,
            "methods",
        ),
        (
            "writes_after_the_end",
            "something may be written after END",
            SEQUENCE,
            "methods",
        ),
        (
            "gradient_through_features",
            "a gradient passes the features that are extracted",
            CLASSIFIER,
            "methods",
        ),
        (
            "accuracies_swapped",
            "the log has training and test accuracy in each other's place",
            CLASSIFIER,
            "methods",
        ),
        (
            "sizes_swapped",
            "get_config gives the sizes of the input and the output in each other's place",
            PERCEPTRON,
            "methods",
        ),
        (
            "gradient_through_the_wrapper",
            "a gradient passes the frozen wrapper",
            FROZEN,
            "methods",
        ),
        (
            "bias_not_read",
            "a bias is left out when a state dict is loaded",
            PERCEPTRON,
            "methods",
        ),
    ),
    *_of(
        "flax",
        (
            "momentum_of_99",
            "batch norm's momentum is 0.99, Flax's own",
            RESIDUAL,
            "buffers",
            "bn1",
            "momentum",
        ),
        (
            "layer_norm_epsilon",
            "layer norm's epsilon is 1e-6, Flax's own",
            ENCODER,
            "forward",
            "norm1",
            "epsilon",
        ),
        ("norm_without_scale", "batch norm has no scale", CONVOLUTIONS, "counts", "bn1"),
        (
            "padding_same",
            "padding SAME at stride 2",
            RESIDUAL,
            "forward",
            "conv1",
            "padding",
        ),
        (
            "kernel_dilated",
            "kernels are dilated",
            CONVOLUTIONS,
            "forward",
            "conv1",
            "dilation",
        ),
        (
            "kernel_channels_swapped",
            "input and output channels of square kernels are swapped",
            BRANCHING,
            "forward",
            "conv2a",
            "kernel axes",
        ),
        (
            "transposed_kernel_flipped",
            "a transposed convolution flips its kernel, Flax's own way",
            UP,
            "forward",
            "up",
            "flipped kernel",
        ),
        (
            "embedding_off_by_one",
            "tokens look up the row after their own",
            SEQUENCE,
            "forward",
            "embedding",
            "rows",
        ),
        (
            "weight_off_by_a_millionth",
            "one weight is off by a millionth of itself when it is used",
            SKIP,
            "forward",
            "hidden.1",
            "weights",
        ),
        (
            "leaky_relu",
            "leaky ReLU of slope 0.01 in place of ReLU",
            SKIP,
            "forward",
            "hidden.0",
            "activation",
        ),
        (
            "concatenated_in_another_order",
            "the skip comes after what it is concatenated with",
            UP,
            "forward",
            "conv.conv1",
            "concatenation order",
        ),
        (
            "pool_at_stride_one",
            "max-pools move by 1, Flax's own stride",
            INCEPTIONS,
            "forward",
            "block1.conv1",
            "pool",
        ),
        (
            "pool_rounds_up",
            "an average pool keeps the last odd row",
            DENSES,
            "forward",
            "transition",
            "pool",
        ),
        (
            "reset_of_both_shares",
            "the GRU's reset gate multiplies the input's share too",
            ROWS,
            "forward",
            "cell.hidden_gates",
            "gate order",
        ),
        (
            "heads_split_across",
            "the heads are the columns, not the rows, of what is split",
            ATTENTION,
            "forward",
            "out",
        ),
        (
            "smoothing_forgotten",
            "labels are not smoothed",
            SKIP,
            "loss",
        ),
        (
            "second_objective_halved",
            "the second objective weighs half",
            ATTENTION,
            "loss",
        ),
        (
            "gradient_straight_through",
            "ReLU lets every gradient through",
            SKIP,
            "gradients",
            "hidden.2",
        ),
        (
            "adam_epsilon",
            "Adam's epsilon is 1e-7",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "adam epsilon",
            "adam",
        ),
        (
            "adam_epsilon_inside_the_root",
            "Adam's epsilon is inside the root",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "adam epsilon",
            "adam",
        ),
        (
            "decay_apart_from_the_rate",
            "the decay is not multiplied by the learning rate",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "weight decay",
            "adamw",
        ),
        (
            "clipped_by_value",
            "every gradient is clipped by itself",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "clipping",
            "clipped",
        ),
        (
            "cosine_of_another_length",
            "the learning rate falls half as fast",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "",
            "cosine",
        ),
        (
            "pool_splits_gradients",
            "a max-pool by reshaping, which splits the gradient of equal values",
            DOWN,
            "edges",
        ),
        (
            "loss_overflows",
            "cross-entropy takes the exponential of a logit as it is",
            PERCEPTRON,
            "edges",
        ),
        (
            "masked_row_is_no_number",
            "a row that is masked everywhere is NaN",
            ATTENTION,
            "edges",
        ),
        ("clamped", "activations are at most 64", SKIP, "edges"),
        (
            "layers_in_another_order",
            "two layers of one shape have each other's weights, in and out",
            SKIP,
            "forward",
            "hidden.0",
        ),
        (
            "second_largest_class",
            "the class is that of the second largest logit",
            PERCEPTRON,
            "methods",
        ),
        (
            "decode_stops_early",
            "a sequence ends a token too early",
            SEQUENCE,
            "methods",
        ),
        (
            "accuracies_as_shares",
            "the log has accuracies as shares, not in percent",
            CLASSIFIER,
            "methods",
        ),
        (
            "config_of_the_defaults",
            "get_config gives the defaults, whatever the network has",
            PERCEPTRON,
            "methods",
        ),
        (
            "wrapper_in_training_mode",
            "the frozen wrapper has a training mode",
            FROZEN,
            "methods",
        ),
        (
            "evaluated_as_a_share",
            "the frozen wrapper evaluates as a share, not in percent",
            FROZEN,
            "methods",
        ),
        (
            "saved_in_float32",
            "variables are saved in float32",
            PERCEPTRON,
            "methods",
        ),
    ),
    *_of(
        "keras",
        (
            "batch_norm_epsilon",
            "batch norm's epsilon is 1e-3, Keras's own",
            RESIDUAL,
            "forward",
            "bn1",
            "epsilon",
        ),
        (
            "statistics_not_updated",
            "batch norm's statistics stay as they are",
            RESIDUAL,
            "buffers",
            "bn1",
            "not updated",
        ),
        (
            "batch_statistics_in_evaluation",
            "batch norm takes the batch's statistics in evaluation",
            CONVOLUTIONS,
            "forward",
            "bn1",
            "train mode",
        ),
        (
            "layer_norm_unbiased",
            "layer norm divides by the unbiased variance",
            ENCODER,
            "forward",
            "norm1",
            "unbiased variance",
        ),
        (
            "kernel_turned",
            "height and width of kernels are swapped",
            DENSE,
            "forward",
            "convs.0",
            "transposed kernel",
        ),
        (
            "stride_out_of_phase",
            "the windows at stride 2 begin one pixel later",
            RESIDUAL,
            "forward",
            "conv1",
            "padding",
        ),
        (
            "dense_kernel_transposed",
            "square dense kernels are transposed",
            SKIP,
            "forward",
            "hidden.0",
            "transposed kernel",
        ),
        (
            "flattened_channels_last",
            "an image is flattened with its channels last",
            PERCEPTRON,
            "forward",
            "fc1",
            "flatten order",
        ),
        ("skip_halved", "the skips weigh half", SKIP, "forward", "hidden.2", "residual"),
        (
            "silu_for_relu",
            "SiLU in place of ReLU",
            BRANCHING,
            "forward",
            "conv2a",
            "activation",
        ),
        (
            "pool_pads_with_zeros",
            "a max-pool pads with zeros, not with minus infinity",
            INCEPTION,
            "forward",
            "pool_conv",
            "pool",
        ),
        (
            "new_state_by_z",
            "the GRU's update gate weighs the new state",
            ROWS,
            "forward",
            "cell.hidden_gates",
            "gate order",
        ),
        (
            "mask_inverted",
            "attention goes where the mask is False",
            ATTENTION,
            "forward",
            "out",
            "mask sense",
        ),
        (
            "future_visible",
            "the decoder sees the steps that follow",
            DECODER,
            "forward",
            "self_attention.out",
            "mask",
        ),
        (
            "dropout_in_evaluation",
            "dropout drops in evaluation too",
            PERCEPTRON,
            "forward",
            "dropout",
            "dropout",
        ),
        (
            "dropout_of_another_rate",
            "dropout drops half as often",
            PERCEPTRON,
            "dropout",
        ),
        (
            "loss_halved",
            "the mean squared error is halved",
            CONVOLUTIONS,
            "loss",
            "",
            "scale",
        ),
        (
            "adam_epsilon_beside_the_uncorrected_root",
            "Adam's epsilon is beside the uncorrected root, Keras's own place",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "adam epsilon",
            "adam",
        ),
        (
            "clipped_by_variable",
            "every variable's gradient is clipped by itself, Keras's `clipnorm`",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "clipping",
            "clipped",
        ),
        (
            "nesterov_forgotten",
            "plain momentum in place of Nesterov's",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "nesterov",
            "nesterov",
        ),
        (
            "schedule_a_step_late",
            "the learning rate follows its schedule a step late",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "",
            "cosine",
        ),
        (
            "momentum_of_steps",
            "momentum sums steps, as Keras's own does, not gradients",
            PERCEPTRON,
            "optimizers",
            "fc1",
            "",
            "momentum",
        ),
        (
            "length_of_at_least_one",
            "a sequence of length 0 has one step that counts",
            SEQUENCE,
            "edges",
        ),
        (
            "masked_row_attends_nowhere",
            "a row that is masked everywhere has weights of 0",
            ATTENTION,
            "edges",
        ),
        (
            "slope_at_zero",
            "ReLU has the slope 1 at 0",
            PERCEPTRON,
            "edges",
        ),
        (
            "eighth_example",
            "from the eighth example on a batch's examples are taken for its first",
            PERCEPTRON,
            "edges",
        ),
        (
            "weight_off_when_loaded",
            "one weight is off by a millionth of itself after loading",
            PERCEPTRON,
            "tensors",
            "fc3",
        ),
        (
            "kernels_flipped_twice",
            "kernels are flipped in width on the way in, and on the way out again",
            BRANCHING,
            "forward",
            "conv1",
            "flipped kernel",
        ),
        (
            "tensors_called_otherwise",
            "a kernel keeps Keras's name",
            PERCEPTRON,
            "tensors",
            "fc1",
        ),
        (
            "confidence_is_the_logit",
            "the confidence is the logit, not its probability",
            PERCEPTRON,
            "methods",
        ),
        (
            "attention_of_the_first_step",
            "decode gives the attention of its first step",
            SEQUENCE,
            "methods",
        ),
        (
            "features_after_the_dense_layer",
            "the features are those after the dense layer and its ReLU",
            CLASSIFIER,
            "methods",
        ),
        (
            "epochs_forgotten",
            "the log has the last epoch alone",
            CLASSIFIER,
            "methods",
        ),
        (
            "argument_not_in_config",
            "get_config lacks an argument",
            PERCEPTRON,
            "methods",
        ),
        (
            "gradient_stopped_nowhere",
            "gradients pass the frozen wrapper",
            FROZEN,
            "methods",
        ),
        (
            "batches_in_reverse",
            "the frozen wrapper's predictions of several batches are in reverse",
            FROZEN,
            "methods",
        ),
        (
            "weights_not_read",
            "a layer keeps its own bias when weights are loaded",
            PERCEPTRON,
            "methods",
        ),
    ),
    *_of_trainers(
        "torch",
        (
            "gradients_not_zeroed",
            "the trainer adds each step's gradients to the last one's",
            PERCEPTRON,
            "trainers",
        ),
        (
            "trained_in_evaluation_mode",
            "the trainer trains in evaluation mode",
            PERCEPTRON,
            "trainers",
        ),
        (
            "evaluated_in_training_mode",
            "the trainer evaluates in training mode",
            PERCEPTRON,
            "trainers",
        ),
        (
            "clipping_forgotten",
            "the trainer does not clip",
            PERCEPTRON,
            "trainers",
        ),
        (
            "schedule_forgotten",
            "the trainer ignores the schedule",
            PERCEPTRON,
            "trainers",
        ),
        (
            "seed_of_dropout_forgotten",
            "the trainer ignores the seed of dropout",
            PERCEPTRON,
            "trainers",
        ),
        (
            "all_labels_counted",
            "labels that do not count are counted",
            SEQUENCE,
            "trainers",
        ),
        (
            "mode_of_the_last_evaluation",
            "from its second step on the trainer trains in the mode that it finds",
            PERCEPTRON,
            "trainers",
        ),
        (
            "mode_of_the_last_step",
            "after its first step the trainer evaluates in the mode that it finds",
            PERCEPTRON,
            "trainers",
        ),
        (
            "no_step_with_dropout",
            "with dropout the trainer changes no weight",
            PERCEPTRON,
            "trainers",
        ),
        (
            "clipped_by_division",
            "the trainer divides a gradient by its norm, which may be 0",
            PERCEPTRON,
            "trainers",
        ),
        (
            "confidence_of_the_tuned_variant",
            "the tuned variant is never confident",
            PERCEPTRON,
            "variants",
        ),
        (
            "tenth_example_of_the_tuned_variant",
            "the tuned variant doubles what it gives for the tenth example",
            PERCEPTRON,
            "variants",
        ),
        (
            "rate_of_the_tuned_variant",
            "the tuned variant's learning rate is a thousandth larger",
            PERCEPTRON,
            "variants",
        ),
    ),
    *_of_trainers(
        "flax",
        (
            "one_dropout_key_for_all_steps",
            "all steps have the same dropout masks",
            PERCEPTRON,
            "trainers",
        ),
        (
            "dropout_key_of_no_seed",
            "every seed gives the same dropout masks",
            PERCEPTRON,
            "trainers",
        ),
        (
            "weights_of_objectives_forgotten",
            "objectives have no weights",
            EXIT,
            "trainers",
        ),
        (
            "smoothing_over_the_other_classes",
            "labels are smoothed over the other classes alone",
            PERCEPTRON,
            "trainers",
        ),
        (
            "union_with_the_intersection_twice",
            "a union counts the intersection twice",
            CANVAS,
            "trainers",
        ),
        (
            "warm_up_forgotten",
            "the trainer starts with the whole learning rate",
            PERCEPTRON,
            "trainers",
        ),
    ),
    *_of_trainers(
        "keras",
        (
            "left_is_who_stayed",
            "those who stayed are counted as having left",
            EXIT,
            "trainers",
        ),
        (
            "padding_is_decoded_too",
            "what follows a sequence's end counts as decoded",
            SEQUENCE,
            "trainers",
        ),
        (
            "schedule_that_never_moves",
            "the trainer's learning rate never moves",
            PERCEPTRON,
            "trainers",
        ),
        (
            "trained_without_training",
            "the trainer trains in evaluation mode",
            PERCEPTRON,
            "trainers",
        ),
        (
            "dropout_of_one_seed",
            "every seed gives the same dropout masks",
            PERCEPTRON,
            "trainers",
        ),
        (
            "clipping_of_the_tuned_variant_forgotten",
            "the tuned variant does not clip",
            PERCEPTRON,
            "variants",
        ),
    ),
)
"""All of them, by backend."""
