// Joining: the code from the board, or from the QR code that brought this device here.

import { useSignal } from "@preact/signals";
import { hurry, link } from "./room";
import { t } from "./texts";

const scanned = decodeURIComponent(location.hash.slice(1)).slice(0, 20);

export function Join({ revoked }: { revoked: boolean }) {
  const code = useSignal(scanned);
  const name = useSignal("");
  const busy = useSignal(false);
  const wrong = useSignal(revoked ? t("join.revoked") : "");
  const join = async () => {
    busy.value = true;
    try {
      const answer = await fetch("/api/v1/tablets/redeem", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ code: code.value, name: name.value, version: "page" }),
      });
      if (answer.ok) {
        history.replaceState(null, "", location.pathname + location.search);
        link.value = "connecting";
        hurry();
        return;
      }
      const problem = (await answer.json()) as { detail?: string };
      wrong.value = problem.detail ?? t("join.away");
    } catch {
      wrong.value = t("join.away");
    } finally {
      busy.value = false;
    }
  };
  return (
    <main class="join">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void join();
        }}
      >
        <h1>{t("join.title")}</h1>
        <label>
          {t("join.code")}
          <input
            class="code"
            dir="ltr"
            required
            minLength={6}
            maxLength={20}
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
            value={code.value}
            onInput={(event) => (code.value = event.currentTarget.value)}
          />
        </label>
        <label>
          {t("join.name")}
          <input
            maxLength={60}
            autocomplete="nickname"
            value={name.value}
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
          <small>{t("join.name.hint")}</small>
        </label>
        <p role="alert" class="wrong">
          {wrong}
        </p>
        <button type="submit" class="button main" disabled={busy.value}>
          {t(busy.value ? "join.asking" : "join.go")}
        </button>
      </form>
    </main>
  );
}
