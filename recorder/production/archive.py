"""One zip for offline use, which is a SCORM 1.2 package too.

SCORM 1.2 Content Aggregation Model (imsmanifest.xml, cmi.core.lesson_status).
"""

from __future__ import annotations

import base64
import html
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from recorder.cartridge import readable
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

_PAGE = """<!doctype html>
<html lang={language} dir="{direction}">
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
{texts}
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


_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ku", "ps", "sd", "ur", "yi"))


def _page(recording: Recording, slides: Sequence[Slide], names: Sequence[str]) -> str:
    manifest = recording.manifest
    tracks: list[str] = []
    for name in names:
        if name.startswith("captions.") and name.endswith(".vtt"):
            language = name.split(".")[1]
            first = " default" if not tracks else ""
            # In the page itself: a browser reads no captions beside a page that is a file.
            words = base64.b64encode((recording.products / name).read_bytes()).decode()
            tracks.append(
                f'<track kind="captions" srclang={quoteattr(language)} '
                f'label={quoteattr(language)}{first} src="data:text/vtt;base64,{words}">'
            )
    texts = [f'<a href="{name}">{html.escape(name)}</a>' for name in names if name.endswith(".txt")]
    shown = []
    for slide in slides:
        picture = f'<img src="{slide.picture}" alt="" loading="lazy">' if slide.picture else ""
        minutes, seconds = divmod(int(slide.time), 60)
        stamp = f'<bdi dir="ltr">{minutes}:{seconds:02d}</bdi>'
        label = f"{stamp} <bdi>{html.escape(slide.title or f'{slide.number}')}</bdi>"
        shown.append(f'<li><button data-time="{slide.time}">{picture}{label}</button></li>')
    language = manifest.language or "en"
    about = [manifest.course, manifest.lecturer, f"{manifest.started:%Y-%m-%d}"]
    return _PAGE.format(
        language=quoteattr(language),
        direction="rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr",
        title=html.escape(manifest.title),
        about=html.escape(" · ".join(part for part in about if part)),
        tracks="".join(tracks),
        slides="".join(shown),
        texts=f"<p>{' · '.join(texts)}</p>" if texts else "",
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
        archive.writestr(readable("imsmanifest.xml"), manifest)
        archive.writestr(readable("index.html"), _page(recording, slides, names))
        for name, file in (("lecture.mp4", small), *((name, products / name) for name in names)):
            packed = not name.endswith((".jpg", ".mp4"))
            with file.open("rb") as held, archive.open(readable(name, packed), "w") as out:
                shutil.copyfileobj(held, out)
    return True
