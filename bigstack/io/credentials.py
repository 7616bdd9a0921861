"""Who asks S3: what AWS's own configuration files say, where the environment does not."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bigstack.errors import InputError

KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
ELSEWHERE = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_SKIP_SIGNATURE")  # fmt: skip
"""Variables that say who asks, so that files are not asked."""
DERIVED = ("role_arn", "credential_process", "sso_session", "sso_start_url", "login_session")
"""Entries of a profile whose keys have to be fetched first, which boto3 knows how to."""


def profile_settings(environment: Mapping[str, str]) -> tuple[dict[str, str], Any]:
    """What the chosen profile adds to AWS_* variables, which the client reads itself, and what fetches keys.

    Raises
    ------
    InputError
        For a profile that is not there, or one whose keys only boto3 can fetch and that is missing.
    """
    given: dict[str, str] = {}
    profile = _profile(environment)
    if "AWS_REGION" not in environment and "AWS_DEFAULT_REGION" not in environment:
        given["AWS_REGION"] = profile.get("region", "us-east-1")
    if "AWS_ENDPOINT_URL" not in environment and profile.get("endpoint_url"):
        given["AWS_ENDPOINT_URL"] = profile["endpoint_url"]
    if any(environment.get(name) for name in ELSEWHERE):
        return given, None
    if profile.get(KEYS[0]):
        return given | {name.upper(): profile[name] for name in KEYS if profile.get(name)}, None
    if any(profile.get(name) for name in DERIVED):
        return given, _boto3_provider(environment.get("AWS_PROFILE"))
    return given, None


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    """Entries of the chosen profile in ``~/.aws/config`` and ``~/.aws/credentials``."""
    name = environment.get("AWS_PROFILE") or "default"
    home = Path("~/.aws").expanduser()
    config = _read(Path(environment.get("AWS_CONFIG_FILE") or home / "config"))
    secret = _read(Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials"))
    section = name if name == "default" else f"profile {name}"
    found = {**config.get(section, {}), **secret.get(name, {})}
    if environment.get("AWS_PROFILE") and not found:
        raise InputError(
            f"AWS_PROFILE is {name!r}, and no profile has that name in {home}/config or {home}/credentials"
        )
    return found


def _read(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path.expanduser(), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return {section: dict(parser[section]) for section in parser.sections()}


def _boto3_provider(profile: str | None) -> Any:
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ModuleNotFoundError as error:
        raise InputError(
            "the keys of this AWS profile have to be fetched (a role, SSO or a process), which needs boto3: "
            "pip install boto3, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    return Boto3CredentialProvider(boto3.Session(profile_name=profile))
