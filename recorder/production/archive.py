"""One zip for offline use, which is a SCORM 1.2 package too, and a Common Cartridge web link.

SCORM 1.2 Content Aggregation Model (imsmanifest.xml, cmi.core.lesson_status); IMS Common
Cartridge 1.3 (imswl_xmlv1p3).
"""

from __future__ import annotations

import html
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from recorder.production.slides import Slide
from recorder.recording import Recording

_SCORM = """<?xml version="1.0" encoding="UTF-8"?>
<manifest identifier={id} version="1.0"
  xmlns="http://www.imsproject.org/xsd/imscp_rootv1p1p2"
  xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_rootv1p2">
  <metadata><schema>ADL SCORM</schema><schemaversion>1.2</schemaversion></metadata>
  <organizations default="lectures"><organization identifier="lectures">
    <title>{title}</title>
    <item identifier="lecture" identifierref="page"><title>{title}</title></item>
  </organization></organizations>
  <resources>
    <resource identifier="page" type="webcontent" adlcp:scormtype="sco" href="index.html">
{files}
    </resource>
  </resources>
</manifest>
"""

_CARTRIDGE = """<?xml version="1.0" encoding="UTF-8"?>
<manifest identifier={id} xmlns="http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1"
  xmlns:lomimscc="http://ltsc.ieee.org/xsd/imsccv1p3/LOM/manifest">
  <metadata><schema>IMS Common Cartridge</schema><schemaversion>1.3.0</schemaversion>
    <lomimscc:lom><lomimscc:general><lomimscc:title><lomimscc:string>{title}</lomimscc:string>
    </lomimscc:title></lomimscc:general></lomimscc:lom></metadata>
  <organizations><organization identifier="lectures" structure="rooted-hierarchy">
    <item identifier="root"><item identifier="lecture" identifierref="link">
      <title>{title}</title></item></item>
  </organization></organizations>
  <resources>
    <resource identifier="link" type="imswl_xmlv1p3"><file href="link.xml"/></resource>
  </resources>
</manifest>
"""

_LINK = """<?xml version="1.0" encoding="UTF-8"?>
<webLink xmlns="http://www.imsglobal.org/xsd/imsccv1p3/imswl_v1p3">
  <title>{title}</title>
  <url href={url} target="_blank"/>
</webLink>
"""

_PAGE = """<!doctype html>
<html lang={language}>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 72rem;
  padding-inline: 1rem; }}
video {{ width: 100%; background: #000; }}
ol {{ list-style: none; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); }}
button {{ width: 100%; font: inherit; text-align: start; padding: .5rem; cursor: pointer; }}
button:focus-visible {{ outline: 3px solid #06c; }}
img {{ width: 100%; }}
</style>
<h1>{title}</h1>
<p>{about}</p>
<video controls preload="metadata" src="lecture.mp4" poster="poster.jpg">{tracks}</video>
<ol>{slides}</ol>
<script>
const video = document.querySelector("video");
document.querySelectorAll("button").forEach((button) => {{
  button.onclick = () => {{ video.currentTime = Number(button.dataset.time); video.play(); }};
}});
let api = null;
for (let frame = window, depth = 0; depth < 8 && !api; frame = frame.parent, depth++) {{
  try {{ api = frame.API; }} catch {{ break; }}
  if (frame === frame.parent) break;
}}
if (api) {{
  api.LMSInitialize("");
  video.onended = () => {{
    api.LMSSetValue("cmi.core.lesson_status", "completed");
    api.LMSCommit("");
  }};
  window.addEventListener("pagehide", () => api.LMSFinish(""));
}}
</script>
</html>
"""


def _page(recording: Recording, slides: Sequence[Slide], names: Sequence[str]) -> str:
    manifest = recording.manifest
    tracks = []
    for name in names:
        kind = "chapters" if name == "chapters.vtt" else "captions"
        if name.endswith(".vtt"):
            language = name.split(".")[1] if kind == "captions" else manifest.language or "en"
            tracks.append(f'<track kind="{kind}" src="{name}" srclang="{html.escape(language)}">')
    shown = []
    for slide in slides:
        picture = f'<img src="{slide.picture}" alt="" loading="lazy">' if slide.picture else ""
        minutes, seconds = divmod(int(slide.time), 60)
        label = f"{minutes}:{seconds:02d} {html.escape(slide.title)}"
        shown.append(f'<li><button data-time="{slide.time}">{picture}{label}</button></li>')
    about = [manifest.course, manifest.lecturer, f"{manifest.started:%Y-%m-%d}"]
    return _PAGE.format(
        language=quoteattr(manifest.language or "en"),
        title=html.escape(manifest.title),
        about=html.escape(" · ".join(part for part in about if part)),
        tracks="".join(tracks),
        slides="".join(shown),
    )


def offline(recording: Recording, slides: Sequence[Slide], path: Path) -> bool:
    """The small lecture with slides, captions and a page that plays it; False without a lecture."""
    products = recording.products
    small = products / "small.mp4"
    if not small.exists():
        return False
    wanted = ["chapters.vtt", "poster.jpg", "metadata.json"]
    wanted += sorted(file.name for file in products.glob("captions.*.vtt"))
    wanted += sorted(file.name for file in products.glob("transcript.*.txt"))
    names = [name for name in wanted if (products / name).exists()]
    pictures = [slide.picture for slide in slides if slide.picture]
    names += [picture for picture in pictures if (products / picture).exists()]
    files = ["index.html", "lecture.mp4", *names]
    listed = "\n".join(f"      <file href={quoteattr(name)}/>" for name in files)
    manifest = _SCORM.format(
        id=quoteattr(f"lecture-{recording.id}"),
        title=escape(recording.manifest.title),
        files=listed,
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("imsmanifest.xml", manifest)
        archive.writestr("index.html", _page(recording, slides, names))
        archive.write(small, "lecture.mp4", zipfile.ZIP_STORED)
        for name in names:
            still = name.endswith(".jpg")
            archive.write(
                products / name, name, zipfile.ZIP_STORED if still else zipfile.ZIP_DEFLATED
            )
    return True


def cartridge(recording: Recording, url: str, path: Path) -> None:
    """A Common Cartridge that holds one link: to where the lecture was published."""
    title = escape(recording.manifest.title)
    manifest = _CARTRIDGE.format(id=quoteattr(f"lecture-{recording.id}"), title=title)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("imsmanifest.xml", manifest)
        archive.writestr("link.xml", _LINK.format(title=title, url=quoteattr(url)))


def published_at(recording: Recording) -> str | None:
    """Where a delivery says that the lecture can be seen."""
    for path in sorted(recording.deliveries.glob("*.json")):
        try:
            url = json.loads(path.read_bytes()).get("url")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(url, str) and url.startswith(("https://", "http://")):
            return url
    return None
