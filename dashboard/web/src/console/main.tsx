// The technician's console: the room and its machine, devices and their wires, finding new ones,
// the room's file, what happened, and the sheet beside the panel.

import "../style/tokens.css";
import "../style/base.css";
import "../style/frame.css";
import "./console.css";
import { signal } from "@preact/signals";
import { t as shared } from "../i18n";
import { isTechnician, link, lock, me, room } from "../room/store";
import { Button } from "../ui/button";
import { Frame, Gate, showPage } from "../ui/frame";
import { Devices } from "./devices";
import { Find } from "./find";
import { Journal } from "./journal";
import { Overview } from "./overview";
import { RoomFile } from "./roomfile";
import { Sheet } from "./sheet";
import { problem } from "./api";
import { t, type Key } from "./texts";

const TABS = ["overview", "devices", "find", "config", "journal", "sheet"] as const;
type Tab = (typeof TABS)[number];

function asked(): Tab {
  const name = location.hash.slice(1);
  return TABS.find((tab) => tab === name) ?? "overview";
}

const shown = signal<Tab>(asked());
addEventListener("hashchange", () => {
  shown.value = asked();
  problem.value = "";
});

function View() {
  if (shown.value === "devices") return <Devices />;
  if (shown.value === "find") return <Find />;
  if (shown.value === "config") return <RoomFile />;
  if (shown.value === "journal") return <Journal />;
  return shown.value === "sheet" ? <Sheet /> : <Overview />;
}

function Console() {
  const admin = me.value?.role === "admin";
  return (
    <>
      <nav class="tabs" aria-label={t("title")}>
        {TABS.filter((tab) => admin || tab !== "config").map((tab) => (
          <a
            key={tab}
            class="tab"
            href={`#${tab}`}
            aria-current={shown.value === tab ? "page" : undefined}
          >
            {t(`tab.${tab}` as Key)}
          </a>
        ))}
        <a class="tab" href="/tablets">
          {t("tab.tablets")}
        </a>
      </nav>
      <main class="console">
        <h1 class="unseen">{t("title")}</h1>
        {link.value === "lost" && (
          <p class="alarm is-problem" role="alert">
            {shared("offline.title")}
          </p>
        )}
        <p class={problem.value ? "alarm is-problem" : "unseen"} role="alert">
          {problem}
        </p>
        {room.value !== null && <View />}
      </main>
    </>
  );
}

function Page() {
  const signOut = me.value?.role != null && (
    <Button kind="quiet" icon="lock" label={t("signout")} act={lock}>
      {""}
    </Button>
  );
  return (
    <Frame class="console-shell" last={signOut}>
      <Gate may={isTechnician.value} note={<p class="console-note">{t("technician")}</p>}>
        <Console />
      </Gate>
    </Frame>
  );
}

showPage(<Page />, () => t("title"));
