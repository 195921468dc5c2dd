"""The sentences of a report, in English and Korean: one text for page, list, e-mail and export.

Values arrive as words already (`figures`); in Korean a fixed noun follows each, so that particles fit.
"""

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["en", "ko"]

METRIC_NAMES: Final[dict[str, tuple[str, str]]] = {
    "acceptance_rate": ("acceptance rate", "제안 수락률"),
    "offered_item_rate": ("share who bought an offered item", "제안 상품 구매율"),
    "attach_rate": ("attach rate", "함께 구매율"),
    "conversion_rate": ("share who bought", "구매 전환율"),
    "orders_per_customer": ("orders per customer", "고객당 주문 수"),
    "aov": ("average order value", "평균 주문 금액"),
    "revenue_per_customer": ("revenue per customer", "고객당 매출"),
    "gross_profit_per_customer": ("profit per customer", "고객당 이익"),
    "discount_cost_per_customer": ("discount cost per customer", "고객당 할인 비용"),
    "delivery_cost_per_customer": ("delivery cost per customer", "고객당 발송 비용"),
    "roi": ("return on the offer's cost", "투자 수익률"),
    "need_fit_rate": ("share who accepted and kept it", "필요 충족률"),
    "refund_rate": ("refund rate", "환불률"),
    "unsubscribe_rate": ("unsubscribe rate", "수신 거부율"),
    "complaint_rate": ("complaint rate", "불만 접수율"),
    "checkout_completion_rate": ("checkout completion", "결제 완료율"),
    "cannibalisation_per_customer": ("sales displaced per customer", "고객당 잠식 매출"),
    "repeat_purchase_rate": ("repeat purchase rate", "재구매율"),
    "hours_to_accept": ("hours to accept", "수락까지 걸린 시간"),
    "days_to_second_order": ("days to the second order", "두 번째 주문까지 걸린 날"),
    "satisfaction_score": ("satisfaction score", "만족도 점수"),
}

VERDICTS: Final[dict[str, tuple[str, str]]] = {
    "ship": ("Ship", "적용"),
    "keep_control": ("Keep control", "대조군 유지"),
    "keep_running": ("Keep running", "계속 진행"),
    "investigate": ("Investigate", "점검 필요"),
}

STATES: Final[dict[str, tuple[str, str]]] = {
    "running": ("Running", "진행 중"),
    "maturing": ("Not final yet", "확정 대기"),
    "final": ("Final", "확정"),
}

