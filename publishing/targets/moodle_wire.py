"""Moodle's web services as they answer: one function, one upload, one file read back.

Nearly every error is HTTP 200, so a body is always read before it is believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from publishing import multipart
from publishing.http import Web
from publishing.metadata import Metadata
from publishing.products import Product
from publishing.shipment import Shipment
from publishing.target import ArrivedFile, ErrorKind, TargetError

_GONE = ("invalidpostid", "invaliddiscussionid", "invalidrecord", "invalidrecordunknown")
_TOO_LARGE = ("fileoversized", "upload_error_ini_size", "upload_error_form_size")


class Wire:
    """A Moodle and a token. `proof`: whether files are read back, or only their size is asked."""

    def __init__(self, web: Web, url: str, token: str, proof: str) -> None:
        self.web = web
        self.url = url
        self._token = token
        self._proof = proof

    async def call(self, function: str, *, gone: bool = False, **parameters: Any) -> Any:
        """One web service function; an answer with `exception` raises TargetError.

        With `gone` a thing that is not there (any more) is None instead.
        """
        answer = await self.web.ask(
            "POST",
            f"{self.url}/webservice/rest/server.php",
            params={"moodlewsrestformat": "json"},
            data={"wstoken": self._token, "wsfunction": function, **_flat(parameters)},
        )
        told = _json(answer)
        if isinstance(told, dict) and "exception" in told:
            if gone and told.get("errorcode") in _GONE:
                return None
            raise _refusal(told)
        return told

    async def course(self, metadata: Metadata, match: str, fixed: str) -> dict[str, Any]:
        """The course of a recording, found by the field `match`; TargetError (blocked) if none."""
        name = fixed or metadata.course
        if not name:
            raise TargetError(
                ErrorKind.BLOCKED,
                "The recording belongs to no course.",
                "Set its course on the review page, or `course` of this target.",
            )
        told = await self.call("core_course_get_courses_by_field", field=match, value=name)
        for course in told["courses"]:
            if "maxbytes" in course:
                return dict(course)
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The token's user is not enrolled in the course {name}.",
                "Enrol it there as a teacher.",
            )
        raise TargetError(
            ErrorKind.BLOCKED,
            f"Moodle has no course whose {match} is {name!r}.",
            "Set it in the course's settings, or correct the timetable.",
        )

    async def upload(self, shipment: Shipment, product: Product, draft: int) -> tuple[int, str]:
        """One file into a draft area (0: a new one); the area, and the name that it was given."""
        fields = [("token", self._token), ("itemid", str(draft)), ("filepath", "/")]
        form = multipart.body(shipment, fields, "file_1", product)
        answer = await self.web.ask(
            "POST",
            f"{self.url}/webservice/upload.php",
            content=form.content,
            headers=form.headers,
        )
        told = _json(answer)
        if isinstance(told, list) and told and "itemid" in told[0]:
            if int(told[0].get("filesize", product.size)) != product.size:
                raise TargetError(ErrorKind.RETRY, f"{product.name} did not arrive whole.")
            return int(told[0]["itemid"]), str(told[0]["filename"])
        problem = told[0] if isinstance(told, list) and told else told
        code = problem.get("errortype") or problem.get("errorcode") if problem else "missingparam"
        if code == "filenameexist" and draft:
            return draft, product.name  # an answer was lost; the receipt will tell what is there
        if code in _TOO_LARGE or code == "missingparam":
            raise TargetError(
                ErrorKind.PERMANENT,
                f"Moodle takes no file of {product.size} bytes ({code}).",
                "Raise `maxbytes` of site and course, and upload_max_filesize and post_max_size "
                "of PHP; or set `review_url`.",
            )
        raise _refusal(problem)

    async def compare(
        self, shipment: Shipment, product: Product, file: Mapping[str, Any] | None
    ) -> ArrivedFile:
        """What Moodle holds of a product, compared; TargetError (absent) when it differs.

        What is as it should be is noted as `held`: it need not be sent again with the others.
        """
        shipment.note(product).pop("held", None)
        if file is None:
            raise TargetError(
                ErrorKind.ABSENT,
                f"Moodle dropped {product.name} without a word.",
                "Check the course's and the site's upload limits and the user's file quota.",
            )
        size = int(file["filesize"])
        if size != product.size:
            raise TargetError(ErrorKind.ABSENT, f"{product.name} has another size in Moodle.")
        digest = None
        if self._proof == "hash":
            url = file["fileurl"].replace("/webservice/pluginfile.php/", "/pluginfile.php/")
            # An error is HTTP 200 here too: only the bytes themselves count.
            _, digest = await self.web.fingerprint(
                url.replace("/pluginfile.php/", "/webservice/pluginfile.php/"),
                method="POST",
                data={"token": self._token},
            )
            if digest != await shipment.digest(product):
                raise TargetError(
                    ErrorKind.ABSENT, f"{product.name} reads back from Moodle as something else."
                )
        shipment.at(product, size)
        shipment.note(product)["held"] = True
        return ArrivedFile(
            name=product.name,
            size=size,
            digest=f"sha256:{digest}" if digest else None,
            place=file["fileurl"],
        )


def _refusal(told: Mapping[str, Any]) -> TargetError:
    code = str(told.get("errorcode") or told.get("errortype") or "unknown")
    what = f"Moodle says: {told.get('message') or told.get('error') or code} ({code})."
    remedies = {
        "invalidtoken": "Make a new token and put it where `secret` points.",
        "accessexception": "Use a token of moodle_mobile_app, or allow uploads in the service.",
        "cannotcreatediscussion": "Give the token's user the teacher role in this course.",
        "requireloginerror": "Enrol the token's user in the course as a teacher.",
        "nopermissions": "Give the token's user the teacher role in this course.",
        "userquotalimit": "Free the token user's files, or raise its quota.",
    }
    if code == "sitemaintenance" or code.startswith(("dml", "ddl")):
        return TargetError(ErrorKind.RETRY, what)
    return TargetError(
        ErrorKind.BLOCKED, what, remedies.get(code, "Look up this code in Moodle's log.")
    )


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as Moodle wants them: `options[0][name]`."""
    flat: dict[str, str] = {}
    for key, value in parameters.items():
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(value, list):
            flat |= _flat({str(n): one for n, one in enumerate(value)}, name)
        elif isinstance(value, dict):
            flat |= _flat(value, name)
        else:
            flat[name] = str(value)
    return flat


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise TargetError(
            ErrorKind.RETRY,
            "Moodle answered with a page instead of data.",
            "If it stays so, check `url`: it is Moodle's own address, as in a browser.",
        ) from error
