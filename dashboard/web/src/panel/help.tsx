// Help: the number to ring, and one tap that calls a technician and says what is wrong.

import { computed, useSignal } from "@preact/signals";
import english from "../i18n/locales/en.json";
import { t } from "../i18n";
import { ask, room, signedIn } from "../room/store";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Phone } from "../ui/phone";

const WRONG = ["help.picture", "help.sound", "help.recording", "help.other"] as const;
const call = computed(() => room.value?.help ?? null);

/** In the strip, on every view of the panel. */
export function HelpButton() {
  const open = useSignal(false);
  if (!signedIn.value || call.value === null) return null;
  const waiting = call.value.state !== "none";
  return (
    <>
      <Button
        local
        kind="quiet"
        icon="call"
        class={waiting ? "help-button is-called" : "help-button"}
        label={t("help")}
        pressed={waiting}
        act={() => void (open.value = true)}
      >
        <span class="wide-only">{t("help")}</span>
      </Button>
      {open.value && <HelpDialog close={() => (open.value = false)} />}
    </>
  );
}

function HelpDialog({ close }: { close: () => void }) {
  const state = call.value?.state ?? "none";
  return (
    <Dialog title={t("help.title")} close={close} class="help-dialog">
      <Phone number={call.value?.phone ?? ""} />
      {state === "none" ? (
        <>
          <p>{t("help.what")}</p>
          <div class="choices of-two">
            {WRONG.map((key) => (
              <Button
                key={key}
                // The technician reads the room's journal in one language.
                act={() => ask("/help", { note: english[key] })}
              >
                {t(key)}
              </Button>
            ))}
          </div>
        </>
      ) : (
        <>
          <p class="help-state" role="status">
            <span class={`mark ${state === "answered" ? "good" : "busy"}`} aria-hidden="true" />
            <strong>
              {state === "answered"
                ? t("help.answered", { name: call.value?.by ?? "" })
                : t("help.called")}
            </strong>
          </p>
          <p>{t("help.goes.on")}</p>
          <Button icon="check" act={() => ask("/help/close")}>
            {t("help.close")}
          </Button>
        </>
      )}
      <Button local kind="quiet" act={close}>
        {t("action.close")}
      </Button>
    </Dialog>
  );
}
