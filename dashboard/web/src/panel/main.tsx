// The wall panel.

import "../style/tokens.css";
import "../style/base.css";
import "../style/panel.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { firstLanguage, speak, t } from "../i18n";
import { active, connect, link, lock, me, room, signedIn } from "../room/store";
import { Announcer } from "../ui/button";
import { Icon } from "../ui/icons";
import { Login } from "../ui/login";
import { StateStrip } from "../ui/strip";
import { Alarms } from "./alarms";
import { HelpButton } from "./help";
import { Idle } from "./idle";
import { Live } from "./live";

const DIM_AFTER_MS = 5 * 60_000;
const LOCK_AFTER_MS = 10 * 60_000;

function Offline() {
  if (link.value !== "lost") return null;
  return (
    <div class="alarm is-offline" role="alert">
      <Icon name="unplugged" size={32} />
      <div>
        <strong>{t("offline.title")}.</strong> <span>{t("offline.text")}</span>
      </div>
    </div>
  );
}

function Panel() {
  return (
    <div class="panel">
      <StateStrip>
        <HelpButton />
      </StateStrip>
      <Offline />
      {me.value === null ? (
        <main class="waiting" aria-busy="true" />
      ) : !signedIn.value ? (
        <Login />
      ) : room.value === null ? (
        <main class="waiting" aria-busy="true" />
      ) : (
        <>
          <Alarms />
          {active.value ? <Live /> : <Idle />}
        </>
      )}
      <Announcer />
    </div>
  );
}

// The room's first language, unless someone chose another here.
let chosen = false;
effect(() => {
  const told = me.value;
  if (told === null) return;
  document.title = `${told.room_name} · ${t("app.name")}`;
  if (chosen) return;
  chosen = true;
  void speak(firstLanguage(told.languages, []), false);
});

// A free room's panel locks itself; in class it never does: End must be one touch away.
let touched = Date.now();
for (const kind of ["pointerdown", "keydown"]) {
  const wake = () => {
    touched = Date.now();
    document.body.classList.remove("is-dim");
  };
  document.addEventListener(kind, wake, { capture: true, passive: true });
}
setInterval(() => {
  // A panel that nobody needs grows dim, and never dark; a touch or a class wakes it.
  document.body.classList.toggle("is-dim", !active.value && Date.now() - touched > DIM_AFTER_MS);
  if (active.value) touched = Date.now();
  else if (signedIn.value && link.value === "open" && Date.now() - touched > LOCK_AFTER_MS)
    void lock().catch(() => undefined);
}, 10_000);

const page = document.getElementById("page");
if (page !== null) render(<Panel />, page);
void connect();