REASONS: Final[dict[str, tuple[str, str]]] = {
    "ship": (
        (
            "Ship {v}. It raised the {m} by {abs} over control (95 % range {lo} to {hi}), "
            "and every guardrail stayed within its limit."
        ),
        (
            "{v} 안을 적용하세요. 대조군보다 {m} 지표가 {abs} 높았고(95% 범위 {lo}에서 {hi} 사이), "
            "가드레일 지표는 모두 한도 안에 있어요."
        ),
    ),
    "ship_profit": (
        (
            "Ship {v}. It brought {abs} more profit per customer than control (95 % range {lo} to {hi}), "
            "and every guardrail stayed within its limit."
        ),
        (
            "{v} 안을 적용하세요. 대조군보다 고객 한 명당 이익이 {abs} 많았고(95% 범위 {lo}에서 {hi} 사이), "
            "가드레일 지표는 모두 한도 안에 있어요."
        ),
    ),
    "ship_lower": (
        (
            "Ship {v}. It brought the {m} down by {abs} (95 % range {lo} to {hi}), "
            "and every guardrail stayed within its limit."
        ),
        (
            "{v} 안을 적용하세요. 대조군보다 {m} 지표가 {abs} 낮았고(95% 범위 {lo}에서 {hi} 사이), "
            "가드레일 지표는 모두 한도 안에 있어요."
        ),
    ),
    "ship_plain": (
        "Ship {v}. It raised the {m} by {abs} over control (95 % range {lo} to {hi}).",
        "{v} 안을 적용하세요. 대조군보다 {m} 지표가 {abs} 높았어요(95% 범위 {lo}에서 {hi} 사이).",
    ),
    "ship_plain_lower": (
        "Ship {v}. It brought the {m} down by {abs} (95 % range {lo} to {hi}).",
        "{v} 안을 적용하세요. 대조군보다 {m} 지표가 {abs} 낮았어요(95% 범위 {lo}에서 {hi} 사이).",
    ),
    "ship_segment": (
        (
            "Ship {v} to {seg} only. It helps there ({abs}, {lo} to {hi}); elsewhere we can't tell. "
            "The segments differ by more than chance explains."
        ),
        (
            "{v} 안을 {seg} 고객에게만 적용하세요. 이 고객층에서는 {abs} 늘었고({lo}에서 {hi} 사이), "
            "다른 고객층은 아직 알 수 없어요. 고객층 차이는 우연으로 보기 어려워요."
        ),
    ),
    "keep_worse": (
        "Keep control. {v} lowered the {m} by {abs} ({lo} to {hi}).",
        "대조군을 유지하세요. {v} 안에서 {m} 지표가 {abs} 줄었어요({lo}에서 {hi} 사이).",
    ),
    "keep_worse_higher": (
        "Keep control. {v} raised the {m} by {abs} ({lo} to {hi}).",
        "대조군을 유지하세요. {v} 안에서 {m} 지표가 {abs} 늘었어요({lo}에서 {hi} 사이).",
    ),
    "keep_too_small": (
        "Keep control. If {v} helps at all, it is by less than {mde}, the smallest gain you called worth having.",
        "대조군을 유지하세요. {v} 안에 효과가 있더라도, 정해 둔 최소 효과 {mde}보다 작아요.",
    ),
    "keep_guardrail": (
        "Keep control. {v} improved the {m}, but the {g} got worse by {x} ({lo} to {hi}), past the limit of {margin}.",
        (
            "대조군을 유지하세요. {v} 안에서 {m} 지표는 나아졌지만 {g} 지표가 {x} 나빠져서({lo}에서 {hi} 사이) "
            "한도 {margin} 기준을 넘었어요."
        ),
    ),
    "keep_undecided": (
        (
            "Keep control: we can't tell. The test ran as planned and both a gain of {hi} and a loss of {loss} "
            "remain possible."
        ),
        "결론이 나지 않아 대조군을 유지해요. 계획대로 끝났지만 {hi} 이득도 {loss} 손실도 가능해요.",
    ),
    "keep_unknown": (
        "Keep control: we can't tell. The test has ended without enough data for the {m}.",
        "결론이 나지 않아 대조군을 유지해요. 계획은 끝났지만 {m} 지표를 판단할 데이터가 부족해요.",
    ),
    "run_on": (
        (
            "Keep running, about {n} more days. So far the {m} moved by {est} ({lo} to {hi}); "
            "{k} more customers are needed to see {mde}."
        ),
        (
            "{n}일쯤 더 진행하세요. 지금까지 {m} 지표가 {est} 변했어요({lo}에서 {hi} 사이). "
            "최소 효과 {mde} 크기를 확인하려면 고객 {k}명이 더 필요해요."
        ),
    ),
    "run_on_open": (
        "Keep running. So far the {m} moved by {est} ({lo} to {hi}); {k} more customers are needed to see {mde}.",
        (
            "더 진행하세요. 지금까지 {m} 지표가 {est} 변했어요({lo}에서 {hi} 사이). "
            "최소 효과 {mde} 크기를 확인하려면 고객 {k}명이 더 필요해요."
        ),
    ),
    "run_on_hopeless": (
        (
            "More time will hardly settle it. At today's traffic it takes {w} more weeks. "
            "Try a bolder offer or a wider audience."
        ),
        (
            "더 기다려도 결론 나기 어려워요. 지금 유입이면 {w}주가 더 걸려요. "
            "더 강한 제안이나 더 넓은 고객층을 고려하세요."
        ),
    ),
    "run_on_thin": (
        "Keep running: too little has happened to judge the {m}. {why}",
        "더 진행하세요. {m} 지표를 판단하기엔 데이터가 아직 적어요.",
    ),
    "no_customers": (
        "Nobody has been exposed yet. The first customer who reaches the experiment's moment will appear here.",
        "아직 노출된 고객이 없어요. 첫 고객이 실험 시점에 도달하면 여기에 나타나요.",
    ),
    "srm_strata": (
        "Don't use these numbers yet: the split is off within a period or segment. {why}",
        "아직 이 결과를 쓰지 마세요. 일부 기간이나 고객층에서 나뉜 비율이 계획과 달라요.",
    ),
    "silence": (
        "Exposures have stopped. Check the storefront call first.",
        "노출이 끊겼어요. 쇼핑몰 호출부터 확인하세요.",
    ),
    "guardrail_unclear": (
        "The {g} can't be told yet: between {lo} and {hi}, with a limit of {margin}.",
        "{g} 지표는 아직 알 수 없어요. {lo}에서 {hi} 사이이고 한도는 {margin} 기준이에요.",
    ),
    "maturing": (
        (
            "Not final yet. Refunds can still arrive until {at}; {n} of {N} customers are past that window, "
            "so revenue may still fall."
        ),
        (
            "아직 확정 전이에요. {at}까지 환불이 더 생길 수 있어요. "
            "{N}명 중 {n}명만 환불 기간이 지나서 매출이 더 줄 수 있어요."
        ),
    ),
    "too_few": (
        "Too few purchases to judge: {a} in {v}, {b} in control; we start at 40 in each. Counts only.",
        "판단하기엔 구매가 너무 적어요. {v} 안 {a}건, 대조군 {b}건이에요. 각각 40건부터 효과를 보여 드려요.",
    ),
    "look_freely": (
        "Look as often as you like: the ranges allow for it.",
        "언제든 다시 봐도 괜찮아요. 여러 번 보는 것까지 계산에 넣었어요.",
    ),
    "segments_alike": (
        "No sign that segments differ. Read the overall effect.",
        "고객층별 차이는 보이지 않아요. 전체 효과를 보세요.",
    ),
    "many": (
        "One of {k} comparisons; ranges are widened so that luck is not taken for a result.",
        "비교 {k}개 중 하나예요. 우연을 결과로 보지 않도록 범위를 넓혔어요.",
    ),
    "attributed": (
        "Attributed revenue is what people who took the offer paid. It is not what the offer added.",
        "귀속 매출은 제안을 받아들인 고객이 낸 금액이에요. 제안으로 늘어난 금액이 아니에요.",
    ),
    "stale": (
        "These numbers are from {time}; the last calculation failed ({id}). Serving and recording go on.",
        "{time} 기준 숫자예요. 마지막 계산이 실패했어요({id}). 제안 표시와 기록은 계속되고 있어요.",
    ),
}
"""Headlines and reasons of a verdict by code, and the notes that pages print beside numbers."""

