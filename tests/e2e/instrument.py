"""What holds of every run's trial of its own instrument, on whatever machine."""

from pathlib import Path

from kit.model.calibration import Calibration


def check(run: Path) -> None:
    """Tried or not for want of time, and nothing seen before it happened."""
    found = Calibration.model_validate_json((run / "calibration.json").read_bytes())
    reasons = [found.reason, *(point.reason for point in found.points)]
    assert {reason.kind for reason in reasons if reason is not None} <= {"untried-short", "untried-room"}, reasons
    trials = [trial for point in found.points for trial in point.trials]
    assert trials or any(reasons)
    for trial in trials:
        assert trial.ttft_s >= trial.true_ttft_s
        assert trial.latency_s >= trial.true_latency_s
