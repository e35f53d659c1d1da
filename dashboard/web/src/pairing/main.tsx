// Pairing: the technician makes tablets of the room, one or a class set, and looks after them.

import "../style/tokens.css";
import "../style/base.css";
import "../style/frame.css";
import "../style/dense.css";
import "./pairing.css";
import { useEffect } from "preact/hooks";
import { t as shared } from "../i18n";
import { isTechnician } from "../room/store";
import { Frame, Gate, showPage } from "../ui/frame";
import { Codes } from "./codes";
import { List } from "./list";
import { Pair } from "./pair";
import { lost, problem, watch } from "./room";
import { t } from "./texts";

function Page() {
  return (
    <Frame>
      <Gate may={isTechnician.value} note={<p class="pairing-note">{t("technician")}</p>}>
        <Tablets />
      </Gate>
    </Frame>
  );
}

function Tablets() {
  useEffect(watch, []);
  return (
    <main class="pairing dense">
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

showPage(<Page />, () => t("title"));
