"""Options of the methods that weigh frames, for `bigstack stack` and `bigstack plan`."""

from __future__ import annotations

import click

from bigstack.cli import options
from bigstack.names import BlendRule, Consistency, EnergyUnit, WeightRule, choices

finishing_options = options.combined(
    click.option(
        "--limit-halos", is_flag=True, default=None,
        help="Cut off what is brighter or darker than all frames: rims at hard edges.",
    ),
    click.option(
        "--reassign-colors", is_flag=True, default=None,
        help="Only colours that some frame has at the pixel.",
    ),
    click.option(
        "--denoise-fused", "denoise_fused", type=click.FloatRange(0, 10),
        help="Denoise the fused image by this strength; 1 suits the noise of one frame.",
    ),
)  # fmt: skip
"""What is done to the fused image, whatever the method."""

_NUMBER = click.FloatRange(0, min_open=True)

blending_options = options.combined(
    click.option("--weights", type=click.Choice(choices(WeightRule)), help="depth_map: rule [average]."),
    click.option("--power", type=_NUMBER, help="depth_map, weighted: exponent of focus [12; 8]."),
    click.option("--temperature", type=_NUMBER, help="depth_map: of the soft-max, in units of focus [0.1]."),
    click.option("--unit", type=click.Choice(choices(EnergyUnit)), help="depth_map: unit of focus [grey]."),
    click.option("--diameter", type=click.IntRange(0, 63), help="depth_map: bilateral filter's [0, none]."),
    click.option("--sigma-color", type=_NUMBER, help="depth_map: its sigma in units of focus [25]."),
    click.option("--sigma-space", type=_NUMBER, help="depth_map: its sigma in pixels [25]."),
    click.option("--base-radius", type=click.IntRange(1, 100), help="guided: of the base's weights [45]."),
    click.option("--base-eps", type=_NUMBER, help="guided: regularisation of them [0.3]."),
    click.option("--detail-radius", type=click.IntRange(1, 100), help="guided: of the detail's [7]."),
    click.option("--detail-eps", type=_NUMBER, help="guided: regularisation of them [1e-6]."),
    click.option(
        "--consistency", type=click.Choice(choices(Consistency)), help="wavelet: what votes [full]."
    ),
    click.option("--rule", type=click.Choice(choices(BlendRule)), help="blend: weights [all_channels]."),
    click.option("--beta", type=_NUMBER, help="blend: inverse temperature, a grey level [0.1]."),
)

BLENDING_OPTIONS = (
    "weights",
    "power",
    "temperature",
    "unit",
    "diameter",
    "sigma_color",
    "sigma_space",
    "base_radius",
    "base_eps",
    "detail_radius",
    "detail_eps",
    "consistency",
    "rule",
    "beta",
)

FINISHING_OPTIONS = ("limit_halos", "reassign_colors", "denoise_fused")