CHECKS: Final[dict[str, tuple[str, str]]] = {
    "srm": (
        (
            "Don't use these numbers yet: the split is off. {v} has {n} customers where about {e} were planned. "
            "Chance alone does this less than once in 1,000 tests. Effects are hidden."
        ),
        (
            "아직 이 결과를 쓰지 마세요. 나뉜 비율이 계획과 달라요. {v} 안에 약 {e}명이 있어야 하는데 {n}명이에요. "
            "우연이라면 1,000번에 한 번도 안 되는 차이라서 효과를 가려 두었어요."
        ),
    ),
    "srm_look": (
        "The split is a little off its plan (p = {p}). Chance does this now and then; keep an eye on it.",
        "나뉜 비율이 계획과 조금 달라요(p = {p}). 우연히 생길 수 있는 차이지만 지켜보세요.",
    ),
    "srm_ok": ("Customers were split as planned.", "고객이 계획한 비율대로 나뉘었어요."),
    "srm_wait": (
        "The split can be judged from five planned customers per arm on.",
        "안마다 계획 고객이 5명 이상이면 비율을 확인할 수 있어요.",
    ),
    "srm_strata": (
        (
            "Don't use these numbers yet: in period {epoch}, segment {seg}, the split is off its plan "
            "(p = {p}, corrected for the number of periods and segments)."
        ),
        (
            "아직 이 결과를 쓰지 마세요. {epoch}번째 기간의 {seg} 고객층에서 나뉜 비율이 계획과 달라요"
            "(기간과 고객층 수를 반영한 p = {p})."
        ),
    ),
    "srm_strata_ok": (
        "Each of {N} periods and segments was split as planned.",
        "기간과 고객층 {N}곳 모두 계획한 비율대로 나뉘었어요.",
    ),
    "novelty_ok": (
        "The effect is as large late in the window as early.",
        "효과는 노출 뒤 시간이 지나도 비슷해요.",
    ),
    "novelty_fading": (
        (
            "The effect of {v} fades with the days since exposure (p = {p}). It may be curiosity: "
            "look at the late part of the window before you ship."
        ),
        (
            "{v} 안의 효과가 노출 뒤 시간이 지나면서 줄어요(p = {p}). 호기심일 수 있으니 "
            "적용하기 전에 기간 뒷부분의 효과를 보세요."
        ),
    ),
    "novelty_growing": (
        "The effect of {v} grows with the days since exposure (p = {p}): a longer window may find more.",
        "{v} 안의 효과가 노출 뒤 시간이 지나면서 커져요(p = {p}). 기간을 늘리면 효과가 더 클 수 있어요.",
    ),
    "looks": (
        (
            "The plan was to read this once, at its end. It was read {n} times, {early} of them early: "
            "a false alarm has become {share} likely."
        ),
        (
            "마지막에 한 번만 보기로 한 실험이에요. 지금까지 {n}번 보았고 그중 {early}번은 일찍 보았어요. "
            "우연을 효과로 잘못 볼 확률이 {share} 수준으로 커졌어요."
        ),
    ),
    "looks_overrun": (
        (
            "More customers came than the {N} planned. The planned rule is used up; from here on the wider ranges that "
            "hold at every look speak."
        ),
        ("계획한 고객 {N}명을 넘었어요. 정해 둔 규칙은 다 썼고, 이제부터는 언제 봐도 맞는 더 넓은 범위를 보여 드려요."),
    ),
    "looks_ok": (
        "Readings so far: {n}; the ranges allow for them.",
        "지금까지 {n}번 보았어요. 범위는 여러 번 보는 것을 반영한 값이에요.",
    ),
    "silence": (
        "No exposures for {h} hours although {t} are usual. Check the storefront call first.",
        "{h}시간 동안 노출이 없어요. 평소에는 {t}건이에요. 쇼핑몰 호출부터 확인하세요.",
    ),
    "silence_ok": ("Exposures arrive.", "노출이 들어오고 있어요."),
    "crossovers": (
        (
            "{n} customers ({share}) met more than one arm, mostly by signing in on another device. "
            "They are left out and counted here."
        ),
        (
            "고객 {n}명({share})이 두 가지 이상의 안을 보았어요. 다른 기기에서 로그인한 경우가 많아요. "
            "분석에서 빼고 여기에 적어 둬요."
        ),
    ),
    "crossovers_ok": ("Nobody met two arms.", "두 가지 안을 본 고객이 없어요."),
    "suppressed": (
        (
            "{n} of {N} customers in {v} were not shown the offer ({reasons}). They stay in the comparison: "
            "the effect is what sending this offer really does."
        ),
        (
            "{v} 안 고객 {N}명 중 {n}명에게는 제안을 보여 주지 않았어요({reasons}). "
            "이 고객도 비교에 남겨서 실제 운영 효과를 보여 드려요."
        ),
    ),
    "suppressed_ok": ("Every customer of an arm with an offer was shown it.", "모든 고객에게 제안을 보여 주었어요."),
    "weights": (
        "Weights changed on {at}. We compare within each period, then combine.",
        "{at}에 비율을 바꿨어요. 기간별로 비교한 뒤 합쳤어요.",
    ),
    "weights_ok": ("Weights never changed.", "비율을 바꾼 적이 없어요."),
    "rejected": (
        "{n} events were refused while this experiment ran; see the list of rejected events.",
        "진행하는 동안 이벤트 {n}건을 받지 못했어요. 거부 목록을 확인하세요.",
    ),
    "rejected_ok": ("No event was refused.", "거부된 이벤트가 없어요."),
    "maturing": (
        (
            "Not final yet. Refunds can still arrive until {at}; {n} of {N} customers are past that window, "
            "so revenue may still fall."
        ),
        (
            "아직 확정 전이에요. {at}까지 환불이 더 생길 수 있어요. "
            "{N}명 중 {n}명만 환불 기간이 지나서 매출이 더 줄 수 있어요."
        ),
    ),
    "maturing_ok": ("All outcome and refund windows are closed.", "구매와 환불 기간이 모두 끝났어요."),
    "costs": (
        "Profit is not shown: {n} of {N} products sold have no unit cost.",
        "판매 상품 {N}개 중 {n}개에 원가가 없어서 이익을 보여 드리지 못해요.",
    ),
    "costs_ok": ("Every product sold has a unit cost.", "모든 판매 상품에 원가가 있어요."),
    "skew": (
        "A few large orders weigh heavily here; the range is corrected for it and still wide.",
        "큰 주문 몇 건의 영향이 커요. 이를 반영해 범위를 넓게 잡았어요.",
    ),
    "skew_ok": ("No handful of orders carries the result.", "일부 큰 주문이 결과를 좌우하지 않아요."),
    "no_control": (
        (
            "There is no control group, so extra revenue and ROI can't be estimated. "
            "Arms can be compared with each other only."
        ),
        "대조군이 없어서 추가 매출과 ROI를 계산할 수 없어요. 안끼리만 비교할 수 있어요.",
    ),
    "other_currency": (
        "{n} orders are in another currency than {currency}. They count as orders and stand outside all money.",
        "주문 {n}건의 통화가 {currency} 통화와 달라요. 주문 수에는 넣고 금액에서는 뺐어요.",
    ),
    "other_currency_ok": ("All orders are in {currency}.", "모든 주문이 {currency} 통화예요."),
    "over_refunds": (
        "{n} orders were refunded by more than their value; they count as 0, never less.",
        "주문 {n}건은 환불이 주문 금액보다 많아요. 0으로 계산하고 음수로는 두지 않아요.",
    ),
    "foreign_refunds": (
        "{n} refunds are in another currency than their order and are not taken off.",
        "환불 {n}건의 통화가 주문 통화와 달라서 빼지 않았어요.",
    ),
    "no_lines": (
        "{n} orders came without lines; they count as orders of revenue 0.",
        "주문 {n}건에 상품 내역이 없어요. 매출 0인 주문으로 계산해요.",
    ),
    "balance": (
        "The arms differed before the experiment began (p = {p}). Check the split before reading effects.",
        "실험을 시작하기 전부터 안 사이에 차이가 있었어요(p = {p}). 효과를 보기 전에 비율을 확인하세요.",
    ),
    "balance_ok": ("The arms were alike before the first exposure.", "첫 노출 전에는 안 사이에 차이가 없었어요."),
}
"""Trust checks by code; `_ok` is the sentence of a check that passed."""

