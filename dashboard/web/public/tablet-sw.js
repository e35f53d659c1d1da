// The tablet page's offline shell. The page is asked for first and taken from here when the room is
// away; built files never change under their name; page images are kept so that a student can
// look back while the room is away. What older builds left is thrown away.

const SHELL = "tablet-shell-1";
const IMAGES = "tablet-images-1";
const MOST_IMAGES = 400;

async function keepShell(answer) {
  const shell = await caches.open(SHELL);
  const html = await answer.clone().text();
  const used = new Set(["/icon.svg"]);
  for (const [, file] of html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) used.add(file);
  for (const file of [...used]) {
    if (await shell.match(file)) continue;
    const got = await fetch(file);
    if (got.ok) await shell.put(file, got);
  }
  await shell.put("/tablet", answer);
}

self.addEventListener("install", (event) => {
  event.waitUntil(
    fetch("/tablet", { cache: "no-cache" })
      .then((answer) => (answer.ok ? keepShell(answer) : undefined))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("tablet-") && name !== SHELL && name !== IMAGES;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

async function page(request) {
  try {
    const answer = await fetch(request);
    if (answer.ok) await keepShell(answer.clone());
    return answer;
  } catch {
    return (await caches.match("/tablet")) ?? Response.error();
  }
}

async function kept(request, name) {
  const found = await caches.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) {
    const store = await caches.open(name);
    await store.put(request, answer.clone());
    if (name === IMAGES) {
      const all = await store.keys();
      for (const one of all.slice(0, Math.max(0, all.length - MOST_IMAGES))) await store.delete(one);
    }
  }
  return answer;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && url.pathname === "/tablet") event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/") || url.pathname === "/icon.svg") {
    event.respondWith(kept(request, SHELL));
  } else if (url.pathname.startsWith("/api/v1/tablets/pages/")) {
    event.respondWith(kept(request, IMAGES));
  }
});
