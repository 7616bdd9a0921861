"""Requests to S3 and HTTP servers: tried again while a server stumbles, errors told in plain words.

By obstore (MIT): one wheel without dependencies, synchronous calls that leave other threads alone, and puts
on condition. s3fs sends every request through one event loop, brings 22 packages and ties botocore's version.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from bigstack.errors import AccessError, InputError, StoreError, UnknownRequestError
from bigstack.io.credentials import profile_settings

T = TypeVar("T")
U = TypeVar("U")

REQUESTS = 32
"""Requests of a process that are under way at once, at most."""
TRIES = 8
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
"""Seconds before a request is sent again; each pause is about twice the one before: some 15 s in all."""
STATUS = re.compile(r"status code: (\d{3})")
UNKNOWN = 501
"""Status of what a server does not know how to do."""
PASSING = ("RequestTimeout", "SlowDown", "Throttling", "OperationAborted")
"""What S3 says in codes below 500 although the same request may succeed."""
SECONDS = {"timeout": "300s", "connect_timeout": "10s"}


@dataclass(frozen=True, slots=True)
class Bucket:
    """What holds objects: an S3 bucket, or an HTTP server, which can only be read from."""

    scheme: str
    """``s3``, ``http`` or ``https``."""
    name: str
    """Of the bucket; of the server with its port."""

    @property
    def read_only(self) -> bool:
        """True for HTTP."""
        return self.scheme != "s3"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}"


class _Repeats:
    """How many requests of this process had to be sent again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1

    def take(self) -> int:
        """How many since it was last asked."""
        with self._lock:
            count, self._count = self._count, 0
            return count


REPEATS = _Repeats()
_RANDOM = random.Random()
_THREAD = threading.local()


def request(bucket: Bucket, key: str, call: Callable[[Any], T]) -> T:
    """Give what ``call(client)`` gives; it is called again while the server or the network stumbles.

    Raises
    ------
    FileNotFoundError
        When there is no such object.
    FileExistsError
        When it was to be made and is there.
    StoreError
        For a bucket that is not there, a refusal, or a server that does not answer.
    """
    obstore = library()
    for left in reversed(range(TRIES)):
        try:
            return call(_client(bucket, _settings()))
        except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError) as error:
            raise FileExistsError(f"{bucket}/{key} exists") from error
        except (obstore.exceptions.BaseError, OSError) as error:
            if isinstance(error, StoreError):
                raise
            if not left or _given_up() or not _passes(error):
                raise _translated(bucket, key, error, TRIES - left) from error
        REPEATS.add()
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (TRIES - 1 - left))
        _pause(pause * _RANDOM.uniform(0.75, 1.25))
    raise AssertionError("the last try either returns or raises")


def _pause(seconds: float) -> None:
    """Wait, unless nobody waits for the answer any more."""
    if (unwanted := getattr(_THREAD, "unwanted", None)) is None:
        time.sleep(seconds)
    else:
        unwanted.wait(seconds)


def _given_up() -> bool:
    unwanted = getattr(_THREAD, "unwanted", None)
    return unwanted is not None and unwanted.is_set()


