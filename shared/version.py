"""Which handlers and rules decide: noted in every decision, and told apart when some of them failed."""

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


@cache
def code_version(service: str) -> str:
    """Changes with any source that a decision of the service may depend on."""
    digest = hashlib.sha256()
    for folder in (ROOT / "services" / service, ROOT / "shared"):
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.relative_to(ROOT).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:8]


def deciding_version(service: str, rules: str) -> str:
    """`rules`: the version of the service's dated rules."""
    return f"{rules}-{code_version(service)}"
