// The frame of a page beside the panel: the way back, the room's name, language and look.

import { effect } from "@preact/signals";
import { render, type ComponentChildren, type VNode } from "preact";
import { firstLanguage, known, speak, t } from "../i18n";
import { connect, me } from "../room/store";
import { Announcer, Button } from "./button";
import { Icon } from "./icons";
import { LanguageChoice } from "./language";
import { Login } from "./login";
import { changeLook } from "./look";

/** Where a screen is narrow, the sign alone, so that the room's name has its place. */
export function Back({ href, text }: { href: string; text: string }) {
  return (
    <a class="button quiet" href={href} aria-label={text}>
      <Icon name="back" />
      <span class="button-text wide-only">{text}</span>
    </a>
  );
}

interface FrameProps {
  /** The way back; to the panel unless the page has another. */
  back?: ComponentChildren;
  /** The page's own buttons before those that every page has, and after them. */
  tools?: ComponentChildren;
  last?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}

export function Frame({ back, tools, last, class: kind, children }: FrameProps) {
  return (
    <div class={`shell ${kind ?? ""}`}>
      <header class="topbar">
        {back ?? <Back href="/" text={t("recordings.panel")} />}
        <span class="topbar-room" dir="auto">
          {me.value?.room_name}
        </span>
        {tools}
        <LanguageChoice />
        <Button local kind="quiet" icon="theme" label={t("action.theme")} act={changeLook}>
          {""}
        </Button>
        {last}
      </header>
      {children}
      <Announcer />
    </div>
  );
}

interface GateProps {
  may: boolean;
  /** Says above the sign-in whom the page is for. */
  note?: ComponentChildren;
  children: ComponentChildren;
}

/** What only some may see; everyone else is asked to sign in. */
export function Gate({ may, note, children }: GateProps) {
  if (me.value === null) return <main class="waiting" aria-busy="true" />;
  if (may) return <>{children}</>;
  return (
    <>
      {note}
      <Login />
    </>
  );
}

/** Show the page and keep in touch with the room. `title` names what the page shows now. */
export function showPage(content: VNode, title: () => string): void {
  // Before the room has said anything, the page speaks as its reader does.
  void speak(firstLanguage(known(), navigator.languages), false);
  let chosen = false;
  effect(() => {
    const told = me.value;
    if (told === null) return;
    document.title = [title(), told.room_name].filter(Boolean).join(" · ");
    if (chosen) return;
    chosen = true;
    void speak(firstLanguage(told.languages, navigator.languages), false);
  });
  const page = document.getElementById("page");
  if (page !== null) render(content, page);
  void connect();
}
