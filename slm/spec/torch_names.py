"""Names of torch classes that a spec may use, with their arguments, as data: nothing here imports torch.

Each signature is one string of argument names; a `*` marks an argument without a default. Arguments that are about
devices and kernels (device, dtype, foreach, fused, …) are left out: they belong to the machine, not to the science.
Source: torch 2.13, `torch.nn`, `torch.optim`, `torch.optim.lr_scheduler`, `torch.nn.init`.
"""

from typing import Final

LAYERS: Final[dict[str, str]] = {
    "AdaptiveAvgPool1d": "output_size*",
    "AdaptiveAvgPool2d": "output_size*",
    "AdaptiveAvgPool3d": "output_size*",
    "AdaptiveMaxPool1d": "output_size* return_indices",
    "AdaptiveMaxPool2d": "output_size* return_indices",
    "AdaptiveMaxPool3d": "output_size* return_indices",
    "AlphaDropout": "p inplace",
    "AvgPool1d": "kernel_size* stride padding ceil_mode count_include_pad",
    "AvgPool2d": "kernel_size* stride padding ceil_mode count_include_pad divisor_override",
    "AvgPool3d": "kernel_size* stride padding ceil_mode count_include_pad divisor_override",
    "BatchNorm1d": "num_features* eps momentum affine track_running_stats bias",
    "BatchNorm2d": "num_features* eps momentum affine track_running_stats bias",
    "BatchNorm3d": "num_features* eps momentum affine track_running_stats bias",
    "Bilinear": "in1_features* in2_features* out_features* bias",
    "CELU": "alpha inplace",
    "ChannelShuffle": "groups*",
    "CircularPad1d": "padding*",
    "CircularPad2d": "padding*",
    "CircularPad3d": "padding*",
    "ConstantPad1d": "padding* value*",
    "ConstantPad2d": "padding* value*",
    "ConstantPad3d": "padding* value*",
    "Conv1d": "in_channels* out_channels* kernel_size* stride padding dilation groups bias padding_mode",
    "Conv2d": "in_channels* out_channels* kernel_size* stride padding dilation groups bias padding_mode",
    "Conv3d": "in_channels* out_channels* kernel_size* stride padding dilation groups bias padding_mode",
    "ConvTranspose1d": (
        "in_channels* out_channels* kernel_size* stride padding output_padding groups bias dilation padding_mode"
    ),
    "ConvTranspose2d": (
        "in_channels* out_channels* kernel_size* stride padding output_padding groups bias dilation padding_mode"
    ),
    "ConvTranspose3d": (
        "in_channels* out_channels* kernel_size* stride padding output_padding groups bias dilation padding_mode"
    ),
    "Dropout": "p inplace",
    "Dropout1d": "p inplace",
    "Dropout2d": "p inplace",
    "Dropout3d": "p inplace",
    "ELU": "alpha inplace",
    "FeatureAlphaDropout": "p inplace",
    "Flatten": "start_dim end_dim",
    "GELU": "approximate",
    "GLU": "dim",
    "GRU": "input_size* hidden_size* num_layers bias batch_first dropout bidirectional",
    "GRUCell": "input_size* hidden_size* bias",
    "GroupNorm": "num_groups* num_channels* eps affine bias",
    "Hardshrink": "lambd",
    "Hardsigmoid": "inplace",
    "Hardswish": "inplace",
    "Hardtanh": "min_val max_val inplace",
    "Identity": "",
    "InstanceNorm1d": "num_features* eps momentum affine track_running_stats bias",
    "InstanceNorm2d": "num_features* eps momentum affine track_running_stats bias",
    "InstanceNorm3d": "num_features* eps momentum affine track_running_stats bias",
    "LPPool1d": "norm_type* kernel_size* stride ceil_mode",
    "LPPool2d": "norm_type* kernel_size* stride ceil_mode",
    "LPPool3d": "norm_type* kernel_size* stride ceil_mode",
    "LSTM": "input_size* hidden_size* num_layers bias batch_first dropout bidirectional proj_size",
    "LSTMCell": "input_size* hidden_size* bias",
    "LayerNorm": "normalized_shape* eps elementwise_affine bias",
    "LazyBatchNorm1d": "eps momentum affine track_running_stats bias",
    "LazyBatchNorm2d": "eps momentum affine track_running_stats bias",
    "LazyBatchNorm3d": "eps momentum affine track_running_stats bias",
    "LazyConv1d": "out_channels* kernel_size* stride padding dilation groups bias padding_mode",
    "LazyConv2d": "out_channels* kernel_size* stride padding dilation groups bias padding_mode",
    "LazyConv3d": "out_channels* kernel_size* stride padding dilation groups bias padding_mode",
    "LazyConvTranspose1d": "out_channels* kernel_size* stride padding output_padding groups bias dilation padding_mode",
    "LazyConvTranspose2d": "out_channels* kernel_size* stride padding output_padding groups bias dilation padding_mode",
    "LazyConvTranspose3d": "out_channels* kernel_size* stride padding output_padding groups bias dilation padding_mode",
    "LazyInstanceNorm1d": "eps momentum affine track_running_stats bias",
    "LazyInstanceNorm2d": "eps momentum affine track_running_stats bias",
    "LazyInstanceNorm3d": "eps momentum affine track_running_stats bias",
    "LazyLinear": "out_features* bias",
    "LeakyReLU": "negative_slope inplace",
    "Linear": "in_features* out_features* bias",
    "LocalResponseNorm": "size* alpha beta k",
    "LogSigmoid": "",
    "LogSoftmax": "dim",
    "MaxPool1d": "kernel_size* stride padding dilation return_indices ceil_mode",
    "MaxPool2d": "kernel_size* stride padding dilation return_indices ceil_mode",
    "MaxPool3d": "kernel_size* stride padding dilation return_indices ceil_mode",
    "Mish": "inplace",
    "MultiheadAttention": "embed_dim* num_heads* dropout bias add_bias_kv add_zero_attn kdim vdim batch_first",
    "PReLU": "num_parameters init",
    "PixelShuffle": "upscale_factor*",
    "PixelUnshuffle": "downscale_factor*",
    "RMSNorm": "normalized_shape* eps elementwise_affine",
    "RNN": "input_size* hidden_size* num_layers bias batch_first dropout bidirectional nonlinearity",
    "RNNCell": "input_size* hidden_size* bias nonlinearity",
    "RReLU": "lower upper inplace",
    "ReLU": "inplace",
    "ReLU6": "inplace",
    "ReflectionPad1d": "padding*",
    "ReflectionPad2d": "padding*",
    "ReflectionPad3d": "padding*",
    "ReplicationPad1d": "padding*",
    "ReplicationPad2d": "padding*",
    "ReplicationPad3d": "padding*",
    "SELU": "inplace",
    "SiLU": "inplace",
    "Sigmoid": "",
    "Softmax": "dim",
    "Softmax2d": "",
    "Softmin": "dim",
    "Softplus": "beta threshold",
    "Softshrink": "lambd",
    "Softsign": "",
    "Tanh": "",
    "Tanhshrink": "",
    "Threshold": "threshold* value* inplace",
    "TransformerEncoderLayer": (
        "d_model* nhead* dim_feedforward dropout activation layer_norm_eps batch_first norm_first bias"
    ),
    "Unflatten": "dim* unflattened_size*",
    "Unfold": "kernel_size* dilation padding stride",
    "Upsample": "size scale_factor mode align_corners recompute_scale_factor",
    "UpsamplingBilinear2d": "size scale_factor",
    "UpsamplingNearest2d": "size scale_factor",
    "ZeroPad1d": "padding*",
    "ZeroPad2d": "padding*",
    "ZeroPad3d": "padding*",
}

