"""An SDP offer as the body of a request: WHEP (draft-ietf-wish-whep) and WHIP (RFC 9725)."""

from __future__ import annotations

from fastapi import Request

from dashboard.problems import ProblemError

SDP = "application/sdp"
MAX_SDP = 100_000


def must_be_sdp(request: Request) -> None:
    """Raises ProblemError (415) for a body that is said to be something else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != SDP:
        raise ProblemError(415, "no_sdp", f"Send the offer with Content-Type: {SDP}.")


async def offer_of(request: Request) -> str:
    """The offer. Raises ProblemError: 415 for no SDP, 422 for no text, 413 for too much of it."""
    must_be_sdp(request)
    try:
        offer = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise ProblemError(422, "no_sdp", "This is no offer.") from error
    if len(offer) > MAX_SDP:
        raise ProblemError(
            413,
            "too_large",
            f"The offer is longer than {MAX_SDP} characters.",
            "Offer fewer codecs and candidates.",
        )
    return offer
