"""The file of claims: where it is, and what a well-formed claim is."""

import re
from functools import lru_cache

import yaml

from companion.claims.rules import check_rule
from kdlib.places import book

PAPERS = {
    "ji_zhu_2020": "Ji & Zhu 2020",
    "mandal_2025": "Mandal, Lin & Srikant 2025",
    "zhou_2021": "Zhou et al. 2021",
    "dong_2019": "Dong et al. 2019",
    "jeong_chung_2025": "Jeong & Chung 2025",
}
FIELDS = ("id", "paper", "place", "statement", "quantity", "rule", "chapter")
_OPTIONAL = ("needs", "figure")
_NEEDS = ("profile", "dataset")
_ID = r"[a-z0-9]+(-[a-z0-9]+)*"
_CHAPTER = r"\d\d[a-z]?_\w+"


def read():
    """All claims of ``book/claims.yml``, in its order.

    Returns:
        A list of dicts with the fields that the file's head explains.

    Raises:
        ValueError: a claim is not well formed; one line names the claim and the field.
    """
    path = book() / "claims.yml"
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path, modified):
    # The C loader reads the book's 200 claims in 30 ms, the other one in 300.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    claims = yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or []
    seen = set()
    for number, claim in enumerate(claims, start=1):
        name = claim.get("id") or f"number {number}"
        try:
            _check_claim(claim)
        except (ValueError, TypeError) as error:
            raise ValueError(f"claim {name}, {error}") from None
        if name in seen:
            raise ValueError(f"claim {name}, id: given twice")
        seen.add(name)
    return claims


def _check_claim(claim):
    """Refuse a claim that is not well formed.

    Raises:
        ValueError: the field and what is wrong with it.
    """
    missing = [field for field in FIELDS if not claim.get(field)]
    if missing:
        raise ValueError(f"{', '.join(missing)}: missing")
    unknown = [field for field in claim if field not in FIELDS + _OPTIONAL]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not a field of a claim")
    if not re.fullmatch(_ID, str(claim["id"])):
        raise ValueError("id: must be lower-case words joined by hyphens")
    if claim["paper"] not in PAPERS:
        papers = ", ".join(PAPERS)
        raise ValueError(f"paper: must be one of {papers}; got {claim['paper']}")
    if not re.fullmatch(_CHAPTER, str(claim["chapter"])):
        raise ValueError(f"chapter: got {claim['chapter']!r}")
    needs = claim.get("needs", {})
    if not set(needs) <= set(_NEEDS):
        raise ValueError(f"needs: must be among {', '.join(_NEEDS)}; got {needs}")
    try:
        check_rule(claim["rule"])
    except (ValueError, TypeError) as error:
        raise ValueError(f"rule: {error}") from None