# Layers of this package that stand beside the torch.nn ones in an `arc`.
EXTRA_LAYERS: Final[dict[str, str]] = {
    "BatchRenorm1d": "num_features* eps momentum r_max d_max warmup_steps",
    "LazyBatchRenorm1d": "eps momentum r_max d_max warmup_steps",
    "LazyWeightNormLinear": "out_features* bias",
    "WeightNormLinear": "in_features* out_features* bias",
}

ACTIVATIONS: Final[tuple[str, ...]] = (
    "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmin",
    "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
)  # fmt: skip

# The losses of regression: values may be any number, which those of probabilities, counts or labels don't allow.
LOSSES: Final[dict[str, str]] = {
    "HuberLoss": "reduction delta",
    "L1Loss": "reduction",
    "MSELoss": "reduction",
    "SmoothL1Loss": "reduction beta",
}

OPTIMIZERS: Final[dict[str, str]] = {
    "ASGD": "lr lambd alpha t0 weight_decay",
    "Adadelta": "lr rho eps weight_decay",
    "Adafactor": "lr beta2_decay eps d weight_decay",
    "Adagrad": "lr lr_decay weight_decay initial_accumulator_value eps",
    "Adam": "lr betas eps weight_decay amsgrad",
    "AdamW": "lr betas eps weight_decay amsgrad",
    "Adamax": "lr betas eps weight_decay",
    "GlobalAdam": "lr betas eps weight_decay",
    "GlobalAdamW": "lr betas eps weight_decay",
    "GlobalRMSprop": "lr alpha eps weight_decay",
    "GlobalSGD": "lr momentum dampening weight_decay nesterov",
    "NAdam": "lr betas eps weight_decay momentum_decay decoupled_weight_decay",
    "RAdam": "lr betas eps weight_decay decoupled_weight_decay",
    "RMSprop": "lr alpha eps weight_decay momentum centered",
    "Rprop": "lr etas step_sizes",
    "SGD": "lr momentum dampening weight_decay nesterov",
}

