"""What chooses the best checkpoint."""

from lrm_core.training.objectives.objective import selection_score


def test_higher_is_better_for_views_and_lower_for_losses() -> None:
    assert selection_score({"total": 0.1, "psnr": 21.0}) == 21.0
    assert selection_score({"total": 0.1}) > selection_score({"total": 0.2})
