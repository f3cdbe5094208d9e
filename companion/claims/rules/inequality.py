"""An inequality holds in each case, or fails in no more than a share of them."""

from companion.claims import verdicts
from companion.claims.estimates import is_number
from companion.claims.rules.kind import Kind
from companion.claims.verdicts import Judgement

_NEEDS = (
    'a dict {"violations": k, "trials": K} (and "bounds": {n: bound}), or booleans, '
    "true where violated"
)


def _sound_share(rule):
    return 0 <= rule["delta"] < 1


def _judge_inequality(rule, estimate, interval, reference):
    counts, bounds = _counts(estimate)
    verdict = _share_verdict(**counts, delta=rule["delta"])
    if not bounds:
        return Judgement(verdict, counts, None, "")
    sizes = sorted(bounds)
    vacuous = [n for n in sizes if bounds[n] >= 1]
    below_half = [n for n in sizes if bounds[n] < 0.5]
    counts["below_half_from"] = below_half[0] if below_half else None
    if below_half:
        note = f"bound below 1/2 from {below_half[0]:g}"
    else:
        note = f"bound never below 1/2 up to {sizes[-1]:g}"
    if vacuous:
        note += f", vacuous up to {vacuous[-1]:g}"
    if verdict == verdicts.REPRODUCED and len(vacuous) == len(bounds):
        verdict = verdicts.VACUOUS
    return Judgement(verdict, counts, None, note)


def _share_verdict(violations, trials, delta):
    """The verdict on an inequality that may fail with probability delta."""
    if violations <= delta * trials:
        return verdicts.REPRODUCED
    if delta == 0:
        return verdicts.NOT_REPRODUCED
    from scipy.special import betaincinv

    # Clopper and Pearson's lower limit (95 %) of the share; up to delta, the violations
    # can be chance.
    least = betaincinv(violations, trials - violations + 1, 0.025)
    return verdicts.UNDECIDED if least <= delta else verdicts.NOT_REPRODUCED


def _counts(estimate):
    """Violations and trials, and bounds by size, from either form of an estimate."""
    if isinstance(estimate, list) and estimate and all(map(_is_bool, estimate)):
        estimate = {"violations": sum(estimate), "trials": len(estimate)}
    known = {"violations", "trials"}
    if not isinstance(estimate, dict) or set(estimate) - {"bounds"} != known:
        raise ValueError(f"needs {_NEEDS}; got {estimate!r}")
    k, K = estimate["violations"], estimate["trials"]
    whole = is_number(k) and is_number(K) and k == int(k) and K == int(K)
    if not whole or not 0 <= k <= K or K < 1:
        raise ValueError(
            "violations are a whole number up to trials, and trials at least 1; "
            f"got {k!r} of {K!r}"
        )
    bounds = estimate.get("bounds") or {}
    bounds = {float(size): float(bound) for size, bound in bounds.items()}
    return {"violations": int(k), "trials": int(K)}, bounds


def _is_bool(value):
    return isinstance(value, bool)


def _keep_counts(rule, estimate, interval):
    counts, _ = _counts(estimate)
    return counts, None


def _stated(rule):
    return "holds in every case" if rule["delta"] == 0 else "holds almost always"


def _allowed(rule):
    if rule["delta"] == 0:
        return "no case that violates it"
    return f"violated in at most {100 * rule['delta']:g} % of the cases"


INEQUALITY = Kind(
    fields=({"delta"},),
    optional=set(),
    sound=_sound_share,
    law="delta must be in [0, 1)",
    needs=_NEEDS,
    judge=_judge_inequality,
    keep=_keep_counts,
    stated=_stated,
    allowed=_allowed,
)