# What torch takes where the spec says nothing: writing it out changes no hash.
OPTIMIZER_DEFAULTS: Final[dict[str, dict[str, object]]] = {
    "Adam": {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "amsgrad": False},
    "AdamW": {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01, "amsgrad": False},
    "GlobalAdam": {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0},
    "GlobalAdamW": {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01},
    "GlobalRMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0},
    "GlobalSGD": {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False},
    "RMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False},
    "SGD": {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False},
}

# LinearToZero and LinearToMin are this package's: a factor that falls linearly in `frame` frames to 0 or `min_factor`.
LR_SCHEDULERS: Final[dict[str, str]] = {
    "LinearToZero": "frame*",
    "LinearToMin": "frame* min_factor*",
    "ConstantLR": "factor total_iters",
    "CosineAnnealingLR": "T_max* eta_min",
    "CosineAnnealingWarmRestarts": "T_0* T_mult eta_min",
    "CyclicLR": (
        "base_lr* max_lr* step_size_up step_size_down mode gamma scale_mode cycle_momentum base_momentum max_momentum"
    ),
    "ExponentialLR": "gamma*",
    "LinearLR": "start_factor end_factor total_iters",
    "MultiStepLR": "milestones* gamma",
    "OneCycleLR": (
        "max_lr* total_steps epochs steps_per_epoch pct_start anneal_strategy cycle_momentum base_momentum max_momentum"
        " div_factor final_div_factor three_phase"
    ),
    "PolynomialLR": "total_iters power",
    "StepLR": "step_size* gamma",
}

INIT_FUNCTIONS: Final[tuple[str, ...]] = (
    "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "orthogonal_", "sparse_",
    "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
)  # fmt: skip


def signature(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Required arguments, and all arguments in order, of one signature string."""
    words = text.split()
    return frozenset(word[:-1] for word in words if word.endswith("*")), tuple(word.rstrip("*") for word in words)


def match_name(name: str, names: tuple[str, ...] | dict[str, str], *, ignore_case: bool) -> str | None:
    """The spelling of `name` in `names`, or None."""
    if name in names:
        return name
    return next((known for known in names if ignore_case and known.lower() == name.lower()), None)
