import pytest

from awa._core.kinds import kind_of

VECTORS = {
    "SendEmail": "send_email",
    "SMTPEmail": "smtp_email",
    "OAuthRefresh": "o_auth_refresh",
    "ProcessV2Import": "process_v2_import",
    "already_snake": "already_snake",
    "X": "x",
    "HTTP": "http",
    "ABTest": "ab_test",
    "Job2": "job2",
    "Job2X": "job2_x",
    "SHA256Sum": "sha256_sum",
    "Mixed_Case": "mixed_case",
    "ÄrgerMelden": "ärger_melden",
    "": "",
}


@pytest.mark.parametrize(("class_name", "kind"), VECTORS.items())
def test_a_kind_follows_from_the_class_name(class_name: str, kind: str) -> None:
    """The derivation is a public contract: the vectors never change."""
    assert kind == kind_of(class_name)