def ahead(call: Callable[[U], T], items: Sequence[U], count: int) -> Iterator[T]:
    """``call(item)`` of each item, in order, of which `count` are under way at once in other threads."""
    threads = request_threads()
    unwanted = threading.Event()
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            if len(waiting) >= count:
                yield waiting.popleft().result()
            waiting.append(threads.submit(_unless, unwanted, call, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        unwanted.set()
        for left in waiting:
            left.cancel()


def _unless(unwanted: threading.Event, call: Callable[[U], T], item: U) -> T:
    """``call(item)``, whose requests are not repeated once the answer is unwanted."""
    _THREAD.unwanted = unwanted
    try:
        return call(item)
    finally:
        _THREAD.unwanted = None


@lru_cache(maxsize=1)
def request_threads() -> ThreadPoolExecutor:
    """Threads that wait for servers."""
    return ThreadPoolExecutor(REQUESTS, thread_name_prefix="bigstack-request")


def _passes(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    from obstore import exceptions

    lasting = (
        FileNotFoundError, exceptions.NotSupportedError, exceptions.PermissionDeniedError,
        exceptions.UnauthenticatedError, exceptions.InvalidPathError, exceptions.NotModifiedError,
    )  # fmt: skip
    text = str(error)
    if isinstance(error, lasting) or _without_credentials(text):
        return False
    if any(code in text for code in PASSING):
        return True
    found = STATUS.search(text)
    if found is None:
        return True
    status = int(found[1])
    return (status >= 500 and status != UNKNOWN) or status in (408, 429)


def _without_credentials(text: str) -> bool:
    """Nothing said who asks, so the machine itself was asked, as on Amazon's it would know."""
    return "169.254.1" in text


def _translated(bucket: Bucket, key: str, error: Exception, tries: int) -> OSError:
    from obstore import exceptions

    text = str(error).partition("Debug source")[0].strip()
    where = f"{bucket}/{key}" if key else str(bucket)
    found = STATUS.search(text)
    status = int(found[1]) if found else None
    if "NoSuchBucket" in text:
        return StoreError(f"{where}: there is no bucket {bucket.name!r}{_endpoint()}; check its name")
    if isinstance(error, FileNotFoundError) or status == 404:
        return FileNotFoundError(f"{where} does not exist")
    if _without_credentials(text):
        return AccessError(
            f"{where}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE, or AWS_SKIP_SIGNATURE=true for a public bucket"
        )
    denied = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
    if isinstance(error, denied) or status in (401, 403):
        return AccessError(f"{where}: access was denied ({_reason(text)}); {_access(bucket)}")
    if isinstance(error, exceptions.NotSupportedError) and "Range" in text:
        return StoreError(
            f"{where}: the server gives whole files only, and shards are read in parts; serve the store by "
            "one that knows ranges (nginx, Apache, S3), or copy it without --shard"
        )
    if status in (301, 307, 400) and "region" in text.lower():
        return StoreError(f"{where}: the bucket is in another region; set AWS_REGION ({_reason(text)})")
    if status == UNKNOWN:
        return UnknownRequestError(f"{where}: the server cannot do this ({_reason(text)})")
    again = f" after {tries} tries" if tries > 1 else ""
    return StoreError(f"{where}: no answer that can be used{again}{_endpoint(bucket)}: {_reason(text)}")


def _access(bucket: Bucket) -> str:
    if bucket.read_only:
        return "only what a server gives to everybody is read over HTTP"
    return "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_PROFILE, and the bucket's policy"


def _reason(text: str) -> str:
    """The server's own words, short."""
    status = re.search(r"status code: ([^:\n]*)", text)
    own = re.search(r"<Code>(.*?)</Code>\s*<Message>(.*?)</Message>", text, re.DOTALL)
    said = [status[1]] if status else []
    return ", ".join([*said, f"{own[1]}: {own[2]}"] if own else said) or " ".join(text.split())[-200:]


def _endpoint(bucket: Bucket | None = None) -> str:
    if bucket is not None and bucket.read_only:
        return ""
    address = dict(_settings()).get("AWS_ENDPOINT_URL")
    return f" at {address}" if address else ""


@lru_cache(maxsize=8)
def _client(bucket: Bucket, settings: tuple[tuple[str, str], ...]) -> Any:
    """The process's connection; made anew when the settings change."""
    from obstore.store import HTTPStore, S3Store

    how: Any = {"retry_config": {"max_retries": 0}, "client_options": {**SECONDS, "allow_http": True}}
    if bucket.read_only:
        return HTTPStore.from_url(f"{bucket}/", **how)
    given: Any
    given, provider = profile_settings(dict(settings))
    if provider is not None:
        how["credential_provider"] = provider
    try:
        return S3Store(bucket.name, config=given, **how)
    except Exception as error:
        raise InputError(f"{bucket}: the AWS settings cannot be used: {error}") from error


def _settings() -> tuple[tuple[str, str], ...]:
    """What the environment says about S3; the specific address counts before the general one."""
    found = {name: value for name, value in os.environ.items() if name.startswith("AWS_") and value}
    address = found.pop("AWS_ENDPOINT_URL_S3", None) or found.pop("AWS_ENDPOINT", None)
    if address:
        found["AWS_ENDPOINT_URL"] = address
    return tuple(sorted(found.items()))


def library() -> Any:
    """The package that sends requests.

    Raises
    ------
    InputError
        When it is not installed.
    """
    try:
        import obstore
    except ModuleNotFoundError as error:
        raise InputError(
            "stores on S3 and HTTP need the package obstore; install it with: pip install 'bigstack[s3]'"
        ) from error
    return obstore
