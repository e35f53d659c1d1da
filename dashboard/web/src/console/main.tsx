// The technician's console: the room and its machine, devices and their wires, finding new ones,
// the room's file, what happened, and the sheet beside the panel.

import "../style/tokens.css";
import "../style/base.css";
import "../style/recordings.css";
import "./console.css";
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { firstLanguage, speak, t as shared } from "../i18n";
import { Login } from "../panel/login";
import { connect, link, lock, me, room } from "../room/store";
import { Announcer, Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { LanguageChoice } from "../ui/language";
import { changeLook } from "../ui/look";
import { Devices } from "./devices";
import { Find } from "./find";
import { Journal } from "./journal";
import { Overview } from "./overview";
import { RoomFile } from "./roomfile";
import { Sheet } from "./sheet";
import { problem } from "./api";
import { t, type Key } from "./texts";

const MAY = new Set(["technician", "admin"]);
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
  const role = me.value?.role;
  return (
    <div class="shell console-shell">
      <header class="topbar">
        <a class="button quiet" href="/">
          <Icon name="back" />
          <span class="button-text">{shared("recordings.panel")}</span>
        </a>
        <span class="topbar-room">
          <bdi>{me.value?.room_name}</bdi>
        </span>
        <LanguageChoice />
        <Button local kind="quiet" icon="theme" label={shared("action.theme")} act={changeLook}>
          {""}
        </Button>
        {role != null && (
          <Button kind="quiet" icon="lock" label={t("signout")} act={lock}>
            {""}
          </Button>
        )}
      </header>
      {me.value === null ? (
        <main class="waiting" aria-busy="true" />
      ) : role == null || !MAY.has(role) ? (
        <>
          <p class="console-note">{t("technician")}</p>
          <Login />
        </>
      ) : (
        <Console />
      )}
      <Announcer />
    </div>
  );
}

let chosen = false;
effect(() => {
  const told = me.value;
  if (told === null) return;
  document.title = `${t("title")} · ${told.room_name}`;
  if (chosen) return;
  chosen = true;
  void speak(firstLanguage(told.languages, navigator.languages), false);
});

const page = document.getElementById("page");
if (page !== null) render(<Page />, page);
void connect();
