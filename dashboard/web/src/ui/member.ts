// A launch from a course platform that opened a window of its own left its key in the address,
// behind the #: no server and no log sees it there.

/** Gives the key to the room, once; the browser keeps it from then on, and the address does not. */
export async function enter(): Promise<void> {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  await fetch("/api/v1/lti/enter", {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ key }),
  }).catch(() => undefined); // the page says then that it shows nothing
}
