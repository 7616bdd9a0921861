"""The one registry of what things are called: dims, methods, and the variables of a result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

STACK_DIMS = ("z", "y", "x", "channel")
"""Dims of every stack."""

FusionMethod = Literal[
    "pyramid", "select", "average", "depth", "depth_map", "weighted", "guided", "wavelet", "blend"
]
"""Names of the fusion methods, here so that the command line can list them without importing them."""

WeightRule = Literal["average", "max", "softmax"]
"""How depth-map fusion makes weights of focus."""

EnergyUnit = Literal["grey", "stack"]
"""What focus is measured in: grey levels of 8 bit, or the largest focus of the whole stack."""

Consistency = Literal["none", "bands", "full"]
"""What wavelet coefficients vote over before they are taken."""

BlendRule = Literal["all_channels", "by_channel", "laplacian", "mask"]
"""What the weights of soft-max blending are made of."""

BaseKind = Literal["average", "energy", "entropy", "focusstack"]
"""Rules for the lowest level of a pyramid."""

Projection = Literal["mean", "min", "max"]
"""Projections along z."""

Ties = Literal["first", "last"]
"""Which of equally sharp frames wins."""

AlignMethod = Literal["auto", "features", "ecc", "phase", "none"]
"""How frames are registered, here for the command line as the methods of fusion; so are those below."""
Model = Literal["translation", "similarity", "affine", "homography"]
Mode = Literal["global", "chain", "direct"]
Misaligned = Literal["error", "interpolate", "drop"]
WarpBorder = Literal["constant", "replicate", "replicate-blur", "reflect"]
Interpolation = Literal["linear", "cubic", "lanczos"]
FeatureMatcher = Literal["auto", "flann", "brute"]
Consensus = Literal["ransac", "usac", "magsac", "lmeds"]

ClusterKind = Literal["local", "slurm"]
"""Clusters that a run can start for itself."""

Blank = Literal["invalid", "unobserved"]
"""Pixels whose depth can be left out of a map."""

ColorMap = Literal["grey", "viridis", "cividis", "inferno", "magma", "plasma", "turbo", "jet"]
"""Colours of maps shown as pictures."""

PictureKind = Literal["color", "hillshade", "relief"]
"""Pictures of depth maps: grey or coloured by depth, chalk in slanting light, and colours in that light."""

Form = Literal["none", "plane", "quadratic", "cubic", "quartic"]
"""Form that is removed before roughness is measured: polynomials by their degree."""


def choices(names: Any) -> tuple[str, ...]:
    """Names of a `Literal`, for a command's option."""
    return get_args(names)


FocusMeasure = Literal[
    "laplacian",
    "log",
    "energy",
    "modified_laplacian",
    "sml",
    "tenengrad",
    "sobel",
    "brenner",
    "variance",
    "rdf",
    "rdf_surh",
    "wavelet",
    "steerable",
    "structure_tensor",
    "eigenvalue",
    "log_energy",
]
"""Names of the focus measures, as their registry has them."""

DepthMeasure = Literal["tree", FocusMeasure]
"""What depth is found by: the tree of scales, or one focus measure."""

Peak = Literal["mixed", "integer", "parabola", "gaussian", "curve"]
"""How depth between frames is found from values of focus."""

Refinement = Literal["none", "guided", "sgm", "graph_cut", "median", "diamond", "tv", "defocus", "diffusion"]
"""Steps that make a depth map of evidence: of the volume (`guided`, `sgm`, `graph_cut`), then of the map."""

Priority = Literal["best", "near", "far"]
"""Which of two surfaces that are seen at one pixel its depth is that of."""

Quality = Literal["full", "fast"]
"""How much work goes into a depth: all, or what frames of half the size take."""

Border = Literal["replicate", "reflect", "constant"]
"""What a ring difference filter takes for the pixels outside the image."""

Normalization = Literal["none", "p99", "mad"]
"""How the scales of a ring difference filter are made comparable."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a result Dataset.

    `dtype` None means the dtype of the stack. `unit` "z" means the unit of the stack's z coordinate.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str | None
    unit: str
    description: str


VARIABLES = {
    v.name: v
    for v in (
        Variable("image", ("y", "x", "channel"), None, "", "all-in-focus image"),
        Variable("index", ("y", "x"), "uint16", "frame", "frame that is sharpest at the pixel"),
        Variable("depth", ("y", "x"), "float32", "z", "z of the sharpest frame at the pixel"),
        Variable("confidence", ("y", "x"), "float32", "", "share of the evidence that lies near the depth"),
        Variable("sigma", ("y", "x"), "float32", "z", "standard deviation of the depth"),
        Variable("valid", ("y", "x"), "bool", "", "there is texture above the noise"),
        Variable("unobserved", ("y", "x"), "bool", "", "nearer objects' defocus covers the pixel when sharp"),
        Variable("focus", ("z", "y", "x"), "float32", "", "focus measure"),
        Variable("density", ("y", "x"), "float32", "", "kernel density of focus"),
    )
}
