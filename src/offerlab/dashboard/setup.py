"""What was agreed before the start, term by term."""

from collections.abc import Sequence

from offerlab.dashboard.speech import Speech
from offerlab.domain.adaptive import Adaptive
from offerlab.domain.experiment import Experiment
from offerlab.domain.requirement import Requirement
from offerlab.reporting import figures
from offerlab.workflows.snapshot import Snapshot

Agreed = str | Sequence[str]


def setup_of(experiment: Experiment, snapshot: Snapshot, speech: Speech) -> list[tuple[str, Agreed]]:
    """The plan as pairs of term and value (a list where there are several)."""
    words, plan, metrics = speech.words, experiment.analysis, experiment.metrics
    segments = [snapshot.segments[key].name or key if key in snapshot.segments else key for key in experiment.segments]
    dates = [speech.date(at) for at in (experiment.starts_at, experiment.ends_at) if at is not None]
    said: list[tuple[str, Agreed]] = [
        (words("hypothesis"), experiment.hypothesis or words("no_hypothesis")),
        (words("audience"), ", ".join(segments) or words("everyone")),
        (words("traffic"), speech.share(experiment.traffic)),
        (words("arms"), [_arm(experiment, i, snapshot, speech) for i in range(len(experiment.variants))]),
        (words("b_primary"), speech.metric(metrics.primary)),
    ]
    if experiment.requires:
        said.append((words("requires"), [_required(one, speech) for one in experiment.requires]))
    if experiment.adaptive is not None:
        said.append((words("adaptive"), _adaptive(experiment.adaptive, speech)))
    if metrics.guardrails:
        said.append(
            (words("b_guardrails"), [_guardrail(key, metrics.margins.get(key), speech) for key in metrics.guardrails])
        )
        said.append((words("auto_pause"), words("auto_pause_on" if experiment.auto_pause else "auto_pause_off")))
    if metrics.secondary:
        said.append((words("b_secondary"), [speech.metric(key) for key in metrics.secondary]))
    said += [
        (words("windows"), words("windows_text", w=experiment.window_days, r=experiment.refund_days)),
        (
            words("plan"),
            words(
                "plan_text",
                alpha=f"{plan.alpha:g}",
                power=speech.share(plan.power),
                mde=figures.relative(plan.mde, speech.language),
                looks=words(f"looks_{plan.sequential}"),
            ),
        ),
        (words("planned_dates"), " – ".join(dates) or words("no_dates")),
    ]
    return said


def _required(one: Requirement, speech: Speech) -> str:
    arms = ", ".join(one.variants)
    code = ("requires_in" if arms else "requires_any") if one.holds else ("requires_out" if arms else "requires_none")
    return speech.words(code, e=one.experiment, v=arms)


def _adaptive(adaptive: Adaptive, speech: Speech) -> str:
    return speech.words(
        "adaptive_text",
        h=adaptive.every_hours,
        rule=speech.words(f"rule_{adaptive.rule}"),
        floor=speech.share(adaptive.floor),
        uniform=speech.share(adaptive.uniform),
    )


def _arm(experiment: Experiment, index: int, snapshot: Snapshot, speech: Speech) -> str:
    arm = experiment.variants[index]
    offer = snapshot.offers.get(arm.offer) if arm.offer else None
    shown = speech.words("no_offer")
    if offer is not None:
        names = [snapshot.products[sku].name for sku in offer.products if sku in snapshot.products]
        shown = f"{offer.key} ({', '.join(names)})" if names else offer.key
    control = f" ({speech.words('is_control')})" if index == experiment.control and arm.key != "control" else ""
    return f"{arm.key}{control} · {speech.share(arm.weight)} · {shown}"


def _guardrail(key: str, margin: float | None, speech: Speech) -> str:
    if margin is None:
        return speech.metric(key)
    return f"{speech.metric(key)} · {speech.words('margin_of', m=figures.relative(margin, speech.language))}"
