// Pairing: the technician makes tablets of the room, one or a class set, and looks after them.

import "../style/tokens.css";
import "../style/base.css";
import "../style/recordings.css";
import "./pairing.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { firstLanguage, speak, t as shared } from "../i18n";
import { connect, me } from "../room/store";
import { Announcer, Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { LanguageChoice } from "../ui/language";
import { changeLook } from "../ui/look";
import { Login } from "../panel/login";
import { Codes } from "./codes";
import { List } from "./list";
import { Pair } from "./pair";
import { lost, problem, watch } from "./room";
import { t } from "./texts";

const MAY = new Set(["technician", "admin"]);

function Page() {
  const role = me.value?.role;
  return (
    <div class="shell">
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
      </header>
      {me.value === null ? (
        <main class="waiting" aria-busy="true" />
      ) : role == null || !MAY.has(role) ? (
        <>
          <p class="pairing-note">{t("technician")}</p>
          <Login />
        </>
      ) : (
        <Tablets />
      )}
      <Announcer />
    </div>
  );
}

function Tablets() {
  useEffect(watch, []);
  return (
    <main class="pairing">
      <h1>{t("title")}</h1>
      {lost.value && (
        <p class="alarm is-problem" role="alert">
          {shared("offline.title")}
        </p>
      )}
      <p class={problem.value ? "alarm is-problem" : "unseen"} role="alert">
        {problem}
      </p>
      {!isSecureContext && <p class="alarm">{t("insecure")}</p>}
      <div class="pairing-columns">
        <Pair />
        <Codes />
      </div>
      <List />
    </main>
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
