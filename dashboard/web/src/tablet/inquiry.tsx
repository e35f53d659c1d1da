// What students ask the lecturer: the one that the class sees, and the form to ask another.

import { useSignal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import * as room from "./room";
import { t } from "./texts";
import type { Inquiry } from "./types";

export function ShownInquiry({ inquiry }: { inquiry: Inquiry }) {
  return (
    <blockquote class="card inquiry" data-inquiry={inquiry.id}>
      <p>
        <bdi>{inquiry.text}</bdi>
      </p>
      <Asker inquiry={inquiry} />
    </blockquote>
  );
}

/** Who asks, and that it comes from elsewhere. */
export function Asker({ inquiry }: { inquiry: Inquiry }) {
  if (!inquiry.name && !inquiry.remote) return null;
  return (
    <footer>
      <bdi>{inquiry.name}</bdi>
      {inquiry.name && inquiry.remote && " · "}
      {inquiry.remote && t("inquiry.remote")}
    </footer>
  );
}

export function AskLecturer() {
  const text = useSignal("");
  const sent = useSignal("");
  const said = useSignal<"" | "inquiry.sent" | "inquiry.failed">("");
  useLayoutEffect(() => {
    const settled = (id: string, seq: number | null) => {
      if (id !== sent.value) return;
      said.value = seq === null ? "inquiry.failed" : "inquiry.sent";
      if (seq !== null) text.value = "";
      sent.value = "";
    };
    room.onSettled.add(settled);
    return () => void room.onSettled.delete(settled);
  }, []);
  return (
    <form
      class="card inquire"
      onSubmit={(event) => {
        event.preventDefault();
        const words = text.value.trim();
        if (words) sent.value = room.insist({ type: "inquire", text: words });
      }}
    >
      <input
        type="text"
        dir="auto"
        maxLength={500}
        aria-label={t("inquiry.ask")}
        placeholder={t("inquiry.ask")}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          said.value = "";
        }}
      />
      <button type="submit" class="button plain" disabled={sent.value !== "" || !text.value.trim()}>
        {t(sent.value ? "given.waiting" : "inquiry.send")}
      </button>
      {said.value && <p role="status">{t(said.value)}</p>}
    </form>
  );
}
