"""The file of claims: where it is, and what a well-formed claim and rule are."""

import math
import re
from functools import lru_cache

import yaml

from companion.claims.verdicts import regions
from kdlib.places import book

PAPERS = {
    "ji_zhu_2020": "Ji & Zhu 2020",
    "mandal_2025": "Mandal, Lin & Srikant 2025",
    "zhou_2021": "Zhou et al. 2021",
    "dong_2019": "Dong et al. 2019",
    "jeong_chung_2025": "Jeong & Chung 2025",
}
FIELDS = ("id", "paper", "place", "statement", "quantity", "rule", "chapter")
_OPTIONAL = {"needs": ("profile", "dataset"), "figure": ()}


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
    loader = getattr(
        yaml, "CSafeLoader", yaml.SafeLoader
    )  # 207 claims in 30 ms instead of 300
    claims, seen = (
        yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or [],
        set(),
    )
    for number, claim in enumerate(claims, start=1):
        name, needs = claim.get("id") or f"number {number}", claim.get("needs", {})
        missing = [field for field in FIELDS if not claim.get(field)]
        unknown = [field for field in claim if field not in (*FIELDS, *_OPTIONAL)]
        laws = (
            (missing, f"{', '.join(missing)}: missing"),
            (unknown, f"{', '.join(unknown)}: not a field of a claim"),
            (
                not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(name)),
                "id: must be lower-case words joined by hyphens",
            ),
            (name in seen, "id: given twice"),
            (
                claim.get("paper") not in PAPERS,
                f"paper: must be one of {', '.join(PAPERS)}; got {claim.get('paper')}",
            ),
            (
                not re.fullmatch(r"\d\d[a-z]?_\w+", str(claim.get("chapter"))),
                f"chapter: got {claim.get('chapter')!r}",
            ),
            (
                set(needs) - {*_OPTIONAL["needs"]},
                f"needs: must be among {', '.join(_OPTIONAL['needs'])}; got {needs}",
            ),
        )
        for broken, law in laws:
            if broken:
                raise ValueError(f"claim {name}, {law}")
        try:
            check_rule(claim["rule"])
        except (ValueError, TypeError) as error:
            raise ValueError(f"claim {name}, rule: {error}") from None
        seen.add(name)
    return claims


def check_rule(rule):
    """Refuse a rule that could not be judged.

    Raises:
        ValueError: what is wrong with it, in one line.
    """
    kind = rule.get("kind") if isinstance(rule, dict) else None
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}; got {kind!r}")
    alternatives, optional, sound, law = _KINDS[kind]
    if set(rule) - {"kind"} - optional not in alternatives:
        choices = " or ".join(", ".join(sorted(fields)) for fields in alternatives)
        may = f" (and may have {', '.join(sorted(optional))})" if optional else ""
        raise ValueError(f"{kind} must have {choices}{may}; got {', '.join(rule)}")
    if not sound(rule):
        raise ValueError(f"{law}; got {rule}")


def _sound_band(rule):
    return all(
        inner[0] < inner[1]
        and (
            outer is None
            or (outer != inner and outer[0] <= inner[0] and inner[1] <= outer[1])
        )
        for inner, outer in regions(rule).values()
    )


def _sound_order(rule):
    order = rule["order"]
    distinct = isinstance(order, list) and len(set(map(str, order))) == len(order) >= 2
    return distinct and rule.get("by", "rising") in ("rising", "falling")


def _sound_curve(rule):
    return (
        0 < rule["threshold"] < rule.get("wider", math.inf)
        and rule.get("factor", 1.5) >= 0
    )


_BAND = ({"value", "absolute"}, {"value", "relative"}, {"at_least"}, {"at_most"})
_WIDTH = "a band must have a positive width, and wider must be wider"
_CURVE = {"figure", "curve", "threshold"}
_KINDS = {  # kind of rule: the fields it has, one of these sets; those it may have; whether it is sound, and the law
    "band": (_BAND, {"wider"}, _sound_band, _WIDTH),
    "slope": (_BAND, {"wider"}, _sound_band, _WIDTH),
    "ordering": (
        ({"order"},),
        {"by"},
        _sound_order,
        "order must have different names, by rising or falling",
    ),
    "sign": (
        ({"sign"},),
        set(),
        lambda r: r["sign"] in ("positive", "negative"),
        "sign must be positive or negative",
    ),
    "inequality": (
        ({"delta"},),
        set(),
        lambda r: 0 <= r["delta"] < 1,
        "delta must be in [0, 1)",
    ),
    "curve": (
        (_CURVE,),
        {"factor", "wider"},
        _sound_curve,
        "must have 0 < threshold < wider and factor >= 0",
    ),
}
