// A button that acts only while it is held: it stops when the finger leaves, the page loses the
// focus or the connection, whichever comes first. The room itself stops what is not renewed.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { link } from "../room/store";

interface Props {
  begin: () => Promise<unknown>;
  end: () => Promise<unknown>;
  label: string;
  children: ComponentChildren;
  class?: string;
  disabled?: boolean;
}

/** The driver stops a movement that is not renewed within its dead man's time (3 s and more). */
const RENEW_MS = 1_000;

export function HoldButton(props: Props) {
  const held = useSignal(false);
  const timer = useRef(0);
  const asked = useRef<Promise<unknown> | null>(null);

  const renew = () => {
    if (asked.current) return;
    const mine: Promise<unknown> = props.begin().finally(() => {
      if (asked.current === mine) asked.current = null;
    });
    asked.current = mine;
  };
  const press = () => {
    if (held.value || props.disabled === true || link.value !== "open") return;
    held.value = true;
    renew();
    timer.current = window.setInterval(renew, RENEW_MS);
  };
  const release = () => {
    if (!held.value) return;
    held.value = false;
    clearInterval(timer.current);
    const pending = asked.current;
    asked.current = null; // the next press is asked for at once
    void props.end();
    // A stop may overtake the last movement on its way: then it is said once more.
    void pending?.then(() => (held.value ? undefined : props.end()));
  };
  const let_go = useRef(release);
  let_go.current = release;

  useEffect(() => {
    const stop = () => let_go.current();
    const hidden = () => document.hidden && stop();
    window.addEventListener("blur", stop);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      window.removeEventListener("blur", stop);
      document.removeEventListener("visibilitychange", hidden);
      stop();
    };
  }, []);
  useEffect(() => {
    if (link.value !== "open") let_go.current();
  }, [link.value]);

  return (
    <button
      type="button"
      class={`button plain hold ${props.class ?? ""}`}
      aria-label={props.label}
      aria-pressed={held.value}
      disabled={props.disabled === true || link.value !== "open"}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        // Touch holds on to the element by itself; leaving it must count.
        if (event.currentTarget.hasPointerCapture(event.pointerId))
          event.currentTarget.releasePointerCapture(event.pointerId);
        press();
      }}
      onPointerUp={release}
      onPointerLeave={release}
      onPointerCancel={release}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={(event) => {
        if (event.repeat || (event.key !== " " && event.key !== "Enter")) return;
        event.preventDefault();
        press();
      }}
      onKeyUp={release}
      onBlur={release}
    >
      {props.children}
    </button>
  );
}
