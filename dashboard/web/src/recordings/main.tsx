// Recordings: what can be watched here.

import "../style/tokens.css";
import "../style/base.css";
import "../style/recordings.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { firstLanguage, known, speak, t } from "../i18n";
import { connect, me } from "../room/store";
import { Announcer, Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { LanguageChoice } from "../ui/language";
import { changeLook } from "../ui/look";
import { Login } from "../panel/login";
import { List } from "./list";

function Page() {
  const signedIn = me.value?.role != null;
  return (
    <div class="shell">
      <header class="topbar">
        <a class="button quiet" href="/">
          <Icon name="back" />
          <span class="button-text">{t("recordings.panel")}</span>
        </a>
        <span class="topbar-room" dir="auto">
          {me.value?.room_name}
        </span>
        <LanguageChoice />
        <Button local kind="quiet" icon="theme" label={t("action.theme")} act={changeLook}>
          {""}
        </Button>
      </header>
      {me.value === null ? (
        <main class="waiting" aria-busy="true" />
      ) : !signedIn ? (
        <Login />
      ) : (
        <List />
      )}
      <Announcer />
    </div>
  );
}

// Before the room has said anything, the page speaks as its reader does.
void speak(firstLanguage(known(), navigator.languages), false);
let chosen = false;
effect(() => {
  const told = me.value;
  if (told === null) return;
  document.title = `${t("recordings")} · ${told.room_name}`;
  if (chosen) return;
  chosen = true;
  void speak(firstLanguage(told.languages, navigator.languages), false);
});

const page = document.getElementById("page");
if (page !== null) render(<Page />, page);
void connect();
