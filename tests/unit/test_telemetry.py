"""Telemetry: what is read while a round goes on, what it comes to, and what a tool that fails costs."""

import threading
from collections.abc import Sequence

import pytest

from kit import telemetry
from kit.accelerators import amd, ascend, hygon, iluvatar, metax, nvidia
from kit.model import CardReading, CardTick, HostTick, Plan, Sample
from kit.model.evidence import Evidence, Raw
from kit.ports import Output, ToolTimeout
from kit.telemetry import INTERVAL_S, Sampler, Window
from kit.telemetry.processors import Processors
from kit.texts import doubt
from tests import ascend_host
from tests.fakes import BEGIN, FakeHost
from tests.unit.sites import Site

GIB = 1024**3


class Tools(FakeHost):
    """A machine whose tools answer by the whole command, or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, str] = dict(ascend_host.COMMANDS)
        self.asked: list[str] = []
        self.slow_s = 0.0

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Output:
        self.asked.append(" ".join(argv))
        self.clock.advance(self.slow_s)
        if argv[0] in self.hanging:
            self.clock.advance(timeout_s)
            raise ToolTimeout(f"{argv[0]} gave no answer in {timeout_s:g} s")
        if self.asked[-1] not in self.answers:
            return super().run(argv, timeout_s=timeout_s)
        return Output(tuple(argv), 0, self.answers[self.asked[-1]], "")


@pytest.fixture
def host() -> Tools:
    return Tools()


@pytest.fixture
def plan(site: Site) -> Plan:
    return site.plan()


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


# --- the cards ---------------------------------------------------------------------------------------------------


def test_one_question_tells_of_all_cards_of_the_run(host: Tools, plan: Plan) -> None:
    host.slow_s = 0.25
    tick = Sampler(plan, host).cards.tick()
    assert tick is not None
    assert (tick.began_s, tick.took_s, tick.reason) == (1000.0, 0.75, None)  # and the two questions for details
    assert tick.cards == (
        CardReading(
            card=1,
            chip=0,
            power_w=88.1,
            utilisation_percent=0,
            memory_used_bytes=3376 * 1024**2,
            temperature_c=44,
            clock_mhz=1650,
            throttled=False,
            pids=(),
        ),
        CardReading(
            card=5,
            chip=0,
            power_w=87.4,
            utilisation_percent=0,
            memory_used_bytes=3381 * 1024**2,
            temperature_c=43,
            clock_mhz=1650,
            throttled=False,
            pids=(),
        ),
    )


def test_details_are_asked_rarely_and_kept(host: Tools, plan: Plan) -> None:
    cards = Sampler(plan, host).cards
    ticks = [cards.tick() for _ in range(15)]
    assert host.asked.count("npu-smi info") == 15
    assert host.asked.count("npu-smi info -t common -i 5") == 1
    assert {card.clock_mhz for tick in ticks if tick is not None for card in tick.cards} == {1650}
    cards.tick()
    assert host.asked.count("npu-smi info -t common -i 5") == 2


def test_a_busy_card_below_its_clock_is_throttled_and_an_idle_one_is_not(host: Tools, plan: Plan) -> None:
    slow = ascend_host.COMMANDS["npu-smi info -t common -i 1"].replace(
        "curFreq(MHZ)            : 1650", "curFreq(MHZ) : 800"
    )
    host.answers["npu-smi info -t common -i 1"] = slow
    idle = Sampler(plan, host).cards.tick()
    host.answers["npu-smi info"] = ascend_host.npu_info(busy=97)
    busy = Sampler(plan, host).cards.tick()
    assert idle is not None
    assert busy is not None
    assert [card.throttled for card in idle.cards] == [False, False]
    assert [card.throttled for card in busy.cards] == [True, False]


def test_a_tool_that_hangs_costs_null_with_a_reason_and_is_left_alone_for_a_while(host: Tools, plan: Plan) -> None:
    host.hanging.add("npu-smi")
    cards = Sampler(plan, host).cards
    tick = cards.tick()
    assert tick is not None
    assert (tick.cards, tick.reason) == ((), "npu-smi gave no answer in 10 s")
    assert cards.tick() is None
    assert len(host.asked) == 1
    host.hanging.clear()
    host.clock.advance(61)
    again = cards.tick()
    assert again is not None
    assert len(again.cards) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("dcmi module initialize failed. ret is -8005\n", "the tool printed 0 of 2 cards"),
        (ascend_host.npu_info()[:950], "the tool printed 1 of 2 cards"),
        (ascend_host.npu_info(first=2, second=3), "the tool printed 0 of 2 cards"),
    ],
    ids=["refused", "cut off", "other cards"],
)
def test_an_answer_without_the_cards_of_the_run_is_null_with_a_reason(
    host: Tools, plan: Plan, answer: str, reason: str
) -> None:
    host.answers["npu-smi info"] = answer
    tick = Sampler(plan, host).cards.tick()
    assert tick is not None
    assert tick.reason == reason


def test_a_tool_that_is_not_there_is_told(plan: Plan) -> None:
    tick = Sampler(plan, FakeHost()).cards.tick()
    assert tick is not None
    assert tick.reason == "npu-smi is not installed"


def test_a_tool_is_found_where_its_maker_puts_it(host: Tools, plan: Plan) -> None:
    host.answers = {f"/usr/local/sbin/{key}": text for key, text in host.answers.items()}
    tick = Sampler(plan, host).cards.tick()
    assert tick is not None
    assert len(tick.cards) == 2


NVIDIA = "index, pci.bus_id, power.draw [W], utilization.gpu [%], memory.used [MiB], temperature.gpu, clocks.current.sm [MHz]"
SLOWED = (
    ", clocks_event_reasons.hw_slowdown, clocks_event_reasons.hw_thermal_slowdown, "
    "clocks_event_reasons.sw_thermal_slowdown, clocks_event_reasons.hw_power_brake_slowdown"
)


def test_nvidia_says_when_it_is_slowed_down() -> None:
    text = (
        f"{NVIDIA}{SLOWED}\n"
        "0, 00000000:01:00.0, 613.20 W, 99 %, 70211 MiB, 88, 1605 MHz, Not Active, Active, Not Active, Not Active\n"
        "1, 00000000:02:00.0, [N/A], 99 %, 70211 MiB, 61, 1980 MHz, Not Active, Not Active, Not Active, Not Active\n"
    )
    evidence = Evidence(
        {
            nvidia.SAMPLES[0].key: Raw('Field "clocks_throttle_reasons.hw_slowdown" is not a valid field'),
            nvidia.SAMPLES[1].key: Raw(text),
        }
    )
    assert nvidia.DETAIL is not None
    evidence[nvidia.DETAIL.of("1").key] = Raw("pid, process_name\n41, python3\n77, other\n")
    first, second = nvidia.sample(evidence)
    assert first == CardReading(
        card=0,
        chip=0,
        power_w=613.2,
        utilisation_percent=99,
        memory_used_bytes=70211 * 1024**2,
        temperature_c=88,
        clock_mhz=1605,
        throttled=True,
    )
    assert (second.power_w, second.throttled, second.pids) == (None, False, (41, 77))


def test_a_form_of_the_question_that_a_tool_does_not_know_is_asked_once(host: Tools, plan: Plan) -> None:
    wish = plan.machine.accelerator
    assert wish is not None
    other = plan.model_copy(
        update={
            "machine": plan.machine.model_copy(update={"accelerator": wish.model_copy(update={"kind": "nvidia"})}),
            "devices": ((0, 0),),
        }
    )
    keys = [question.key for question in nvidia.SAMPLES]
    refusal = 'Field "clocks_throttle_reasons.hw_slowdown" is not a valid field to query.\n'
    row = "0, 00000000:01:00.0, 70.10 W, 0 %, 4 MiB, 31, 345 MHz"
    assert nvidia.DETAIL is not None
    detail = nvidia.DETAIL.of("0").key
    host.answers |= {keys[0]: refusal, keys[1]: refusal, keys[2]: f"{NVIDIA}\n{row}\n", detail: "pid, process_name\n"}
    cards = Sampler(other, host).cards
    for _ in range(3):
        tick = cards.tick()
        assert tick is not None
        assert [(card.power_w, card.throttled, card.pids) for card in tick.cards] == [(70.1, None, ())]
    assert host.asked == [keys[0], keys[1], keys[2], detail, keys[2], keys[2]]


@pytest.mark.parametrize("family", [amd, ascend, hygon, iluvatar, metax, nvidia])
@pytest.mark.parametrize("text", ["", "\0", "+---+\n| NPU", "error", "a, b\n1, 2\n"])
def test_no_answer_of_a_tool_is_taken_for_a_card(family: object, text: str) -> None:
    for question in family.SAMPLES:  # type: ignore[attr-defined]
        assert family.sample(Evidence({question.key: Raw(text)})) == ()  # type: ignore[attr-defined]


# --- the host ----------------------------------------------------------------------------------------------------


def stat(*cpus: tuple[int, int]) -> str:
    rows = [f"cpu{at} {busy} 0 0 {idle} 0 0 0 0 0 0" for at, (busy, idle) in enumerate(cpus)]
    return "cpu  1 2 3 4 5 6 7 8\n" + "\n".join(rows) + "\nintr 1\n"


def test_use_is_told_per_socket_since_the_reading_before() -> None:
    host = FakeHost()
    for cpu, socket in enumerate((0, 0, 1, 1)):
        host.texts[f"/sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"] = f"{socket}\n"
    host.texts["/proc/stat"] = stat((0, 0), (0, 0), (0, 0), (0, 0))
    host.texts["/proc/meminfo"] = "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n"
    host.texts["/proc/loadavg"] = "17.25 3.01 1.00 2/900 4711\n"
    processors = Processors(host)
    first = processors.tick()
    assert first.cpu_percent == (None, None)
    host.clock.advance(2)
    host.texts["/proc/stat"] = stat((200, 0), (100, 100), (0, 200), (0, 200))
    second = processors.tick()
    assert second.cpu_percent == (75.0, 0.0)
    assert (second.memory_used_bytes, second.load_1m) == (400 * 1024, 17.25)


def test_nothing_readable_is_null() -> None:
    tick = Processors(FakeHost()).tick()
    assert (tick.cpu_percent, tick.memory_used_bytes, tick.load_1m, tick.client_percent) == ((), None, None, None)


def spent(host: FakeHost, pid: int, ticks: int) -> None:
    host.texts[f"/proc/{pid}/task/{pid}/stat"] = f"{pid} (py) thon) R 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5\n"


def test_the_load_generators_own_thread_is_found_by_its_words_and_watched() -> None:
    host = FakeHost()
    host.texts["/proc/70/cmdline"] = "/env/bin/python\0/env/bin/evalscope\0perf\0--parallel\0004\0"
    host.texts["/proc/71/cmdline"] = "/env/bin/python\0/env/bin/evalscope\0perf\0--parallel\0008\0"
    host.texts["/proc/self/cmdline"] = host.texts["/proc/70/cmdline"]
    processors = Processors(host)
    processors.follow(("perf", "--parallel", "4"))
    spent(host, 70, 1000)
    spent(host, 71, 0)
    assert processors.tick().client_percent is None
    host.clock.advance(2)
    spent(host, 70, 1190)
    spent(host, 71, 200)
    assert processors.tick().client_percent == 95.0
    processors.follow(())
    host.clock.advance(2)
    assert processors.tick().client_percent is None


# --- what it comes to --------------------------------------------------------------------------------------------


def card(watts: float | None, *, number: int = 0, **more: object) -> CardReading:
    return CardReading.model_validate({"card": number, "chip": 0, "power_w": watts, **more})


def at(seconds: float, *cards: CardReading, reason: str | None = None) -> CardTick:
    return CardTick(at=BEGIN, began_s=seconds, took_s=0, cards=cards, reason=reason)


def seen(seconds: float, client: float | None = None) -> HostTick:
    return HostTick(
        at=BEGIN, began_s=seconds, took_s=0, cpu_percent=(50.0,), memory_used_bytes=7, load_1m=1, client_percent=client
    )


ANSWERS = (Sample(index=0, succeeded=True, output_tokens=300), Sample(index=1, succeeded=False, output_tokens=999))
TEN = Window(10, 20, known=True)


def total(ticks: Sequence[CardTick | HostTick], plan: Plan, window: Window = TEN) -> telemetry.Telemetry:
    """The telemetry of a plan with as many cards as the fullest reading has."""
    count = max((len(tick.cards) for tick in ticks if isinstance(tick, CardTick)), default=1)
    cut = plan.model_copy(update={"devices": ((0, 0), (5, 0))[: max(1, count)]})
    return telemetry.summary(ticks, Sampler(cut, FakeHost()), ANSWERS, window)


def test_energy_is_the_area_below_the_watts_of_all_cards_within_the_window(plan: Plan) -> None:
    ticks = [at(second, card(50.0 + second), card(50.0, number=5)) for second in range(8, 23, 2)]
    found = total(ticks, plan)
    # 100 W + 10 W … 20 W, over ten seconds
    assert found.energy_j == pytest.approx(1150.0)
    assert found.power_mean_w == pytest.approx(115.0)
    assert found.power_peak_w == 120.0
    assert found.tokens_per_joule == pytest.approx(300 / 1150)
    assert (found.samples, found.achieved_s, found.gaps, found.reason, found.window) == (6, 2, 0, None, "requests")


def test_a_constant_power_gives_power_times_time_wherever_the_window_lies(plan: Plan) -> None:
    ticks = [at(second, card(200.0)) for second in range(11, 19, 2)]
    assert total(ticks, plan).energy_j == pytest.approx(2000.0)


@pytest.mark.parametrize(
    ("ticks", "reason"),
    [
        ([], "only 0 readings in the window"),
        ([at(12, card(1.0)), at(14, card(1.0))], "only 2 readings in the window"),
        (
            [at(second, reason="npu-smi gave no answer in 10 s") for second in (10, 12, 14)],
            "npu-smi gave no answer in 10 s",
        ),
    ],
)
def test_too_few_readings_give_no_figures_and_the_reason(plan: Plan, ticks: list[CardTick], reason: str) -> None:
    found = total(ticks, plan)
    assert (found.energy_j, found.power_mean_w, found.power_peak_w, found.tokens_per_joule) == (None, None, None, None)
    assert found.reason == reason


def test_a_reading_without_the_power_of_every_card_counts_for_none(plan: Plan) -> None:
    ticks = [at(second, card(100.0), card(None if second == 14 else 100.0, number=5)) for second in range(10, 21, 2)]
    found = total(ticks, plan)
    assert found.energy_j == pytest.approx(2000.0)
    assert total([at(s, card(None)) for s in range(10, 21, 2)], plan).energy_j is None


def test_of_a_card_with_two_dies_the_first_tells_the_power(plan: Plan) -> None:
    dies = [CardReading(card=0, chip=0, power_w=150.0), CardReading(card=0, chip=1, power_w=None)]
    ticks = [at(second, *dies) for second in range(10, 21, 2)]
    two = plan.model_copy(update={"devices": ((0, 0), (0, 1))})
    assert telemetry.summary(ticks, Sampler(two, FakeHost()), ANSWERS, TEN).power_mean_w == pytest.approx(150.0)


def test_long_gaps_leave_no_energy_and_a_doubt(plan: Plan) -> None:
    ticks = [at(second, card(100.0)) for second in (10, 11, 19, 20)]
    found = total(ticks, plan)
    assert (found.energy_j, found.gaps, found.longest_gap_s) == (None, 1, 8)
    assert [entry.kind for entry in telemetry.doubts(ticks, found, TEN)] == ["telemetry-gaps"]


def test_the_power_of_some_of_the_cards_is_not_that_of_the_run(plan: Plan) -> None:
    ticks = [at(second, card(100.0), reason="the tool printed 1 of 2 cards") for second in range(10, 21, 2)]
    found = telemetry.summary(ticks, Sampler(plan, FakeHost()), ANSWERS, TEN)
    assert (found.power_mean_w, found.reason) == (None, "the tool printed 1 of 2 cards")


def test_failed_requests_give_no_tokens_and_unknown_tokens_no_rate(plan: Plan) -> None:
    ticks = [at(second, card(100.0)) for second in range(10, 21, 2)]
    unknown = (Sample(index=0, succeeded=True, output_tokens=None),)
    assert telemetry.summary(ticks, Sampler(plan, FakeHost()), unknown, TEN).tokens_per_joule is None


def test_peaks_and_means_are_of_the_window(plan: Plan) -> None:
    ticks: list[CardTick | HostTick] = []
    for second, used, warm in (
        (8, 9 * GIB, 99),
        (12, 3 * GIB, 50),
        (14, 5 * GIB, 60),
        (16, 4 * GIB, 55),
        (22, 9 * GIB, 99),
    ):
        ticks += [
            at(second, card(1.0, memory_used_bytes=used, temperature_c=warm, utilisation_percent=40)),
            seen(second),
        ]
    found = total(ticks, plan)
    assert (found.memory_peak_bytes, found.temperature_peak_c, found.utilisation_mean_percent) == (5 * GIB, 60, 40)
    assert (found.host_samples, found.cpu_mean_percent, found.host_memory_peak_bytes, found.load_peak) == (
        3,
        (50.0,),
        7,
        1,
    )


@pytest.mark.parametrize(
    ("began", "length", "known"),
    [(12.0, 5.0, True), (2.0, 5.0, False), (12.0, 50.0, False), (None, 5.0, False), (12.0, None, False)],
)
def test_a_clock_that_is_not_this_machines_gives_the_whole_round(
    began: float | None, length: float | None, known: bool
) -> None:
    window = Window.of((10.0, 20.0), began, length)
    assert window.known is known
    assert (window.begin_s, window.end_s) == ((12.0, 17.0) if known else (10.0, 20.0))


# --- doubts ------------------------------------------------------------------------------------------------------


def told(plan: Plan, ticks: Sequence[CardTick | HostTick]) -> list[str]:
    return [doubt("en", entry) for entry in telemetry.doubts(ticks, total(ticks, plan), TEN)]


def test_cards_that_were_throttled_hot_or_shared_are_doubts(plan: Plan) -> None:
    calm = card(1.0, pids=(1,), throttled=False, temperature_c=60)
    odd = card(1.0, number=5, pids=(1,), throttled=True, temperature_c=91)
    shared = card(1.0, pids=(1, 77), throttled=False, temperature_c=60)
    assert told(plan, [at(12, calm), at(14, calm), at(16, calm)]) == []
    assert told(
        plan, [at(12, calm, odd), at(14, shared, odd), at(16, calm, odd.model_copy(update={"throttled": False}))]
    ) == [
        "accelerators 5 were throttled in 2 of 3 readings",
        "accelerators 5 reached 91 °C (told from 85 °C on)",
        "other programs began to use accelerators 0 during the round (pid 77)",
    ]
    assert told(plan, [at(30, odd), at(2, odd)]) == []


def test_a_load_generator_that_fills_its_core_is_a_doubt(plan: Plan) -> None:
    assert told(plan, [seen(10, 99.0), seen(12, 20.0), seen(14, 99.0), seen(16, 30.0)]) == [
        "the load generator's own thread filled a core in 2 of 4 readings (up to 99 %): latencies may be too high"
    ]
    assert told(plan, [seen(10, 50.0), seen(12, 20.0), seen(14, 60.0)]) == []
    assert told(plan, [seen(2, 99.0), seen(4, 99.0), seen(6, 99.0), seen(12, 20.0)]) == []


# --- the sampler -------------------------------------------------------------------------------------------------


def test_a_round_gets_its_own_readings_and_the_last_before_it(host: Tools, plan: Plan) -> None:
    sampler = Sampler(plan, host)
    for second in range(6):
        sampler.keep(at(second))
    sampler.begin(plan.rounds[0].program)
    sampler.keep(at(6))
    assert [tick.began_s for tick in sampler.end()] == [5, 6]


def test_sampling_goes_on_in_the_background_and_ends(host: Tools, plan: Plan) -> None:
    sampler = Sampler(plan, host, interval_s=0.001)
    before = threading.active_count()
    read = threading.Event()
    keep = sampler.keep

    def note(tick: CardTick | HostTick) -> None:
        keep(tick)
        if {entry.kind for entry in sampler.end()} == {"cards", "host"}:
            read.set()

    sampler.keep = note  # type: ignore[method-assign]
    with sampler.running():
        assert read.wait(30)
    assert threading.active_count() == before


def test_without_cards_only_the_host_is_read(site: Site) -> None:
    plain = site.plan().model_copy(update={"machine": site.plan().machine.model_copy(update={"accelerator": None})})
    sampler = Sampler(plain, FakeHost())
    assert sampler.cards.tick() is None
    found = telemetry.summary((), sampler, ANSWERS, TEN)
    assert found.reason == "the profile names no accelerators"
    assert INTERVAL_S == 2.0
