"""Words of the pages themselves, in English and Korean; sentences about results are `reporting.words`.

A variable is always followed by a fixed noun in Korean, so that particles fit whatever the value.
"""

from typing import Final

from offerlab.reporting.words import Language

PAGE: Final[dict[str, tuple[str, str]]] = {
    # the frame
    "skip": ("Skip to the content", "본문으로 건너뛰기"),
    "places": ("Places", "메뉴"),
    "today": ("Today", "오늘"),
    "experiments": ("Experiments", "실험"),
    "sign_in": ("Sign in", "들어가기"),
    "sign_out": ("Sign out", "나가기"),
    "language": ("Language", "언어"),
    "read_notice": ("You signed in with a read key.", "읽기 키로 들어와서 보기만 할 수 있어요."),
    # sign in
    "sign_in_lead": (
        "Which offer to make to whom, and proof that it worked.",
        "누구에게 어떤 제안을 할지, 정말 효과가 있었는지 알려 드려요.",
    ),
    "key": ("Your key", "내 키"),
    "key_help": (
        "An admin key (ol_admin_…) or a read key (ol_read_…). The first start prints an admin key once.",
        "관리 키(ol_admin_…)나 읽기 키(ol_read_…)를 넣어 주세요. 관리 키는 처음 시작할 때 한 번 보여 드려요.",
    ),
    "problem": ("There is a problem", "고칠 곳이 있어요"),
    "bad_key": (
        "This key is unknown, expired or revoked. Check that it was copied whole.",
        "모르는 키이거나 만료되거나 취소된 키예요. 키를 끝까지 복사했는지 확인하세요.",
    ),
    "wrong_kind": (
        "This key is for a storefront or a server. Sign in with an admin or a read key.",
        "쇼핑몰이나 서버에서 쓰는 키예요. 관리 키나 읽기 키로 들어오세요.",
    ),
    # today
    "needs_you": ("Needs you", "지금 할 일"),
    "nothing_needed": ("Nothing needs you.", "지금 할 일이 없어요."),
    "next_event": ("Next: {what} ends on {when}.", "다음 일정: {what} 실험 종료, {when}."),
    "running": ("Running", "진행 중"),
    "nothing_runs": ("No experiment is running.", "진행 중인 실험이 없어요."),
    "lately": ("Lately decided", "최근 결정"),
    "first_run": ("Three steps to the first answer", "첫 결과까지 세 단계"),
    "first_1": ("Bring your products and offers:", "상품과 제안을 등록하세요."),
    "first_2": ("Create a key for your shop:", "쇼핑몰에서 쓸 키를 만드세요."),
    "first_3": ("Define the first experiment and start it:", "첫 실험을 만들고 시작하세요."),
    "first_demo": (
        "Or look around with a real catalogue and real orders first:",
        "실제 상품과 주문으로 먼저 둘러볼 수도 있어요.",
    ),
    "need_guardrail": ("A guardrail is past its limit.", "가드레일 지표가 한도를 넘었어요."),
    "need_decision": ("Ready for a decision.", "결정할 준비가 됐어요."),
    "need_end": ("The planned end has passed.", "종료 예정일이 지났어요."),
    "need_final": ("Final: nothing can change any more.", "확정됐어요. 이제 숫자가 바뀌지 않아요."),
    # list
    "search": ("Search", "검색"),
    "search_label": ("Name, key or hypothesis", "이름, 키, 가설"),
    "clear": ("Clear the search", "검색 지우기"),
    "tabs": ("State", "상태"),
    "tab_all": ("All", "전체"),
    "tab_draft": ("Draft", "준비 중"),
    "tab_running": ("Running", "진행 중"),
    "tab_maturing": ("Not final yet", "확정 대기"),
    "tab_final": ("Final", "확정"),
    "tab_archived": ("Archived", "보관"),
    "c_experiment": ("Experiment", "실험"),
    "c_state": ("State", "상태"),
    "c_verdict": ("Verdict", "판정"),
    "c_effect": ("Effect on the primary metric", "기본 지표 효과"),
    "c_customers": ("Customers", "고객"),
    "c_left": ("Days left", "남은 날"),
    "no_experiments": ("No experiment yet", "아직 실험이 없어요"),
    "no_experiments_lead": (
        (
            "An experiment shows an offer to some customers and not to others, drawn by lot. "
            "The difference between them is what the offer really adds."
        ),
        "실험은 고객을 무작위로 나눠 일부에게만 제안을 보여 줘요. 두 집단의 차이가 제안이 실제로 더한 효과예요.",
    ),
    "no_experiments_next": ("Define the first one over the API:", "API로 첫 실험을 만드세요."),
    "nothing_found": ("Nothing matches “{q}” here.", "여기에는 ‘{q}’ 검색 결과가 없어요."),
    "tab_empty": ("Nothing is in this state.", "이 상태인 실험이 없어요."),
    "export_csv": ("Export as CSV", "CSV로 내보내기"),
    "more": ("More", "더 보기"),
    "too_few_short": ("too few", "아직 적음"),
    "no_verdict": ("not yet", "아직 없음"),
    "hidden_effect": ("hidden: the split is off", "가림: 비율 이상"),
    "scale_note": (
        "All effects of one unit share one scale; the upright line is no difference.",
        "단위가 같은 효과는 같은 눈금이에요. 세로선은 차이 없음을 뜻해요.",
    ),
    # states and verdicts
    "s_draft": ("Draft", "준비 중"),
    "s_running": ("Running", "진행 중"),
    "s_paused": ("Paused", "일시 중지"),
    "s_stopped": ("Ended", "종료"),
    "s_archived": ("Archived", "보관"),
    "s_maturing": ("Not final yet", "확정 대기"),
    "s_final": ("Final", "확정"),
    # report: fact line
    "day_of": ("Day {n} of {N}", "{N}일 중 {n}일째"),
    "day_past": ("Day {n}, {N} were planned", "{n}일째(계획 {N}일)"),
    "day_n": ("Day {n}", "{n}일째"),
    "n_customers": ("{n} customers", "고객 {n}명"),
    "one_customer": ("{n} customer", "고객 {n}명"),
    "first_exposure": ("first exposure {date}", "첫 노출 {date}"),
    "nobody_exposed": ("nobody exposed yet", "아직 노출 없음"),
    "numbers_of": ("numbers of {time}", "{time} 기준"),
    "refunds_until": ("refund window open until {date}", "환불 기간 {date}까지"),
    "final_since": ("Final since {date}", "{date}부터 확정"),
    "paused_band": (
        "Paused since {when}. Decisions serve control; nobody is exposed.",
        "{when}부터 일시 중지 상태예요. 모두 대조군으로 응답하고 노출하지 않아요.",
    ),
    "because": ("Because: {note}", "사유: {note}"),
    "as_of_band": ("You are looking at the numbers of {time}.", "{time} 기준 숫자를 보고 있어요."),
    "see_now": ("See the latest", "최신 숫자 보기"),
    "next_final": ("Final on {date}.", "{date}에 확정돼요."),
    "next_end": ("Planned end: {date} ({days}).", "종료 예정일: {date}({days})."),
    "in_days": ("in {n} days", "{n}일 뒤"),
    "in_one_day": ("tomorrow", "내일"),
    "today_word": ("today", "오늘"),
    "days_ago": ("{n} days ago", "{n}일 전"),
    "ended_serving": (
        "Ended {when}. Customers now see: {arm}.",
        "{when}에 끝났어요. 지금 고객에게는 {arm} 안을 보여 줘요.",
    ),
    "ended": (
        "Ended {when}. Nobody is shown an offer of this experiment.",
        "{when}에 끝났어요. 이 실험의 제안은 아무에게도 보여 주지 않아요.",
    ),
    "look_freely": (
        "Look as often as you like: the ranges allow for it.",
        "언제든 다시 봐도 괜찮아요. 여러 번 보는 것까지 계산에 넣었어요.",
    ),
    "look_at_end": (
        "Read these ranges once, at the planned end: they do not allow for looking earlier.",
        "이 범위는 계획한 종료 시점에 한 번만 읽으세요. 중간에 보는 것은 계산에 넣지 않았어요.",
    ),
    # blocks
    "jump": ("On this page", "이 페이지에서"),
    "b_verdict": ("Verdict", "판정"),
    "b_trust": ("Can we trust it?", "믿어도 될까요?"),
    "b_primary": ("Primary metric", "기본 지표"),
    "b_guardrails": ("Guardrails", "가드레일 지표"),
    "b_secondary": ("Secondary metrics", "보조 지표"),
    "b_money": ("Money", "손익"),
    "b_segments": ("Segments", "고객층"),
    "b_time": ("Over time", "시간에 따른 변화"),
    "b_declines": ("Why people declined", "거절한 까닭"),
    "b_factors": ("Which timing, which product?", "어떤 시점, 어떤 상품이 좋을까요?"),
    "factor_best": (
        "Best {f}: {level} (the best with a chance of {p}).",
        "{f} 항목은 {level} 쪽이 가장 좋아요(가장 좋을 확률 {p}).",
    ),
    "factor_open": (
        "{f}: not enough data to tell the levels apart.",
        "{f} 항목은 아직 데이터가 부족해서 가릴 수 없어요.",
    ),
    "factors_no_reference": (
        "The arms differ in several things, but not every combination is an arm: they can't be told apart by factor.",
        "안마다 여러 가지가 다르지만 모든 조합이 있지 않아서 항목별로 나눠 볼 수 없어요.",
    ),
    "factors_no_variance": ("The offers of the arms do not differ.", "안마다 제안이 서로 같아요."),
    "factors_too_few": (
        "Not enough customers yet to read timing, product, message and discount apart.",
        "시점, 상품, 문구, 할인을 나눠 보기에는 고객이 아직 적어요.",
    ),
    "factor_timing": ("timing", "시점"),
    "factor_product": ("product", "상품"),
    "factor_match": ("match", "추천 방식"),
    "factor_discount": ("discount", "할인"),
    "factor_channel": ("channel", "채널"),
    "factor_kind": ("kind of offer", "제안 종류"),
    "factor_message": ("message", "문구"),
    "c_factor": ("Factor", "항목"),
    "c_level": ("Level", "수준"),
    "c_text": ("In their words", "고객이 쓴 말"),
    "voices": ("What customers wrote", "고객이 남긴 말"),
    "c_capped": ("Without giants (capped)", "큰 값을 제한한 차이"),
    "c_limit": ("Capped at", "제한 값"),
    "c_shrunk": ("Lift, shrunk by the prior", "사전 정보로 줄인 상대 변화"),
    "c_chance_prior": ("Chance to beat, with the prior", "더 나을 확률(사전 정보 반영)"),
    "c_chance_flat": ("Chance to beat, without", "더 나을 확률(반영 전)"),
    "c_best": ("Chance to be the best arm", "가장 좋을 확률"),
    "c_exact": ("Exact lift while rare", "드문 값의 정확한 상대 변화"),
    "beliefs_table": (
        "Capped at the 99th percentile, and what to believe.",
        "상위 1% 값을 제한한 효과와 믿을 만한 크기예요.",
    ),
    "prior_programme": (
        "Prior learned from {n} finished experiments (lifts within about {sd}).",
        "끝난 실험 {n}개에서 배운 사전 정보예요(효과 크기 약 {sd} 안팎).",
    ),
    "prior_fallback": (
        "Prior by convention (lifts within about {sd}) until 20 experiments have ended; now {n}.",
        "실험 20개가 끝나기 전까지는 정해 둔 사전 정보를 써요(효과 크기 약 {sd} 안팎, 지금 {n}개).",
    ),
    "projection": (
        (
            "{v}: with {n} customers the plan can show a gain of {gain}. "
            "If today's estimate is true, the end will show it with a chance of {seen}."
        ),
        (
            "{v} 안은 고객이 {n}명이 되면 {gain} 크기의 차이를 확인할 수 있어요. "
            "지금 값이 맞다면 마지막에 확인될 확률은 {seen} 수준이에요."
        ),
    ),
    "c_since": ("Days since exposure", "노출 뒤 지난 날"),
    "novelty_revenue": (
        "Effect per customer and day, by days since exposure (revenue before refunds)",
        "노출 뒤 지난 날별 하루 고객당 효과(환불 전 매출)",
    ),
    "novelty_orders": (
        "Effect per customer and day, by days since exposure (orders)",
        "노출 뒤 지난 날별 하루 고객당 효과(주문 수)",
    ),
    "b_flow": ("Who is counted", "누구를 셌나요"),
    "b_reproduce": ("Get the same numbers again", "같은 숫자 다시 얻기"),
    "b_setup": ("Set-up", "설정"),
    "all_passed": ("{n} checks passed", "확인 항목 {n}개를 통과했어요"),
    "also_passed": ("{n} other checks passed", "나머지 확인 항목 {n}개는 통과했어요"),
    "m_pass": ("passed", "통과"),
    "m_look": ("look", "살펴보기"),
    "m_stop": ("stop", "멈춤"),
    "m_wait": ("not yet", "아직"),
    "what_to_do": ("What to do", "할 일"),
    "effects_hidden": (
        "Effects are hidden, because a check above failed.",
        "위 확인 항목에 문제가 있어서 효과를 가려 두었어요.",
    ),
    "show_anyway": ("Show the numbers anyway", "그래도 숫자 보기"),
    "shown_anyway": (
        "A check failed: these effects may be wrong. You asked to see them anyway.",
        "확인 항목에 문제가 있어서 효과가 틀릴 수 있어요. 그래도 보기로 하셨어요.",
    ),
    "hide_again": ("Hide them again", "다시 가리기"),
    "split_caption": ("Split of customers against the plan", "계획과 비교한 고객 비율"),
    "split_picture": (
        "Share of customers in {v} by day; the line is the plan, the band what chance allows.",
        "날짜별 {v} 안 고객 비율이에요. 가로선은 계획, 띠는 우연으로 생길 수 있는 범위예요.",
    ),
    "c_arm": ("Arm", "안"),
    "c_observed": ("Observed", "실제"),
    "c_expected": ("Planned", "계획"),
    "c_difference": ("Difference", "차이"),
    "c_mean": ("Mean", "평균"),
    "c_relative": ("Relative", "상대 변화"),
    "c_range": ("95 % range", "95% 범위"),
    "c_p": ("p", "p"),
    "c_p_adjusted": ("Adjusted p", "보정 p"),
    "c_chance": ("Chance to beat", "더 나을 확률"),
    "c_loss": ("Expected loss", "예상 손실"),
    "c_method": ("Method", "방법"),
    "c_raw": ("Without variance reduction", "분산 축소 전"),
    "c_n": ("Customers", "고객"),
    "c_segment": ("Segment", "고객층"),
    "c_step": ("Step", "단계"),
    "c_amount": ("Per 1,000 customers", "고객 1,000명당"),
    "c_day": ("Day", "날짜"),
    "c_reason": ("Reason", "사유"),
    "c_exposed": ("Exposed that day", "그날 노출"),
    "c_cumulative": ("Effect so far", "지금까지 효과"),
    "arms_table": ("Arms: what was measured, raw", "안별 측정값(보정 없음)"),
    "effects_table": ("Differences from control", "대조군과의 차이"),
    "is_control": ("control", "대조군"),
    "sentence_up": (
        "{v} brought {abs} more than {c} (95 % range {lo} to {hi}); that is {rel} of its level of {mean}.",
        "{v} 안은 {c} 안보다 {abs} 높았어요(95% 범위 {lo}에서 {hi} 사이). {c} 안 평균 {mean} 대비 {rel} 변화예요.",
    ),
    "sentence_down": (
        "{v} brought {abs} less than {c} (95 % range {lo} to {hi}); that is {rel} of its level of {mean}.",
        "{v} 안은 {c} 안보다 {abs} 낮았어요(95% 범위 {lo}에서 {hi} 사이). {c} 안 평균 {mean} 대비 {rel} 변화예요.",
    ),
    "sentence_open": (
        "{v} can't be told from {c} yet: {abs} (95 % range {lo} to {hi}, {rel}) still holds no difference.",
        (
            "{v} 안과 {c} 안의 차이는 아직 알 수 없어요. "
            "지금 값은 {abs} 수준이에요(95% 범위 {lo}에서 {hi} 사이, {rel}). 이 범위에 차이 없음이 들어 있어요."
        ),
    ),
    "sentence_none": ("{v}: {why}", "{v} 안: {why}"),
    "of_1000": (
        "Of 1,000 customers: {a} {did} in {c}, {b} in {v}.",
        "고객 1,000명 중 {did} 고객은 {c} 안에서 {a}명, {v} 안에서 {b}명이에요.",
    ),
    "did_acceptance_rate": ("accepted", "수락한"),
    "did_offered_item_rate": ("bought an offered item", "제안 상품을 산"),
    "did_conversion_rate": ("bought", "구매한"),
    "did_refund_rate": ("got a refund", "환불한"),
    "did_unsubscribe_rate": ("unsubscribed", "수신 거부한"),
    "did_complaint_rate": ("complained", "불만을 낸"),
    "did_need_fit_rate": ("accepted and kept it", "수락하고 그대로 쓴"),
    "did_checkout_completion_rate": ("completed the checkout", "결제를 마친"),
    "did_repeat_purchase_rate": ("bought again", "다시 구매한"),
    "within": ("within limit", "한도 안"),
    "past": ("past limit", "한도 초과"),
    "cant_tell": ("can't tell yet", "아직 알 수 없음"),
    "guardrails_sum": ("{ok} of {n} within limits", "{n}개 중 {ok}개 한도 안"),
    "many_note": (
        "{k} comparisons; ranges are widened so that luck is not taken for a result.",
        "비교가 {k}개라서, 우연을 결과로 보지 않도록 범위를 넓혔어요.",
    ),
    "accept_note": (
        "Per exposed customer. Per customer who was shown the offer: {list}.",
        "노출된 고객 기준이에요. 제안을 본 고객 기준: {list}.",
    ),
    "show_table": ("Show as table", "표로 보기"),
    "more_numbers": ("Every number, for analysts", "분석용 전체 숫자"),
    "picture_effects": (
        "Difference from {c} in {m}, one row per arm. Point: best guess. Bars: 50, 80 and 95 % ranges.",
        "{m} 지표에서 {c} 안과의 차이예요. 점은 가장 그럴듯한 값이고 막대는 50%, 80%, 95% 범위예요.",
    ),
    "filled_note": (
        "Filled point: the 95 % range leaves out no difference. Hollow: it does not.",
        "속이 찬 점은 95% 범위에 차이 없음이 들어 있지 않다는 뜻이고, 빈 점은 들어 있다는 뜻이에요.",
    ),
    # money
    "money_headline": (
        "{v}: net profit of {abs} per 1,000 customers, refunds taken off (95 % range {lo} to {hi}).",
        "{v} 안의 순이익은 환불을 뺀 고객 1,000명당 {abs} 수준이에요(95% 범위 {lo}에서 {hi} 사이).",
    ),
    "money_roi": (
        "Return on what the offer costs: {abs} (95 % range {lo} to {hi}).",
        "제안 비용 대비 수익은 {abs} 수준이에요(95% 범위 {lo}에서 {hi} 사이).",
    ),
    "money_dots": (
        "In {n} of 20 equally likely cases profit rises (Bayesian view, flat prior).",
        "똑같이 그럴듯한 20가지 경우 중 {n}가지에서 이익이 늘어요(베이즈 관점, 균등 사전 분포).",
    ),
    "money_base": (
        "In {currency}, per 1,000 exposed customers, treatment less control.",
        "{currency} 기준, 노출 고객 1,000명당, 제안 안에서 대조군을 뺀 값이에요.",
    ),
    "waterfall": ("From extra revenue to net profit", "추가 매출에서 순이익까지"),
    "attributed": ("Attributed revenue", "귀속 매출"),
    "attributed_note": (
        "{abs}. Attributed revenue is what people who took the offer paid. It is not what the offer added.",
        "{abs}. 귀속 매출은 제안을 받아들인 고객이 낸 금액이에요. 제안으로 늘어난 금액이 아니에요.",
    ),
    "net": ("Net profit", "순이익"),
    # segments
    "outside_segments": ("(outside every segment)", "(고객층 없음)"),
    "under_ten": ("under 10 customers", "고객 10명 미만"),
    "segments_alike": (
        "No sign that segments differ for {v}. Read the overall effect.",
        "{v} 안에서 고객층별 차이는 보이지 않아요. 전체 효과를 보세요.",
    ),
    "segments_differ": (
        "For {v} the segments differ by more than chance explains (p = {p}).",
        "{v} 안에서 고객층 차이는 우연으로 보기 어려워요(p = {p}).",
    ),
    "segments_unknown": (
        "{v}: too early to say whether segments differ.",
        "{v} 안에서 고객층별 차이가 있는지 말하기는 일러요.",
    ),
    "merge": (
        "Could be merged: {list}.",
        "합쳐도 되는 고객층: {list}.",
    ),
    "picture_segments": (
        "{v} against {c} in each segment. Thick: pulled towards the overall effect. Thin and hollow: as measured.",
        "고객층별 {v} 안과 {c} 안의 차이예요. 굵은 표시는 전체 효과 쪽으로 당긴 값, 가는 빈 점은 잰 그대로예요.",
    ),
    # time
    "picture_course": (
        "{v} against {c}, effect so far day by day: {finding}",
        "{v} 안과 {c} 안의 차이, 날짜별 누적이에요. {finding}",
    ),
    "course_above": ("since {day} the band lies above no difference.", "{day}부터 띠 전체가 차이 없음보다 높아요."),
    "course_below": ("since {day} the band lies below no difference.", "{day}부터 띠 전체가 차이 없음보다 낮아요."),
    "course_open": ("the band still holds no difference.", "띠에 아직 차이 없음이 들어 있어요."),
    "course_wait": (
        "Starts at 40 purchases per arm. Until then only counts are shown.",
        "안마다 구매가 40건이 되면 시작해요. 그전에는 수만 보여 드려요.",
    ),
    "picture_exposures": ("Customers first exposed each day, by arm.", "안별로 날마다 처음 노출된 고객 수예요."),
    "dots_open": (
        "Dotted: days whose refund window is still open.",
        "점선: 환불 기간이 아직 열려 있는 날이에요.",
    ),
    # flow
    "f_exposures": ("Exposure events", "노출 이벤트"),
    "f_exposed": ("Customers exposed", "노출된 고객"),
    "f_crossovers": ("− met more than one arm, left out", "− 두 가지 이상의 안을 봐서 뺌"),
    "f_analysed": ("= Customers analysed", "= 분석한 고객"),
    "f_shown": ("of these, shown what their arm offers", "이 중 안의 제안을 본 고객"),
    "f_not_shown": ("of these, not shown: {reason} ({v})", "이 중 보지 못한 고객: {reason} ({v} 안)"),
    "f_other_currency": ("Orders in another currency, outside all money", "다른 통화 주문, 금액에서 제외"),
    "f_rejected": ("Events refused while it ran", "진행 중 거부된 이벤트"),
    "f_note": (
        "A decision stores nothing, so those who were asked about but never reached the moment are not counted.",
        "결정 응답은 저장하지 않아요. 응답만 받고 노출되지 않은 고객은 세지 않아요.",
    ),
    # reproduce
    "r_command": ("Command", "명령"),
    "r_as_of": ("As of", "기준 시각"),
    "r_engine": ("Engine and version", "엔진과 버전"),
    "r_ruleset": ("Ruleset version", "규칙 버전"),
    "r_plan": ("Plan hash", "계획 해시"),
    "r_moments": ("Moments hash", "모멘트 해시"),
    "r_link": ("Link to these very numbers", "지금 이 숫자의 주소"),
    "download": ("Download", "내려받기"),
    # set-up
    "setup_lead": (
        "A draft: nobody is asked and nothing is counted until it starts.",
        "준비 중이에요. 시작하기 전에는 아무도 나누지 않고 아무것도 세지 않아요.",
    ),
    "hypothesis": ("Hypothesis", "가설"),
    "no_hypothesis": ("None was written down.", "적어 두지 않았어요."),
    "audience": ("Audience", "대상"),
    "everyone": ("everyone", "모두"),
    "traffic": ("Traffic", "참여 비율"),
    "arms": ("Arms", "안"),
    "weight": ("Weight", "비율"),
    "no_offer": ("nothing is shown", "아무것도 보여 주지 않음"),
    "windows": ("Windows", "기간"),
    "windows_text": (
        "{w} days to buy after the first exposure, {r} more for refunds",
        "첫 노출 뒤 구매 {w}일, 이후 환불 {r}일",
    ),
    "plan": ("Analysis", "분석 계획"),
    "plan_text": (
        "alpha {alpha}, power {power}, smallest effect worth having {mde}, looks: {looks}",
        "유의 수준 {alpha}, 검정력 {power}, 최소 효과 {mde}, 확인 방식: {looks}",
    ),
    "looks_always": ("any time", "언제든"),
    "looks_group": ("planned looks until the end date", "종료일까지 정해진 시점"),
    "looks_fixed": ("once, at the end", "마지막에 한 번"),
    "margin_of": ("limit {m}", "한도 {m}"),
    "planned_dates": ("Planned dates", "예정일"),
    "no_dates": ("none", "없음"),
    # actions
    "actions": ("Actions", "할 수 있는 일"),
    "a_start": ("Start", "시작하기"),
    "a_pause": ("Pause", "일시 중지하기"),
    "a_resume": ("Resume", "다시 진행하기"),
    "a_end": ("End", "끝내기"),
    "a_ramp": ("Change weights", "비율 바꾸기"),
    "a_archive": ("Archive", "보관하기"),
    "cancel": ("Back without changing anything", "바꾸지 않고 돌아가기"),
    "logged_as": ("The log will name {who}.", "기록에는 {who} 키로 남아요."),
    "start_title": ("Start {key}?", "{key} 실험을 시작할까요?"),
    "start_frozen": ("The plan is frozen from here.", "시작하면 계획은 바꿀 수 없어요."),
    "start_what": (
        "From now on {traffic} of {audience} are split: {split}.",
        "지금부터 {audience} 고객의 {traffic} 비율을 나눠요. {split}.",
    ),
    "start_end": ("Planned end: {date}.", "{date}에 끝날 예정이에요."),
    "start_open": ("No planned end: it runs until you end it.", "종료일이 없어서 직접 끝낼 때까지 진행해요."),
    "start_undo": (
        "It can be paused at any time; what customers have seen stays recorded.",
        "언제든 일시 중지할 수 있어요. 고객이 본 기록은 남아요.",
    ),
    "pause_title": ("Pause {key}?", "{key} 실험을 일시 중지할까요?"),
    "pause_what": (
        "Everybody sees control and nobody new is exposed until you resume. {n} customers keep their arm.",
        "다시 진행할 때까지 모두 대조군을 보고 새로 노출하지 않아요. 고객 {n}명의 안은 그대로예요.",
    ),
    "resume_title": ("Resume {key}?", "{key} 실험을 다시 진행할까요?"),
    "resume_what": (
        "Customers see the arm they were in before the pause. {n} customers are in the comparison.",
        "고객은 멈추기 전과 같은 안을 봐요. 비교 중인 고객은 {n}명이에요.",
    ),
    "archive_title": ("Archive {key}?", "{key} 실험을 보관할까요?"),
    "archive_what": (
        "It leaves the lists and decisions. Nothing is deleted.",
        "목록과 결정에서 빠져요. 지우는 것은 없어요.",
    ),
    "ramp_title": ("Change the weights of {key}", "{key} 실험의 비율 바꾸기"),
    "ramp_what": (
        (
            "0 customers change arm. From now on new customers are split by the new weights; "
            "the report compares within each period."
        ),
        "안이 바뀌는 고객은 0명이에요. 지금부터 새 고객만 새 비율로 나누고, 보고서는 기간별로 비교해요.",
    ),
    "ramp_now": ("now {w} %", "지금 {w}%"),
    "ramp_sum": ("In per cent; together 100.", "퍼센트로, 합이 100이어야 해요."),
    "bad_weights": ("Weights must be numbers that add up to 100.", "비율은 숫자이고 합이 100이어야 해요."),
    "end_title": ("End {key}", "{key} 실험 끝내기"),
    "end_serve": ("What do customers see from now on?", "지금부터 고객에게 무엇을 보여 줄까요?"),
    "end_learn": ("What did we learn?", "무엇을 배웠나요?"),
    "end_nothing": ("No offer of this experiment", "이 실험의 제안은 보여 주지 않기"),
    "end_ship": ("Ship: it works", "적용: 효과가 있어요"),
    "end_keep_control": ("Keep control", "대조군 유지"),
    "end_undecided": ("We can't tell", "알 수 없어요"),
    "end_invalid": ("Invalid: the test can't be used", "무효: 실험을 쓸 수 없어요"),
    "end_note": ("Note (why)", "메모(까닭)"),
    "end_note_help": (
        "Required when you decide against the recommendation or before the numbers are final.",
        "추천과 다르게 정하거나 확정되기 전이면 꼭 적어 주세요.",
    ),
    "recommended": ("Recommended: {why}", "추천: {why}"),
    "against": ("This goes against the evidence so far.", "지금까지의 근거와 달라요."),
    "end_missing": ("Answer both questions.", "두 질문에 모두 답해 주세요."),
    "end_note_missing": ("Say why in the note.", "메모에 까닭을 적어 주세요."),
    "done_start": ("Started. The plan is frozen.", "시작했어요. 이제 계획은 바꿀 수 없어요."),
    "done_pause": ("Paused. Everybody sees control.", "일시 중지했어요. 모두 대조군을 봐요."),
    "done_resume": ("Resumed.", "다시 진행해요."),
    "done_archive": ("Archived. Nothing was deleted.", "보관했어요. 지운 것은 없어요."),
    "done_ramp": ("New weights hold for new customers.", "새 고객부터 새 비율로 나눠요."),
    "done_end": ("Ended.", "끝냈어요."),
    # errors
    "not_found": ("Not found", "찾을 수 없어요"),
    "not_found_text": ("There is no page {path}.", "{path} 페이지가 없어요."),
    "no_experiment": ("No experiment has the key {key}.", "{key} 키를 가진 실험이 없어요."),
    "search_it": ("Search for it", "검색하기"),
    "refused": ("This can't be done", "할 수 없어요"),
    "failed": ("Something went wrong on our side", "서비스에 문제가 생겼어요"),
    "failed_text": (
        "It was logged under {id}. Nothing was changed by this page.",
        "{id} 번호로 기록해 두었어요. 이 페이지에서 바뀐 것은 없어요.",
    ),
    "away": ("The store can't be reached", "저장소에 연결할 수 없어요"),
    "away_text": (
        "Decisions go on from memory. Try this page again in a moment.",
        "제안 응답은 메모리에서 계속돼요. 잠시 뒤 다시 열어 주세요.",
    ),
    # reasons why nothing can be said
    "u_too_few": (
        "too few purchases to judge ({counts}); effects are shown from 40 in each arm",
        "판단하기엔 구매가 너무 적어요({counts}). 안마다 40건부터 효과를 보여 드려요",
    ),
    "u_no_units": ("nobody has been exposed yet", "아직 노출된 고객이 없어요"),
    "u_one_unit": ("only one customer in an arm", "한 안에 고객이 한 명뿐이에요"),
    "u_no_variance": ("all customers are alike in this", "모든 고객의 값이 같아요"),
    "u_control_mean_zero": (
        "control stands at zero, so there is no relative change",
        "대조군 평균이 0이라 상대 변화가 없어요",
    ),
    "u_denominator_zero": ("nothing to divide by yet", "아직 나눌 값이 없어요"),
    "u_no_cost": ("unit costs are missing", "상품 원가가 없어요"),
    "u_no_reference": ("no other arm to compare with", "비교할 다른 안이 없어요"),
    "u_no_control": ("there is no control group", "대조군이 없어요"),
    "u_not_started": ("it has not begun", "아직 시작하지 않았어요"),
    "u_other": ("can't be said yet: {detail}", "아직 말할 수 없어요({detail})"),
    # what to do about a check
    "do_srm": (
        "Look for what drops customers of one arm: redirects, blocked scripts, bots. Fix it and start anew.",
        "한쪽 안의 고객만 빠지는 까닭(리디렉션, 차단된 스크립트, 봇)을 찾아 고친 뒤 새로 시작하세요.",
    ),
    "do_silence": (
        "Check that the storefront still calls /v1/decisions with expose.",
        "쇼핑몰이 expose 값과 함께 /v1/decisions 주소를 호출하는지 확인하세요.",
    ),
    "do_crossovers": (
        "Send the same customer id on every device after signing in.",
        "로그인한 뒤에는 모든 기기에서 같은 고객 ID를 보내세요.",
    ),
    "do_suppressed": (
        "Nothing, if these rules are meant; else loosen caps, consent or stock.",
        "의도한 규칙이면 그대로 두세요. 아니면 한도, 동의, 재고를 확인하세요.",
    ),
    "do_weights": ("Nothing: periods are compared separately.", "할 일은 없어요. 기간별로 따로 비교해요."),
    "do_rejected": (
        "Open the rejected events and correct what sends them.",
        "거부된 이벤트를 확인하고 보내는 쪽을 고치세요.",
    ),
    "do_maturing": (
        "Wait until that date before you book the revenue.",
        "매출을 확정하기 전에 그 날짜까지 기다리세요.",
    ),
    "do_costs": ("Add the unit costs to your products.", "상품에 원가를 넣어 주세요."),
    "do_skew": ("Read the range rather than the point.", "점보다 범위를 보세요."),
    "do_no_control": ("Next time keep a control arm.", "다음에는 대조군을 두세요."),
    "do_other_currency": (
        "Send orders in the project's currency, or read them apart.",
        "프로젝트 통화로 주문을 보내거나 따로 보세요.",
    ),
    "do_over_refunds": ("Check the refund amounts that the shop sends.", "쇼핑몰이 보내는 환불 금액을 확인하세요."),
    "do_foreign_refunds": ("Send refunds in the currency of their order.", "주문과 같은 통화로 환불을 보내세요."),
    "do_no_lines": ("Send order lines, so that revenue counts.", "매출에 들어가도록 주문 내역을 함께 보내세요."),
    "do_balance": (
        "Check how customers are split before the first exposure.",
        "첫 노출 전에 고객이 어떻게 나뉘는지 확인하세요.",
    ),
    # segments
    "segments_page": ("Segments", "고객층"),
    "done_preset": ("The preset is now a segment.", "추천 고객층을 추가했어요."),
    "segments_note": (
        "A customer of several segments belongs to the first one in this list.",
        "여러 고객층에 들어가는 고객은 이 목록에서 가장 위에 있는 고객층에 속해요.",
    ),
    "seg_c_segment": ("Segment", "고객층"),
    "c_size": ("Customers in it", "고객 수"),
    "c_share": ("Share of all", "전체 대비"),
    "c_left_over": ("Left after the segments above", "위 고객층을 뺀 고객"),
    "c_aov": ("Order value", "주문당 금액"),
    "c_frequency": ("Orders per customer", "고객당 주문"),
    "c_in_experiments": ("In experiments", "실험 수"),
    "c_buyers": ("Ever bought", "구매한 적 있는 고객"),
    "c_yearly": ("Orders a year", "연간 주문"),
    "c_recency": ("Since the last order", "마지막 주문 이후"),
    "c_per_day": ("Seen on a day", "하루 방문 고객"),
    "seg_under_ten": ("under 10", "10명 미만"),
    "under_ten_note": (
        "A handful of people is not spoken of: nobody should be recognised in a number.",
        "인원이 너무 적으면 누구인지 드러날 수 있어서 숫자를 보여 드리지 않아요.",
    ),
    "of_customers": ("{n} of {all}", "{all}명 중 {n}명"),
    "n_days": ("{n} days (half of them longer)", "{n}일(절반은 더 길어요)"),
    "no_segments": ("No segment yet", "아직 고객층이 없어요"),
    "no_segments_lead": (
        "A segment is a rule over what customers did and told, such as two orders or more.",
        "고객층은 고객의 행동과 정보로 만든 규칙이에요. 예를 들면 주문 두 번 이상이 있어요.",
    ),
    "no_segments_next": ("Take a preset below, or define one:", "아래 추천을 쓰거나 직접 만드세요."),
    "presets": ("Presets with your own limits", "우리 가게 기준 추천 고객층"),
    "presets_lead": (
        "The limits are where your own buyers stand: one in ten, one in fifty, one in four.",
        "기준은 우리 가게 구매 고객에서 나왔어요. 열 명 중 한 명, 쉰 명 중 한 명, 네 명 중 한 명이에요.",
    ),
    "preset_vip": ("VIP", "VIP 고객"),
    "preset_high-value": ("High value", "고가 구매 고객"),
    "preset_lapsed": ("Lapsed", "떠난 고객"),
    "preset_repeat": ("Repeat", "단골 고객"),
    "preset_new": ("New", "첫 구매 고객"),
    "start_with_upsell": ("Start with an upgrade.", "더 좋은 상품 제안부터 해 보세요."),
    "start_with_cross_sell": ("Start with something that goes with it.", "함께 쓰는 상품 제안부터 해 보세요."),
    "too_few_buyers": (
        "Too few buyers for a limit of your own: {n}, and it takes 20.",
        "기준을 정하기에는 구매 고객이 적어요. 지금 {n}명이고 20명부터 정할 수 있어요.",
    ),
    "take_preset": ("Take it over", "추가하기"),
    "who_they_are": ("Who they are", "어떤 고객인가요"),
    "seg_numbers_of": ("Numbers of {when}", "{when} 기준 숫자예요."),
    "how_long": ("How long a test would take", "실험에 걸리는 시간"),
    "how_long_lead": (
        "Two equal arms, looked at as often as you like, at the traffic of the last four weeks.",
        "똑같이 둘로 나누고 언제든 확인하는 실험이에요. 최근 4주 방문을 기준으로 계산했어요.",
    ),
    "smallest_effect": ("Smallest effect worth having", "찾고 싶은 최소 효과"),
    "trial_takes": (
        "{w} weeks with {n} customers; final after {d} days, refunds included",
        "고객 {n}명으로 {w}주, 환불까지 {d}일 뒤에 확정돼요",
    ),
    "trial_no_orders_lately": ("Nobody bought in the last two weeks.", "최근 2주 동안 구매가 없어요."),
    "trial_no_variance": ("Everybody did the same: no test is needed.", "모두 똑같이 행동해서 실험할 것이 없어요."),
    "trial_more_than_everybody": (
        "Such a rise would be more than everybody.",
        "모든 고객이 구매해도 닿지 않는 효과예요.",
    ),
    "trial_no_traffic_lately": ("Nobody came in the last four weeks.", "최근 4주 동안 방문이 없어요."),
    "trial_never_at_this_traffic": (
        "It takes {n} customers, and they do not come within ten years.",
        "고객 {n}명이 필요한데 지금 방문으로는 10년 안에 모이지 않아요.",
    ),
    "top_products": ("What most of them bought", "가장 많이 산 상품"),
    "nothing_bought": ("Nothing yet.", "아직 없어요."),
    "overlap": ("Also in other segments", "다른 고객층과 겹치는 고객"),
    "taken_first": ("{n} customers, taken there first", "고객 {n}명, 그 고객층에 먼저 속해요"),
    "left_here": ("{n} customers, counted here first", "고객 {n}명, 이 고객층에 먼저 속해요"),
    "no_overlap": ("Nobody.", "겹치는 고객이 없어요."),
    "reach": ("Who may be written to", "메시지를 받을 수 있는 고객"),
    "no_reach": ("No consent is known.", "받은 동의가 없어요."),
    "channel_email": ("E-mail", "이메일"),
    "channel_sms": ("SMS", "문자"),
    "channel_push": ("Push", "푸시"),
    "channel_kakao": ("Kakao", "카카오"),
    "channel_web": ("Web", "웹"),
    "channel_agent": ("Customer care", "상담원"),
    "used_in": ("Used in", "쓰는 실험"),
    "rule_and": ("and", "그리고"),
    "rule_or": ("or", "또는"),
    "rule_everybody": ("everybody", "모든 고객"),
    "rule_nobody": ("nobody", "해당 고객 없음"),
    "rule_more": ("({n} further conditions)", "(조건 {n}개 더)"),
    "rule_known": ("{a} is known", "{a} 값이 있음"),
    "rule_unknown": ("{a} is unknown", "{a} 값이 없음"),
    "rule_eq": ("{a} is {v}", "{a} 값이 {v}"),
    "rule_ne": ("{a} is not {v}", "{a} 값이 {v} 아님"),
    "rule_lt": ("{a} below {v}", "{a} 값이 {v} 미만"),
    "rule_lte": ("{a} at most {v}", "{a} 값이 {v} 이하"),
    "rule_gt": ("{a} above {v}", "{a} 값이 {v} 초과"),
    "rule_gte": ("{a} at least {v}", "{a} 값이 {v} 이상"),
    "rule_in": ("{a} is one of {v}", "{a} 값이 {v} 중 하나"),
    "rule_not_in": ("{a} is none of {v}", "{a} 값이 {v} 어느 것도 아님"),
    "rule_contains": ("{a} has {v}", "{a} 안에 {v} 있음"),
    "rule_starts_with": ("{a} begins with {v}", "{a} 값이 {v} 시작"),
    "rule_within_days": ("{a} within {v} days", "{a} 값이 {v}일 안"),
}


class Words:
    """The catalogue in one language; templates call it `t`."""

    def __init__(self, language: Language) -> None:
        """Choose the language."""
        self.language: Language = language

    def __call__(self, code: str, **values: object) -> str:
        """The words of `code`, placeholders filled.

        Raises:
            KeyError: no such words, or a placeholder without a value.
        """
        text = PAGE[code][self.language == "ko"]
        return text.format_map(values) if values else text

    def maybe(self, code: str, **values: object) -> str | None:
        """The words of `code` where there are any."""
        return self(code, **values) if code in PAGE else None
