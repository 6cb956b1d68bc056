"""What is learned: inputs, wiring, teacher and student."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from physbatch.study.base import Finite, Model, Options, PositiveInt, Switch

#: Layers of weights at most; each is laid out before anything else is known of the study.
MOST_LAYERS = 1000


class BinaryInputs(Model):
    """x uniform in {-1, +1}^N, fresh for every batch.

    `label_noise` is a variance for continuous outputs, a flip rate for sign outputs.
    """

    kind: Literal["binary"]
    label_noise: Annotated[Finite, Field(ge=0)] = 0.0


class GaussianInputs(Model):
    """x ~ N(0, C), fresh for every batch.

    `label_noise` is a variance for continuous outputs, a flip rate for sign outputs. The covariance
    C is diagonal; `spectrum` holds its smallest and its largest element, the others lie evenly
    between them. Without one C = I_N.
    """

    kind: Literal["gaussian"]
    label_noise: Annotated[Finite, Field(ge=0)] = 0.0
    spectrum: tuple[Annotated[Finite, Field(gt=0)], Annotated[Finite, Field(gt=0)]] | None = None


class PatternInputs(Model):
    """A finite set of P patterns, drawn once per replica.

    `label_noise` is a variance for continuous outputs, a flip rate for sign outputs.
    `margin_exponent` is chi of the density abs(u)^chi exp(-u^2/2) of the component u of Gaussian
    patterns along the teacher of one unit: few patterns lie near its boundary.
    """

    kind: Literal["patterns"]
    of: Literal["binary", "gaussian"] = "gaussian"
    count: PositiveInt | None = None
    label_noise: Annotated[Finite, Field(ge=0)] = 0.0
    margin_exponent: Annotated[int, Field(ge=0, le=16, strict=True)] = 0


class SampleInputs(Model):
    """Labelled samples of the real world, each replica with its own training set of P of them.

    `source` is ``digits`` (scikit-learn's, 64 pixels) or a ``.npz`` file with arrays X and y;
    the labels take the teacher's place. `label_noise` is the chance that a training label is
    replaced by another class.
    """

    kind: Literal["samples"]
    source: Annotated[str, Field(min_length=1, max_length=4096)] = "digits"
    classes: tuple[Annotated[int, Field(ge=0, strict=True)], ...] | None = None
    count: PositiveInt | None = None
    label_noise: Annotated[Finite, Field(ge=0, le=1)] = 0.0


Inputs = Annotated[
    BinaryInputs | GaussianInputs | PatternInputs | SampleInputs, Field(discriminator="kind")
]


class RegularWiring(Model):
    """Random d-regular bipartite graph between consecutive layers of N units."""

    kind: Literal["regular"]
    degree: PositiveInt | None = None


class TreeWiring(Model):
    """Non-overlapping receptive fields of d units."""

    kind: Literal["tree"]
    degree: PositiveInt | None = None


class DenseWiring(Model):
    """Every unit of the M hidden ones reads the whole layer before."""

    kind: Literal["dense"]
    hidden_units: PositiveInt | None = None


class ConvolutionalWiring(Model):
    """A small image classifier: two layers of 3 x 3 filters, each followed by pooling."""

    kind: Literal["convolutional"]
    channels: PositiveInt = 8
    batch_normalisation: Switch = False


class NoWiring(Model):
    """What a system of own code has in the place of ours."""

    kind: Literal["none"]


Wiring = Annotated[
    RegularWiring | TreeWiring | DenseWiring | ConvolutionalWiring | NoWiring,
    Field(discriminator="kind"),
]


class TeacherStudent(Model):
    """The student knows the teacher's graph."""

    kind: Literal["teacher"]


class DenseStudent(Model):
    """The student is dense: it must find the teacher's graph."""

    kind: Literal["dense"]
    hidden_units: PositiveInt | None = None


StudentWiring = Annotated[TeacherStudent | DenseStudent, Field(discriminator="kind")]


#: A file, or a module by its dotted name, and the class in it.
_TASK = r"^(.+\.py|\w+(\.\w+)*):\w+$"


#: What systems of kind ``torch`` have alone.
_OF_TASKS = frozenset(("task", "pattern_count", "lanes"))


class System(Model):
    """What is learned: a teacher and a student of the same kind, or what own code makes of it.

    A system of `kind` ``own`` has `options` alone; own dynamics say what they mean. One of `kind`
    ``torch`` has a `task`, a class in a file of its own (``file.py:Name`` or
    ``package.module:Name``), which takes the `options`; its samples are fresh, or a finite set of
    `pattern_count`. Replicas are computed in blocks of `lanes` at once.
    """

    kind: Literal["teacher-student", "own", "torch"] = "teacher-student"
    options: Options = Field(default_factory=dict)
    task: Annotated[str, Field(max_length=4096, pattern=_TASK)] | None = None
    pattern_count: PositiveInt | None = None
    lanes: Literal[1, 2, 4, 8, 16, 32] | None = None
    wiring: Wiring
    depth: Annotated[PositiveInt, Field(le=MOST_LAYERS)] = 2
    output: Literal["vector", "scalar"] = "vector"
    activation: Literal["sign", "erf", "tanh", "relu", "linear"] = "sign"
    weights: Literal["binary", "ternary", "continuous"] = "binary"
    inputs: Inputs = BinaryInputs(kind="binary")
    learned_layers: Literal["all", "first"] = "all"
    student_wiring: StudentWiring = TeacherStudent(kind="teacher")
    field_scaling: Literal["unscaled", "sqrt_fan_in"] = "unscaled"
    initial_overlap: Annotated[Finite, Field(ge=-1, le=1)] = 0.0
    #: Whether the last layer's field passes through the activation, or is the output itself
    #: (a soft committee).
    readout: Literal["activated", "linear"] = "activated"
    #: Weights of a continuous teacher: independent Gaussian ones; first-layer vectors of a dense
    #: one that are orthogonal and of squared length N (T = 1 exactly); or +-1.
    teacher_vectors: Literal["random", "orthogonal", "binary"] = "random"
    #: What units of a continuous teacher compute, if it is not what those of the student do.
    teacher_activation: Literal["erf", "tanh", "relu", "linear"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _own_system_has_no_wiring(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("kind") in ("own", "torch"):
            return {"wiring": {"kind": "none"}, **content}
        return content

    @model_validator(mode="after")
    def _is_ours_or_own(self) -> Self:
        is_own = self.kind != "teacher-student"
        if is_own != (self.wiring.kind == "none"):
            raise ValueError("wiring 'none' is that of a system of kind 'own' or 'torch' alone")
        if not is_own and self.options:
            raise ValueError("options are for a system of kind 'own' or 'torch'")
        if (self.kind == "torch") != (self.task is not None):
            raise ValueError("task = 'file.py:Name' and a system of kind 'torch' belong together")
        fields = type(self).model_fields
        given = [
            name
            for name in fields
            if name in self.foreign - {"wiring"} and getattr(self, name) != fields[name].default
        ]
        if is_own and given:
            raise ValueError(
                f"a system of kind {self.kind!r} has no {given[0]}; put it into options"
            )
        if given:
            raise ValueError(f"{given[0]} is for a system of kind 'torch'")
        return self

    @property
    def foreign(self) -> set[str]:
        """Fields that a system of this kind does not have: they keep their defaults."""
        if self.kind == "teacher-student":
            return set(_OF_TASKS)
        every = set(type(self).model_fields) - {"kind", "options"}
        return every - _OF_TASKS if self.kind == "torch" else every

    @model_validator(mode="after")
    def _samples_make_sense(self) -> Self:
        if self.wiring.kind == "convolutional" and self.inputs.kind != "samples":
            raise ValueError("convolutional wiring classifies images; set inputs.kind to 'samples'")
        if self.inputs.kind != "samples":
            return self
        for name, sensible in (
            ("wiring", self.wiring.kind in ("dense", "convolutional")),
            ("weights", self.weights == "continuous"),
            ("activation", self.activation in ("erf", "tanh", "relu")),
            ("output", self.output == "vector"),
            ("learned_layers", self.learned_layers == "all"),
            ("student_wiring", self.student_wiring.kind == "teacher"),
            ("initial_overlap", self.initial_overlap == 0),
            ("readout", self.readout == "linear"),
            ("teacher_vectors", self.teacher_vectors == "random"),
            ("teacher_activation", self.teacher_activation is None),
            ("field_scaling", self.field_scaling == "unscaled"),
        ):
            if not sensible:
                raise ValueError(
                    f"{name} does not fit inputs 'samples': a classifier has dense or "
                    "convolutional wiring, continuous weights, erf, tanh or relu, vector output, "
                    "readout 'linear', learns all layers and has no teacher to start from"
                )
        if self.wiring.kind == "convolutional" and self.depth != 2:
            raise ValueError("convolutional wiring has two layers of filters; leave depth out")
        return self

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.kind != "teacher-student":
            return self
        dense_student = self.student_wiring.kind == "dense"
        if self.activation == "sign" and self.weights == "continuous":
            raise ValueError(
                "activation 'sign' has no gradient, so continuous weights cannot be learned; "
                "use erf or tanh, or binary weights"
            )
        if self.weights == "ternary" and not dense_student:
            raise ValueError(
                "ternary weights are for a dense student of a sparse teacher; "
                "set student_wiring to dense or weights to binary"
            )
        if self.weights == "binary" and dense_student and self.wiring.kind != "dense":
            raise ValueError(
                "a dense student with binary weights cannot become sparse; use ternary weights"
            )
        if self.weights != "continuous":
            self._check_discrete()
        if (
            self.wiring.kind == "dense"
            and self.learned_layers == "first"
            and self.depth > 1
            and (self.depth, self.output) != (2, "scalar")
        ):
            raise ValueError(
                "the fixed upper weights of a dense network are all +1, which makes its outputs "
                "equal; with learned_layers 'first' use depth 2 and scalar output, or learn all"
            )
        if (
            (self.depth, self.output, self.wiring.kind) == (1, "scalar", "tree")
        ) and not dense_student:
            raise ValueError(
                "a unit that reads d of N inputs is learned by a dense student; set student_wiring "
                "to dense, or use vector output and a degree equal to the size"
            )
        if self.readout == "linear" and self.weights != "continuous":
            raise ValueError("readout 'linear' needs continuous weights")
        self._check_teacher()
        self._check_hidden_units()
        if self.activation == "linear" and self.depth > 1 and self.learned_layers == "all":
            raise ValueError(
                "with linear activation only the product of the layers can be identified; "
                "use depth 1 or learned_layers 'first'"
            )
        return self

    def _check_teacher(self) -> None:
        """What a teacher of continuous students may have of its own."""
        continuous, vectors = self.weights == "continuous", self.teacher_vectors
        if vectors == "orthogonal" and not (continuous and self.wiring.kind == "dense"):
            raise ValueError("orthogonal teacher_vectors need dense wiring and continuous weights")
        if vectors == "binary" and not continuous:
            raise ValueError(
                "teacher_vectors 'binary' is the teacher of a continuous student; that of a "
                "discrete one has the student's weights already"
            )
        if self.teacher_activation is None:
            return
        if not continuous:
            raise ValueError("teacher_activation needs continuous weights")
        if self.teacher_activation == self.activation:
            raise ValueError("teacher_activation is that of the student; leave it out")

    def _check_hidden_units(self) -> None:
        """A number of hidden units that nothing would read is a slip."""
        if self.depth > 1:
            return
        if isinstance(self.student_wiring, DenseStudent) and self.student_wiring.hidden_units:
            raise ValueError(
                "a student of depth 1 has no hidden units; leave student_wiring.hidden_units out"
            )
        # With vector output the one layer has hidden_units outputs, unless labels say how many.
        one_output = self.output == "scalar" or self.inputs.kind == "samples"
        units = self.wiring.hidden_units if isinstance(self.wiring, DenseWiring) else None
        if one_output and units not in (None, 1):
            raise ValueError(
                "a network of depth 1 has no hidden units; leave wiring.hidden_units out"
            )

    def _check_discrete(self) -> None:
        """Binary and ternary weights: sign units, and layers that can be told apart."""
        if self.activation != "sign":
            raise ValueError(
                f"greedy and metropolis moves of {self.weights} weights count wrong signs, which "
                f"activation {self.activation!r} does not give; use sign, or continuous weights"
            )
        if self.weights == "ternary" and self.wiring.kind == "dense":
            raise ValueError(
                "ternary weights are for a dense student of a sparse teacher; "
                "set wiring to regular or tree, or weights to binary"
            )
        if self.weights == "ternary" and self.initial_overlap < 0:
            raise ValueError(
                "initial_overlap of ternary weights must not be negative: two of three values "
                "differ from the teacher's, so there is no opposite student"
            )
        if self.inputs.label_noise > 0.5:
            raise ValueError(
                "label_noise of sign outputs is the chance that a label is flipped; above 0.5 "
                "the labels teach the opposite"
            )

    @property
    def gaussian_inputs(self) -> bool:
        """Whether the inputs are Gaussian numbers, fresh or in a set of patterns."""
        if isinstance(self.inputs, PatternInputs):
            return self.inputs.of == "gaussian"
        return self.inputs.kind == "gaussian"
