"""The texts of a repeated run held against its original, in both languages. `texts` takes them into its catalogue."""

REPEATS: dict[str, tuple[str, str]] = {
    # the one sentence
    "repeat-reproduced": (
        "已复现原测试 {original}：{cases} 个工况的 {total} 项数据全部在允许范围内{intervals}",
        "{original} was reproduced: all {total} figures of {cases} cases are within the tolerance{intervals}",
    ),
    "repeat-intervals": (
        "，其中 {count} 项的 95% 置信区间整个在范围内",
        ", {count} of them with their 95 % interval",
    ),
    "repeat-not-reproduced": (
        "未能复现原测试 {original}：{total} 项数据中有 {count} 项超出允许范围，涉及工况 {cases}",
        "{original} was not reproduced: {count} of {total} figures are outside the tolerance, in {cases}",
    ),
    "repeat-nothing": (
        "无法判定是否复现了原测试 {original}：没有可以比较的数据",
        "whether {original} was reproduced cannot be said: no figure could be compared",
    ),
    "repeat-open": (
        "无法判定是否复现了原测试 {original}：{total} 项数据中有 {count} 项不能判定，涉及工况 {cases}",
        "whether {original} was reproduced cannot be said: {count} of {total} figures are undecided, in {cases}",
    ),
    # what could explain it
    "repeat-explained": (
        "可能的原因，即影响性能的差异（最相关的在前）：{names}",
        "What differs and could explain it, most relevant first: {names}",
    ),
    "repeat-unexplained": (
        "没有已知会影响性能的差异：可能是任一机器上的其他负载，或偶然波动",
        "Nothing differs that is known to affect performance: load on either machine, or chance, is left",
    ),
    "repeat-figures-only": (
        "原测试只有数据：机器与版本须对照其报告人工核对",
        "Of the original only its figures are known to kit: compare its report's machine and versions by hand",
    ),
    "repeat-more": ("另有 {count} 项见下表", "{count} more in the table below"),
    "repeat-signed": ("原测试由{names}签署", "The original was signed by {names}"),
    "repeat-signer": ("{name}（{role}）", "{name} ({role})"),
    "repeat-unsigned": ("原测试没有经核对的签署", "Nobody vouches for the original"),
    # the tables
    "repeat-cases": ("与原测试 {original} 的对比", "Against the original, {original}"),
    "repeat-cases-note": (
        "各格为本次相对原测试的变化，方括号内为其 95% 置信区间；× 超出允许范围，? 无法判定，— 无法比较。允许范围：{tolerances}；成功率不低于原测试。",
        "Each cell is the change from the original, in brackets its 95 % interval; × outside the tolerance, ? undecided, — cannot be "
        "compared. Tolerances: {tolerances}; no more failures than then.",
    ),
    "repeat-beyond": ("未在允许范围内的数据", "Figures that are not within the tolerance"),
    "repeat-differences": (
        "与原测试的差异（影响性能的在前）",
        "What was otherwise than for the original, what affects performance first",
    ),
    "repeat-col-original": ("原测试", "Original"),
    "repeat-col-now": ("本次", "Now"),
    "repeat-col-change": ("变化", "Change"),
    "repeat-col-allowed": ("允许", "Allowed"),
    "repeat-col-item": ("项目", "Item"),
    "repeat-col-matters": ("影响性能", "Affects performance"),
    "repeat-yes": ("是", "yes"),
    "repeat-no": ("否", "no"),
    "repeat-outside": ("超出允许范围", "outside"),
    "repeat-not-lower": ("不低于原值", "no lower"),
    "repeat-lacks-original": ("无法判定：原测试没有该项", "undecided: the original lacks it"),
    "repeat-lacks-now": ("无法判定：本次没有该项", "undecided: the repeated run lacks it"),
    "repeat-not-positive": ("无法判定：数值不大于零", "undecided: is not above zero"),
    "repeat-noise": (
        "无法判定：各轮之间相差太大",
        "undecided: the rounds differ too much from each other to say",
    ),
}
