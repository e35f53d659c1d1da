// A link to this minute for everyone; for those who teach also who may see the recording.

import { signal, useSignal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { post, put } from "../api/client";
import type { RecordingDetail, RecordingVisibility, ReviewLink, RightsView } from "../api/types";
import { playTime } from "../i18n";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { at } from "./player";
import { addressOf, detail, load, problem, recordingPath, rights, watchEdit } from "./store";
import { t, type Key } from "./texts";

const WHO = ["nobody", "course", "campus", "public"] as const;

/** The address in a field, and on the clipboard where the browser lets us. */
function Address({ label, address }: { label: string; address: string }) {
  const copied = useSignal(false);
  useLayoutEffect(() => {
    copied.value = false;
  }, [address]);
  return (
    <label class="field">
      {label}
      <span class="share-row">
        <input readOnly dir="ltr" value={address} onFocus={(event) => event.currentTarget.select()} />
        <Button
          local
          icon={copied.value ? "check" : "link"}
          label={t("share.copy")}
          act={async () => {
            try {
              await navigator.clipboard.writeText(address);
              copied.value = true;
            } catch {
              // Without a trusted certificate there is no clipboard: the field can be copied by hand.
            }
          }}
        >
          {t(copied.value ? "share.copied" : "share.copy")}
        </Button>
      </span>
    </label>
  );
}

const wrong = signal<{ text: string; remedy: string } | null>(null);

async function attempt(work: () => Promise<unknown>): Promise<void> {
  wrong.value = null;
  try {
    await work();
  } catch (error) {
    wrong.value = problem(error);
  }
}

function Staff({ recording }: { recording: RecordingDetail }) {
  const link = useSignal("");
  const make = (whole_course: boolean) =>
    attempt(async () => {
      const made = await post<ReviewLink>(`${recordingPath}/link`, { whole_course });
      link.value = location.origin + made.path;
    });
  return (
    <>
      <fieldset class="share-who">
        <legend>{t("who")}</legend>
        {WHO.map((one) => (
          <label key={one}>
            <input
              type="radio"
              name="who"
              checked={recording.visibility === one}
              onChange={() =>
                attempt(async () => {
                  const told = await put<RecordingVisibility>(`${recordingPath}/visibility`, {
                    visibility: one,
                  });
                  detail.value = { ...recording, visibility: told.visibility };
                })
              }
            />
            <span>{t(`who.${one}` as Key)}</span>
          </label>
        ))}
      </fieldset>
      {recording.visibility !== "nobody" && (
        <div class="share-make">
          <Button local act={() => make(false)}>
            {t("share.make")}
          </Button>
          {recording.course !== null && (
            <Button local act={() => make(true)}>
              {t("share.course")}
            </Button>
          )}
        </div>
      )}
      {link.value && <Address label={t("share.link")} address={link.value} />}
      <Decisions recording={recording} />
    </>
  );
}

/** Held back, given free, taken back from where it was sent. */
function Decisions({ recording }: { recording: RecordingDetail }) {
  const sure = useSignal(false);
  const why = useSignal("");
  const now = rights.value;
  if (now === null || recording.life === "recording") return null;
  const held = now.held !== null;
  const sent = now.deliveries.filter((one) => one.state === "verified" || one.state === "sending");
  const decide = (path: string, body: unknown) =>
    attempt(async () => {
      watchEdit(await post<RightsView>(`${recordingPath}${path}`, body));
      await load();
    });
  return (
    <>
      <div class="share-make">
        <p>{t(held ? "hold.is" : "hold.explain")}</p>
        {!held && (
          <label class="field share-why">
            {t("hold.why")}
            <input
              value={why.value}
              maxLength={500}
              dir="auto"
              onInput={(event) => (why.value = event.currentTarget.value)}
            />
          </label>
        )}
        <Button local act={() => (held ? decide("/release", {}) : decide("/hold", { why: why.value }))}>
          {t(held ? "hold.release" : "hold.hold")}
        </Button>
      </div>
      {sent.length > 0 && (
        <div class="share-make">
          <p>{t("withdraw.explain", { where: sent.map((one) => one.target).join(", ") })}</p>
          <Button
            local
            kind={sure.value ? "danger" : "plain"}
            act={() => (sure.value ? decide("/withdraw", {}) : (sure.value = true))}
          >
            {t(sure.value ? "withdraw.sure" : "withdraw")}
          </Button>
        </div>
      )}
    </>
  );
}

export function Share({ close }: { close: () => void }) {
  const recording = detail.value;
  const moment = useSignal(Math.floor(at.value));
  if (recording === null) return null;
  return (
    <Dialog title={t("share")} close={close}>
      <Address
        label={t("share.moment", { time: playTime(moment.value) })}
        address={addressOf(moment.value)}
      />
      {recording.may_edit && <Staff recording={recording} />}
      {wrong.value !== null && (
        <p class="alarm is-problem" role="alert">
          {wrong.value.text} {wrong.value.remedy}
        </p>
      )}
      <button type="button" class="button plain" onClick={close}>
        {t("close")}
      </button>
    </Dialog>
  );
}
