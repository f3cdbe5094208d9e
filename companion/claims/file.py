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
_OPTIONAL = ("needs", "figure", "whose", "corrects", "fitted", "if_not")
# Whose a claim is that is not a paper's, as written there.
AS_WRITTEN = "as written"
CORRECTED = "corrected"
OURS = "ours"
# Why a claim may not hold; open where nothing is known.
KINDS = (
    "misprint",
    "false as stated",
    "settings withheld",
    "not at this size",
    "open",
)
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
    for claim in claims:
        if claim.get("corrects") not in {None, *seen}:
            raise ValueError(
                f"claim {claim['id']}, corrects: no claim {claim['corrects']}"
            )
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
    _check_needs(claim.get("needs", {}))
    _check_whose(claim)
    _check_if_not(claim)
    try:
        check_rule(claim["rule"])
    except (ValueError, TypeError) as error:
        raise ValueError(f"rule: {error}") from None


def _check_needs(needs):
    """Refuse a need that is no profile, no data set and no size of a parameter."""
    for name, wanted in needs.items():
        is_number = isinstance(wanted, (int, float)) and not isinstance(wanted, bool)
        if name not in ("profile", "dataset") and not is_number:
            raise ValueError(
                "needs: must have profile, dataset, or the least number of a parameter "
                f"of the chapter; got {name}: {wanted!r}"
            )


def _check_whose(claim):
    whose = claim.get("whose", AS_WRITTEN)
    if whose not in (AS_WRITTEN, CORRECTED, OURS):
        raise ValueError(f"whose: must be {CORRECTED} or {OURS}; got {whose!r}")
    if (whose == CORRECTED) != ("corrects" in claim):
        raise ValueError(
            f"corrects: a claim that is {CORRECTED} names the claim that it corrects, "
            "and no other one does"
        )
    if claim.get("fitted", False) not in (True, False):
        raise ValueError(f"fitted: must be true or false; got {claim['fitted']!r}")


def _check_if_not(claim):
    why = claim.get("if_not")
    if why is None:
        return
    if not isinstance(why, dict) or set(why) != {"kind", "why"}:
        raise ValueError(f"if_not: must have kind and why; got {why!r}")
    if why["kind"] not in KINDS:
        kinds = ", ".join(KINDS)
        raise ValueError(f"if_not: kind must be one of {kinds}; got {why['kind']!r}")