CAUTIONS: Final[dict[str, tuple[str, str]]] = {
    "selected": (
        "Order value looks at buyers only, and the offer changes who buys. Read it with revenue per customer.",
        "주문당 금액은 구매 고객만 보는 값이고, 제안에 따라 구매 고객이 달라져요. 고객당 매출과 함께 보세요.",
    ),
    "skewed": CHECKS["skew"],
    "too_few": (
        "Too few purchases so far for an effect to be relied on.",
        "구매가 아직 적어서 효과를 믿기에는 일러요.",
    ),
    "follows_results": (
        (
            "The weights followed the results, so plain averages mislead: every customer counts by the logged chance "
            "of their arm, and only the difference has a range."
        ),
        (
            "비율이 결과를 따라 바뀌어서 단순 평균은 믿을 수 없어요. "
            "고객마다 기록된 배정 확률로 가중해서 비교하고, 차이에만 범위를 보여 드려요."
        ),
    ),
    "stratified": (
        "Compared within each period or segment of one split, then combined.",
        "비율이 같은 기간과 고객층 안에서 비교한 뒤 합쳤어요.",
    ),
}
"""Reservations about an effect by code."""

EXTRA_ORDERS: Final[dict[str, tuple[str, str]]] = {
    "cost": (
        (
            "{v}: one extra order cost {abs} in discounts and delivery (95 % range {lo} to {hi}); "
            "{n} extra orders per 1,000 customers."
        ),
        (
            "{v} 안에서 추가 주문 한 건에 할인과 발송 비용이 {abs} 들었어요(95% 범위 {lo}에서 {hi} 사이). "
            "고객 1,000명당 추가 주문은 {n}건이에요."
        ),
    ),
    "no_extra_orders": (
        "{v}: the cost of an extra order can't be estimated: {n} extra orders per 1,000 customers, from {lo} to {hi}.",
        (
            "{v} 안의 추가 주문 한 건 비용은 계산할 수 없어요. "
            "고객 1,000명당 추가 주문이 {n}건이고 {lo}건에서 {hi}건 사이라서 없을 수도 있어요."
        ),
    ),
    "fewer_orders": (
        "{v}: there is no extra order to cost anything: {n} orders per 1,000 customers, between {lo} and {hi}.",
        "{v} 안에는 추가 주문이 없어요. 고객 1,000명당 {n}건이고 {lo}건에서 {hi}건 사이예요.",
    ),
    "costs_nothing": (
        "{v}: {n} extra orders per 1,000 customers came without discount or delivery cost.",
        "{v} 안에서는 할인이나 발송 비용 없이 고객 1,000명당 추가 주문이 {n}건 생겼어요.",
    ),
    "other": (
        "{v}: what an extra order costs can't be estimated yet.",
        "{v} 안의 추가 주문 한 건 비용은 아직 계산할 수 없어요.",
    ),
}
"""What an extra order costs, or why nobody can say."""

_TABLES: Final = {
    "reason": REASONS,
    "check": CHECKS,
    "caution": CAUTIONS,
    "verdict": VERDICTS,
    "state": STATES,
    "extra_orders": EXTRA_ORDERS,
}


def say(
    table: Literal["reason", "check", "caution", "verdict", "state", "extra_orders"],
    code: str,
    language: Language,
    values: Mapping[str, str] | None = None,
) -> str:
    """The sentence of `code`, its placeholders filled.

    Raises:
        KeyError: no such code, or a placeholder without a value.
    """
    return _TABLES[table][code][language == "ko"].format_map(dict(values or {}))


def metric_name(metric: str, language: Language) -> str:
    """What people call a metric; a shop's own metric by its key."""
    return METRIC_NAMES.get(metric, (metric, metric))[language == "ko"]
