"""`agent.net` and `agent.critic_net`: the networks, their losses, optimizers and learning rates."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar, get_type_hints

from pydantic import Field, create_model

from slm.spec.fields import ABSENT, Bool, Count, Fraction, Number, Positive, SpecModel
from slm.spec.net_fields import (
    Activation,
    Arc,
    ConvLayers,
    Gpu,
    HydraSizes,
    InitFunction,
    LearningRateSchedule,
    Loss,
    Optimizer,
    OutputActivation,
    Sizes,
)

if TYPE_CHECKING:
    from slm.spec.spec import Spec

PREFIXES: Final = ("actor_", "critic_")
NOT_PREFIXED: Final = frozenset({"type", "shared", "use_same_optim", "actor_init_std", "critic_init_std"})
ACTOR_CRITIC_ALGORITHMS: Final = ("ActorCritic", "PPO", "SIL", "PPOSIL")


class NetBase(SpecModel):
    """Keys that all nets share."""

    REQUIRED: ClassVar[tuple[str, ...]] = ("hid_layers_activation",)
    """Keys that each of the resulting nets needs, plain or with the actor_ and critic_ prefixes."""

    hid_layers_activation: Activation = Field(default=ABSENT, description="Activation between layers.")
    out_layer_activation: OutputActivation = Field(
        default=None, description="Activation of the output, or a list of one per head; null is none."
    )
    init_fn: InitFunction = Field(default=None, description="torch.nn.init function of linear and conv weights.")
    clip_grad_val: Positive | None = Field(default=None, description="Largest global norm of the gradient; null: none.")
    loss_spec: Loss = Field(default={"name": "MSELoss"}, description="Loss of values: its torch.nn name and arguments.")
    optim_spec: Optimizer = Field(default={"name": "Adam"}, description="Optimizer: torch.optim name and arguments.")
    lr_scheduler_spec: LearningRateSchedule = Field(
        default=None, description="Learning-rate schedule: its name and arguments; null keeps the rate."
    )
    update_type: Literal["replace", "polyak"] = Field(default="replace", description="How target nets follow.")
    update_frequency: Count = Field(default=1, description="Frames between target updates of type replace.")
    polyak_coef: Fraction = Field(default=0.0, description="Weight of the new net in target updates of type polyak.")
    gpu: Gpu = Field(default="auto", description="Compute on CUDA: false never; auto and true where there is a device.")
    shared: Bool = Field(default=False, description="Actor and critic are one net with two kinds of head.")
    use_same_optim: Bool = Field(default=False, description="The critic is built like the actor in everything.")
    log_std_init: Number | None = Field(
        default=None, description="Start of a learned log standard deviation apart from the state; null: a head."
    )
    actor_init_std: Positive | None = Field(default=None, description="Orthogonal gain of the policy head; null: none.")
    critic_init_std: Positive | None = Field(default=None, description="Orthogonal gain of the value head; null: none.")


NetClass = TypeVar("NetClass", bound=type[NetBase])
Net = TypeVar("Net", bound=NetBase)


def prefixed(cls: NetClass) -> NetClass:
    """The class with an `actor_` and a `critic_` twin of each key, which apply to one of the two nets alone."""
    fields: dict[str, Any] = cls.model_fields  # type: ignore[call-overload]
    hints = get_type_hints(cls, include_extras=True)
    twins: dict[str, Any] = {
        prefix + key: (
            hints[key],
            Field(default=ABSENT, description=f"As {key}, for the {prefix[:-1]} alone.", repr=False),
        )
        for key in fields
        if key not in NOT_PREFIXED
        for prefix in PREFIXES
    }
    return create_model(cls.__name__, __base__=cls, __module__=cls.__module__, __doc__=cls.__doc__, **twins)  # type: ignore[return-value]


@prefixed
class MLPNetSpec(NetBase):
    """Fully connected layers."""

    REQUIRED = ("hid_layers", "hid_layers_activation")

    type: Literal["MLPNet"] = Field(description="Kind of net.")
    hid_layers: Sizes = Field(default=ABSENT, description="Units of each hidden layer.")
    layer_norm: Bool = Field(default=False, description="LayerNorm before each activation.")
    batch_norm: Bool = Field(default=False, description="BatchNorm before each activation; wins over layer_norm.")


@prefixed
class HydraMLPNetSpec(NetBase):
    """Fully connected layers with several heads and tails."""

    REQUIRED = ("hid_layers", "hid_layers_activation")

    type: Literal["HydraMLPNet"] = Field(description="Kind of net.")
    hid_layers: HydraSizes = Field(default=ABSENT, description="Units: [heads, body, tails].")


@prefixed
class DuelingMLPNetSpec(NetBase):
    """Fully connected layers, then state value and advantages: Q = V + A - mean(A)."""

    REQUIRED = ("hid_layers", "hid_layers_activation")

    type: Literal["DuelingMLPNet"] = Field(description="Kind of net.")
    hid_layers: Sizes = Field(default=ABSENT, description="Units of each hidden layer.")


class _ConvKeys(NetBase):
    REQUIRED = ("conv_hid_layers", "fc_hid_layers", "hid_layers_activation")

    conv_hid_layers: ConvLayers = Field(
        default=ABSENT, description="Convolutions: [out_channels, kernel, stride, padding, dilation] each."
    )
    fc_hid_layers: Sizes = Field(default=ABSENT, description="Units of the fully connected layers that follow.")
    normalize: Bool = Field(default=False, description="Divide inputs by 255.")


@prefixed
class ConvNetSpec(_ConvKeys):
    """Convolutions, then fully connected layers."""

    type: Literal["ConvNet"] = Field(description="Kind of net.")
    batch_norm: Bool = Field(default=True, description="BatchNorm after the activations of all but the first layer.")


@prefixed
class DuelingConvNetSpec(_ConvKeys):
    """Convolutions, fully connected layers, then state value and advantages."""

    type: Literal["DuelingConvNet"] = Field(description="Kind of net.")
    batch_norm: Bool = Field(default=False, description="BatchNorm after the activations of all but the first layer.")


@prefixed
class RecurrentNetSpec(NetBase):
    """Fully connected layers, then a recurrent one over the last observations."""

    REQUIRED = ("fc_hid_layers", "rnn_hidden_size", "seq_len", "hid_layers_activation")

    type: Literal["RecurrentNet"] = Field(description="Kind of net.")
    cell_type: Literal["RNN", "LSTM", "GRU"] = Field(default="GRU", description="Kind of recurrent cell.")
    fc_hid_layers: Sizes = Field(default=ABSENT, description="Units of the fully connected layers before the cell.")
    rnn_hidden_size: Count = Field(default=ABSENT, description="Units of the recurrent layer.")
    rnn_num_layers: Count = Field(default=1, description="Recurrent layers.")
    bidirectional: Bool = Field(default=False, description="Read the sequence in both directions.")
    seq_len: Count = Field(default=ABSENT, description="Observations in a sequence.")


@prefixed
class TorchArcNetSpec(NetBase):
    """A net written in the `arc` language."""

    REQUIRED = ("arc",)

    type: Literal["TorchArcNet"] = Field(description="Kind of net.")
    hid_layers_activation: Activation = Field(default="ReLU", description="Selects the gain of init_fn, nothing else.")
    arc: Arc = Field(default=ABSENT, description="Modules and the graph that joins them; or a file of it: arc_file.")
    normalize: Bool = Field(default=False, description="Divide inputs by 255.")


class NoNetSpec(NetBase):
    """No net: for the Random algorithm, written `net: {}`."""

    REQUIRED = ()

    type: Literal["NoNet"] = Field(description="Kind of net.")


NetSpec = Annotated[
    MLPNetSpec
    | HydraMLPNetSpec
    | DuelingMLPNetSpec
    | ConvNetSpec
    | DuelingConvNetSpec
    | RecurrentNetSpec
    | TorchArcNetSpec
    | NoNetSpec,
    Field(discriminator="type"),
]


def select_net(net: Net, prefix: str) -> Net:
    """The net of one role: keys with the role's prefix replace the plain ones, and all prefixed keys are gone."""
    names = type(net).model_fields
    twins = {p + key for key in names for p in PREFIXES if p + key in names and key not in NOT_PREFIXED}
    keys = {key: getattr(net, prefix + key) for key in names if prefix + key in twins}
    replaced = {key: value for key, value in keys.items() if value is not ABSENT}
    return net.model_copy(update={**dict.fromkeys(twins, ABSENT), **replaced})


def actor_net_spec(spec: "Spec") -> NetSpec:
    """The net of the policy (or of the Q-function), with plain keys only."""
    return select_net(spec.agent.net, "actor_")


def critic_net_spec(spec: "Spec") -> NetSpec | None:
    """The net of the critic, with plain keys only; None where there is no critic of its own.

    Actor-critic algorithms: None if `shared`; built like the actor with `use_same_optim`. CrossQ: `agent.critic_net`,
    by default like `agent.net`. SAC: like `agent.net`.
    """
    agent = spec.agent
    if agent.algorithm.name in ACTOR_CRITIC_ALGORITHMS:
        if agent.net.shared:
            return None
        return select_net(agent.net, "actor_" if agent.net.use_same_optim else "critic_")
    if agent.algorithm.name == "CrossQ":
        return agent.critic_net or agent.net
    return agent.net if agent.algorithm.name == "SoftActorCritic" else None
