// The button: answers the finger at once, then waits for the room with it.

import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { link } from "../room/store";
import { Icon } from "./icons";

interface Props {
  /** What pressing does; the button is busy until it is settled. */
  act: () => unknown;
  icon?: string;
  children: ComponentChildren;
  kind?: "plain" | "main" | "quiet" | "danger" | "pause";
  label?: string;
  pressed?: boolean;
  disabled?: boolean;
  class?: string;
  autofocus?: boolean;
  /** Works without the room (closing a dialog, choosing a language). */
  local?: boolean;
}

export function Button(props: Props) {
  const busy = useSignal(false);
  const box = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (props.autofocus) box.current?.focus();
  }, []);
  const press = async () => {
    if (busy.value) return;
    const done = props.act();
    if (!(done instanceof Promise)) return;
    busy.value = true;
    try {
      await done;
    } finally {
      busy.value = false;
    }
  };
  const cut = !props.local && link.value !== "open";
  return (
    <button
      ref={box}
      type="button"
      class={`button ${props.kind ?? "plain"} ${props.class ?? ""}`}
      onClick={() => void press()}
      disabled={props.disabled === true || cut}
      aria-busy={busy.value}
      aria-label={props.label}
      aria-pressed={props.pressed}
      autofocus={props.autofocus ?? false}
    >
      {props.icon !== undefined && <Icon name={props.icon} />}
      <span class="button-text">{props.children}</span>
      <span class="spinner" aria-hidden="true" />
    </button>
  );
}

/** What is said aloud to screen readers, once each time it changes. */
export const announced = signal("");

export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {announced}
    </div>
  );
}
